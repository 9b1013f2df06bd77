"""A session put together from the transcript of another program, event by event, as one of ours would be.

Ids are made from the session's id and the event's place, so the same transcript gives the same session.
What the transcript does not say (when a request was sent, when the session came to rest, what it had used by
then) is put where it must have been, at the time of what came before it; what has no place in an event of
ours is kept as it is in a ``local.imported``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentctl import __version__
from agentctl.canonical import JsonObject, exact_json, hash_of, sha256_hex
from agentctl.events.agent import (
    AgentMessage,
    AgentThinking,
    AgentThreadContextCompacted,
    AgentToolResult,
    AgentToolUse,
)
from agentctl.events.base import Event
from agentctl.events.local import (
    LocalImported,
    LocalModelResponse,
    LocalSessionCreated,
    LocalToolFacts,
    LocalToolStarted,
)
from agentctl.events.session import SessionError, SessionStatusIdle, SessionStatusRunning, SessionUsage
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import UserInterrupt, UserMessage
from agentctl.exchange.blocks import counted
from agentctl.exchange.origin import Foreign, Origin
from agentctl.ids import moment, time_of, timestamp
from agentctl.session.usage import Usage

_UNKNOWN = "1970-01-01T00:00:00.000000Z"


@dataclass(slots=True)
class Draft:
    """An event that is not made yet."""

    kind: type[Event]
    time: str
    members: JsonObject
    id: str


class Drafter:
    """Puts one session together. Times are RFC 3339; one that is missing or goes back is the one before it.

    ``tells_turns`` is set for a transcript that says itself when the session came to rest.
    """

    def __init__(self, session_id: str, origin: Origin) -> None:
        self.origin = origin
        self.title: str | None = None
        self.model = ""
        self.agent = ""
        self.place = ""
        self.tells_turns = False
        self._session_id = session_id
        self._drafts: list[Draft] = []
        self._calls: dict[str, str] = {}
        self._open: set[str] = set()
        self._waited: set[str] = set()
        self._running = False
        self._owes_answer = False
        self._worked = 0
        self._made = 0
        self._last: Draft | None = None

    def user(self, content: list[JsonObject], time: str | None) -> None:
        """A person said something: while the model's answer to a result is awaited, into the turn that runs."""
        if not self.tells_turns and not self._owes_answer:
            # What was called and never answered is not waited for any more: somebody has gone on.
            self._waited.clear()
            self.rest()
        self._work(UserMessage, time, content=content)
        if not self._running:
            self._running = True
            self._work(SessionStatusRunning, time)

    def interrupt(self, time: str | None) -> None:
        """A person wanted the turn to stop, and it did."""
        self._work(UserInterrupt, time)
        self.stop()

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
            self._work(SessionStatusRunning, time)
        self._owes_answer = False
        self.model = self.model or model
        start = self._insert(SpanModelRequestStart)
        calls = [(block, self._call_id(block, number)) for number, block in enumerate(blocks) if _is_call(block)]
        if message is not None:
            uses = [{"id": str(block["id"]), "event_id": event_id} for block, event_id in calls]
            members = {"raw": exact_json(message), "tool_uses": uses, "model": model}
            self._work(LocalModelResponse, time, model_request_start_id=start.id, **members)
        waiting = iter(calls)
        for block in blocks:
            if block["type"] == "text":
                self._work(AgentMessage, time, content=[block])
            elif _is_call(block):
                self._call(block, next(waiting)[1], time)
            else:
                self._work(AgentThinking, time)
        end = self._work(SpanModelRequestEnd, time, model_request_start_id=start.id, model_usage={}, is_error=False)
        if message is None:
            end.members["extra"] = {"local": {"model": model}}
        if calls:
            self._work(LocalToolStarted, time, tool_use_ids=[event_id for _, event_id in calls])
        self._last = end
        self.count(usage)

    def count(self, usage: JsonObject | None) -> bool:
        """Say what the last answer took. Returns False where that is known already, or there is no answer."""
        if self._last is None or usage is None or self._last.members["model_usage"]:
            return False
        self._last.members["model_usage"] = counted(usage)
        return True

    def aside(self, model: str, usage: JsonObject, line: int, time: str | None) -> None:
        """A request was made whose answer is no part of the conversation; what is known of it is kept at ``line``."""
        start = self._add(SpanModelRequestStart, None)
        about = {"local": {"model": model, "line": line}}
        members = {"model_usage": counted(usage), "is_error": False, "extra": about}
        self._add(SpanModelRequestEnd, time, model_request_start_id=start.id, **members)

    def result(
        self, call_id: object, content: list[JsonObject], time: str | None, *, is_error: bool = False, **facts: Any
    ) -> bool:
        """A call had its result. Returns False for a call that the transcript does not have, or that had one."""
        event_id = self._calls.get(str(call_id))
        if event_id is None or event_id not in self._open:
            return False
        self._open.discard(event_id)
        self._waited.discard(event_id)
        self._owes_answer = self._running
        self._work(AgentToolResult, time, tool_use_id=event_id, content=content, is_error=is_error or None)
        if facts:
            self._work(LocalToolFacts, time, tool_use_id=event_id, facts=facts)
        return True

    def served(self, call_id: str, *, has_failed: bool) -> None:
        """A call of the last answer was answered within it; what that was nobody knows."""
        self.result(call_id, [], None, is_error=has_failed)
        self._owes_answer = False

    def failed(self, text: str, time: str | None) -> None:
        """The model's API failed, and the turn with it."""
        error = {"type": "model_request_failed_error", "message": text, "retry_status": {"type": "exhausted"}}
        self._work(SessionError, time, error=error)
        self.stop("retries_exhausted")

    def compacted(self, time: str | None) -> None:
        """The conversation was replaced by a summary."""
        self._work(AgentThreadContextCompacted, time)

    def other(self, line: int, body: JsonObject, time: str | None = None) -> None:
        """Keep what has no place elsewhere."""
        self._add(LocalImported, time, line=line, body=body)

    def shows(self, time: object) -> bool:
        """Say whether the last event has that time; what went back in time has that of what came before it."""
        return bool(self._drafts) and time_of(self._drafts[-1].time) == time_of(str(time))

    def stop(self, reason: str = "end_turn") -> None:
        """The session came to rest, whatever was under way."""
        self._waited.clear()
        self._owes_answer = False
        self.rest(reason)

    def rest(self, reason: str = "end_turn") -> None:
        """The session came to rest, as far as no call is waited for."""
        if not self._running or self._waited:
            return
        self._running = False
        self._insert(SessionUsage, usage={})
        self._insert(SessionStatusIdle, stop_reason={"type": reason})

    def finish(self) -> Foreign:
        """Return the whole session."""
        if not self.tells_turns and not self._owes_answer:
            self.rest()
        began = next((each.time for each in self._drafts if each.time != _UNKNOWN), _UNKNOWN)
        for each in self._drafts:
            each.time = began if each.time == _UNKNOWN else each.time
        drafts = [Draft(LocalSessionCreated, began, self._header(), self._id("first")), *self._drafts]
        return Foreign(self._session_id, _summed([_event(each) for each in drafts]))

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

    def _call_id(self, block: JsonObject, number: int) -> str:
        """Name a call by its own id, and one that has the id of another by its place as well."""
        name = str(block.get("id"))
        return self._id(f"call {name} {self._made} {number}" if name in self._calls else f"call {name}")

    def _call(self, block: JsonObject, event_id: str, time: str | None) -> None:
        self._calls[str(block.get("id"))] = event_id
        self._open.add(event_id)
        self._waited.add(event_id)
        self._drafts.append(
            Draft(AgentToolUse, self._time(time), {"name": block["name"], "input": block["input"]}, event_id)
        )

    def _work(self, kind: type[Event], time: str | None, **members: Any) -> Draft:
        """Add what the session did, as against what is only kept."""
        made = self._add(kind, time, **members)
        self._worked = len(self._drafts)
        return made

    def _insert(self, kind: type[Event], **members: Any) -> Draft:
        """Add what must have happened right behind the last that the session did, before what was only kept since."""
        made = Draft(kind, self._drafts[self._worked - 1].time, members, self._next_id())
        self._drafts.insert(self._worked, made)
        self._worked += 1
        return made

    def _add(self, kind: type[Event], time: str | None, **members: Any) -> Draft:
        made = Draft(kind, self._time(time), members, self._next_id())
        self._drafts.append(made)
        return made

    def _next_id(self) -> str:
        self._made += 1
        return self._id(str(self._made))

    def _id(self, what: str) -> str:
        return f"sevt_{sha256_hex(f'{self._session_id} {what}')[:26]}"

    def _time(self, text: str | None) -> str:
        former = self._drafts[-1].time if self._drafts else None
        found = time_of(text)
        if found is None:
            return former or _UNKNOWN
        return timestamp(found if former is None else max(found, moment(former)))


def _is_call(block: JsonObject) -> bool:
    return bool(block["type"] == "tool_use")


def _event(draft: Draft) -> Event:
    return draft.kind(id=draft.id, processed_at=draft.time, **draft.members)


def _summed(events: list[Event]) -> list[Event]:
    """Return the events with what the session had used by then, wherever one is to say it."""
    usage = Usage()
    for place, event in enumerate(events):
        if isinstance(event, SessionUsage):
            sums = usage.until(event.processed_at)
            events[place] = replace(event, usage=sums.snapshot(), extra={"local": sums.local()})
        usage = usage.after(event)
    return events
