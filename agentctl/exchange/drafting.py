"""A session put together from the transcript of another program, event by event, as one of ours would be.

Ids are made from the session's id and the event's place, so the same transcript gives the same session.
What the transcript does not say (when a request was sent, when the session came to rest) is put where it
must have been, at the time of what came before it; what has no place in an event of ours is kept as it
is in a ``local.imported``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agentctl import __version__
from agentctl.canonical import JsonObject, exact_json, hash_of, sha256_hex
from agentctl.events.agent import AgentMessage, AgentThinking, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import LocalImported, LocalModelResponse, LocalSessionCreated, LocalToolFacts
from agentctl.events.session import SessionError, SessionStatusIdle, SessionStatusRunning
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import UserInterrupt, UserMessage
from agentctl.ids import moment, time_of, timestamp

_UNKNOWN = "1970-01-01T00:00:00.000000Z"
TOKENS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


@dataclass(slots=True)
class Draft:
    """An event that is not made yet."""

    kind: type[Event]
    time: str
    members: JsonObject
    id: str


@dataclass(slots=True)
class Origin:
    """Where a session comes from. ``format`` is whose transcript it is, ``sha256`` that of its file."""

    format: str
    name: str
    sha256: str
    more: JsonObject = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        """Write it as ``local.session_created`` has it."""
        return {"format": self.format, "name": self.name, "sha256": self.sha256, **self.more}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A session that another program has recorded."""

    session_id: str
    events: Sequence[Event]


class Drafter:
    """Puts one session together. Times are RFC 3339; one that is missing or goes back is the one before it."""

    def __init__(self, session_id: str, origin: Origin) -> None:
        self.origin = origin
        self.title: str | None = None
        self.model = ""
        self.agent = ""
        self.place = ""
        self._session_id = session_id
        self._drafts: list[Draft] = []
        self._calls: dict[str, str] = {}
        self._open: set[str] = set()
        self._running = False
        self._last: Draft | None = None

    @property
    def runs(self) -> bool:
        """Whether the session is at work at this place of the transcript."""
        return self._running

    def user(self, content: list[JsonObject], time: str | None) -> None:
        """A person said something."""
        if self._running and not self._open:
            self.rest()
        self._add(UserMessage, time, content=content)
        if not self._running:
            self._running = True
            self._add(SessionStatusRunning, time)

    def interrupt(self, time: str | None) -> None:
        """A person wanted the turn to stop."""
        self._add(UserInterrupt, time)

    def answer(
        self,
        blocks: Sequence[JsonObject],
        model: str,
        time: str | None,
        *,
        usage: JsonObject | None = None,
        message: JsonObject | None = None,
    ) -> None:
        """The model answered with these blocks; ``message`` is the API's whole message where it is known."""
        if not self._running:
            self._running = True
            self._add(SessionStatusRunning, time)
        self.model = self.model or model
        start = self._add(SpanModelRequestStart, None)
        calls = [(block, self._id(f"call {block.get('id')}")) for block in blocks if block["type"] == "tool_use"]
        if message is not None:
            uses = [{"id": str(block["id"]), "event_id": event_id} for block, event_id in calls]
            members = {"raw": exact_json(message), "tool_uses": uses, "model": model}
            self._add(LocalModelResponse, time, model_request_start_id=start.id, **members)
        waiting = iter(calls)
        for block in blocks:
            if block["type"] == "text":
                self._add(AgentMessage, time, content=[block])
            elif block["type"] == "tool_use":
                self._call(block, next(waiting)[1], time)
            else:
                self._add(AgentThinking, time)
        end = self._add(SpanModelRequestEnd, time, model_request_start_id=start.id, model_usage={}, is_error=False)
        if message is None:
            end.members["extra"] = {"local": {"model": model}}
        self._last = end
        self.count(usage)

    def count(self, usage: JsonObject | None) -> None:
        """Say what the last answer took, unless that is known already."""
        if self._last is None or usage is None or self._last.members["model_usage"]:
            return
        self._last.members["model_usage"] = {name: _count(usage.get(name)) for name in TOKENS}

    def result(
        self, call_id: object, content: list[JsonObject], time: str | None, *, is_error: bool = False, **facts: Any
    ) -> bool:
        """A call had its result. Returns False for a call that the transcript does not have, or that had one."""
        event_id = self._calls.get(str(call_id))
        if event_id is None or event_id not in self._open:
            return False
        self._open.discard(event_id)
        self._add(AgentToolResult, time, tool_use_id=event_id, content=content, is_error=is_error or None)
        if facts:
            self._add(LocalToolFacts, time, tool_use_id=event_id, facts=facts)
        return True

    def facts(self, call_id: object, time: str | None, **facts: Any) -> None:
        """Something is known of a call beside its result."""
        if (event_id := self._calls.get(str(call_id))) is not None:
            self._add(LocalToolFacts, time, tool_use_id=event_id, facts=facts)

    def failed(self, text: str, time: str | None) -> None:
        """The model's API failed."""
        error = {"type": "model_request_failed_error", "message": text, "retry_status": {"type": "exhausted"}}
        self._add(SessionError, time, error=error)

    def other(self, line: int, body: JsonObject, time: str | None = None) -> None:
        """Keep what has no place elsewhere."""
        self._add(LocalImported, time, line=line, body=body)

    def event(self, kind: type[Event], time: str | None, **members: Any) -> None:
        """Add an event that is known to have happened."""
        self._add(kind, time, **members)

    def rest(self, reason: str = "end_turn") -> None:
        """The session came to rest, as far as no call is open."""
        if self._running and not self._open:
            self._running = False
            self._add(SessionStatusIdle, None, stop_reason={"type": reason})

    def finish(self) -> Foreign:
        """Return the whole session."""
        self.rest()
        began = next((each.time for each in self._drafts if each.time != _UNKNOWN), _UNKNOWN)
        for each in self._drafts:
            each.time = began if each.time == _UNKNOWN else each.time
        drafts = [Draft(LocalSessionCreated, began, self._header(), self._id("first")), *self._drafts]
        made = [each.kind(id=each.id, processed_at=each.time, **each.members) for each in drafts]
        return Foreign(self._session_id, made)

    def _header(self) -> JsonObject:
        agent: JsonObject = {"name": self.agent or self.origin.format.lower().replace(" ", "-")}
        environment: JsonObject = {"name": self.place or "unknown"}
        return {
            "session_id": self._session_id,
            "agentctl_version": __version__,
            "agent": agent,
            "agent_hash": hash_of(agent),
            "environment": environment,
            "environment_hash": hash_of(environment),
            "model": self.model or "unknown",
            "request": {"model": self.model or "unknown"},
            "sandbox": {"kind": "imported"},
            "uploads": [],
            "limits": {},
            "title": self.title,
            "imported": self.origin.as_json(),
        }

    def _call(self, block: JsonObject, event_id: str, time: str | None) -> None:
        self._calls[str(block.get("id"))] = event_id
        self._open.add(event_id)
        self._drafts.append(
            Draft(AgentToolUse, self._time(time), {"name": block["name"], "input": block["input"]}, event_id)
        )

    def _add(self, kind: type[Event], time: str | None, **members: Any) -> Draft:
        made = Draft(kind, self._time(time), members, self._id(str(len(self._drafts))))
        self._drafts.append(made)
        return made

    def _id(self, what: str) -> str:
        return f"sevt_{sha256_hex(f'{self._session_id} {what}')[:26]}"

    def _time(self, text: str | None) -> str:
        former = self._drafts[-1].time if self._drafts else None
        found = time_of(text)
        if found is None:
            return former or _UNKNOWN
        return timestamp(found if former is None else max(found, moment(former)))


def blocks_of(content: object) -> list[JsonObject]:
    """Return content as blocks: a text becomes one, what is no block becomes the text of its JSON."""
    if isinstance(content, str):
        return [text_block(content)] if content else []
    if not isinstance(content, list):
        return [] if content is None else [text_block(exact_json(content))]
    return [_block(each) for each in content]


def _block(value: object) -> JsonObject:
    if isinstance(value, dict):
        is_text = value.get("type") == "text" and isinstance(value.get("text"), str)
        is_file = value.get("type") in ("image", "document") and isinstance(value.get("source"), dict)
        return value if is_text or is_file else text_block(exact_json(value))
    return text_block(value if isinstance(value, str) else exact_json(value))


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
