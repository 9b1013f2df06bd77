"""What a session did, hour by hour, model by model and tool by tool: a fold over its own events.

What is asked of the model counts for the model that answered, what a tool did for the tool as well; time, and how
the session came to rest, for the model that answered last. Everything counts for the hour (UTC) in which
it ended. A fork counts what it did itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import NamedTuple

from agentctl.canonical import JsonObject
from agentctl.events.agent import AgentCustomToolUse, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.local import (
    LocalCompactionResponse,
    LocalForked,
    LocalInterrupted,
    LocalModelResponse,
    LocalSessionCreated,
    LocalToolFacts,
)
from agentctl.events.session import SessionStatusIdle, SessionStatusTerminated
from agentctl.events.span import SpanModelRequestEnd
from agentctl.events.user import UserCustomToolResult
from agentctl.session.changing import changed
from agentctl.session.usage import Usage, answering

COUNTED = (
    "agent.custom_tool_use",
    "agent.tool_result",
    "agent.tool_use",
    "local.compaction_response",
    "local.forked",
    "local.interrupted",
    "local.model_response",
    "local.session_created",
    "local.tool_facts",
    "session.status_idle",
    "session.status_rescheduled",
    "session.status_running",
    "session.status_terminated",
    "span.model_request_end",
    "span.model_request_start",
    "user.custom_tool_result",
)
"""Types of events that anything is counted of."""

_OF_USAGE = (
    "requests",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "active_seconds",
    "unsettled",
    "cost",
)


class Place(NamedTuple):
    """What a sum is of: an hour (``2026-11-20T09``), a model, and a tool, empty for what is of none."""

    hour: str
    model: str
    tool: str


@dataclass(slots=True)
class Sums:
    """What was done. Money is in US dollars; ``unpriced`` counts requests to models without a price.

    ``ends`` counts how often the session came to rest, by the reason; ``tool_seconds`` is time inside the sandbox.
    """

    requests: int = 0
    failed_requests: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cost: Decimal = Decimal(0)
    unsettled: Decimal = Decimal(0)
    calls: int = 0
    failed_calls: int = 0
    tool_seconds: float = 0.0
    active_seconds: float = 0.0
    ends: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Sums") -> None:
        """Count other sums in."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, number in other.ends.items():
            self.ends[reason] = self.ends.get(reason, 0) + number

    @property
    def read_tokens(self) -> int:
        """How many tokens the model read, from the cache or not."""
        return self.input_tokens + self.cache_read_input_tokens + self.cache_creation_input_tokens

    @property
    def cache_share(self) -> float | None:
        """Which part of what the model read came from the prompt cache; None where it read nothing."""
        return self.cache_read_input_tokens / self.read_tokens if self.read_tokens else None

    def as_json(self) -> JsonObject:
        """Write what is not nothing."""
        body: JsonObject = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in body.items() if value}

    @classmethod
    def from_json(cls, body: JsonObject) -> "Sums":
        """Read what was written. Raises TypeError, and ArithmeticError for what is no number."""
        members: JsonObject = dict(body)
        for name in ("cost", "unsettled"):
            members[name] = Decimal(body.get(name, 0))
        return cls(**members)


_NUMBERS = tuple(each.name for each in fields(Sums) if each.name != "ends")


class Tally:
    """The sums of one session, place by place; ``last`` is the place of what it did last."""

    def __init__(self, name_of: Callable[[str], str | None] = lambda _call_id: None) -> None:
        """``name_of`` finds the tool of a call that was asked for before the fork."""
        self.sums: dict[Place, Sums] = {}
        self.last: Place | None = None
        self._name_of = name_of
        self._usage = Usage()
        self._model = ""
        self._tools: dict[str, tuple[str, str]] = {}
        self._ended_badly: set[str] = set()

    def begin(self, event: Event) -> None:
        """Learn what the session is, where its own events do not say it: they begin behind a fork."""
        self._usage = self._usage.after(event)
        if isinstance(event, LocalSessionCreated) or (isinstance(event, LocalForked) and event.model):
            self._model = event.model or ""

    def add(self, event: Event) -> None:
        """Take one more of the session's own events into account."""
        hour = (event.processed_at or "")[:13]
        match event:
            case LocalSessionCreated() | LocalForked():
                self.begin(event)
            case LocalModelResponse() | LocalCompactionResponse():
                self._model = event.model
                self._use(event, hour)
            case SpanModelRequestEnd() if (model := answering(event)) is not None:
                self._use_of(model, event, hour)
            case AgentToolUse() | AgentCustomToolUse():
                self._tools[event.id] = (event.name, self._model)
                self._call(event.id, hour).calls += 1
            case AgentToolResult():
                self._use(event, hour)
                self._end_call(event.tool_use_id, hour, is_error=bool(event.is_error))
            case UserCustomToolResult():
                self._end_call(event.custom_tool_use_id, hour, is_error=bool(event.is_error))
            case LocalToolFacts():
                self._add_facts(event, hour)
            case _:
                self._use(event, hour)
                self._end(event, hour)

    def close(self, updated_at: str | None) -> None:
        """Count the time up to the last word of a session that did not say when it stopped.

        One that did nothing yet is counted all the same.
        """
        hour = (updated_at or "")[:13]
        self._count(self._usage.until(updated_at), hour)
        if self.last is None:
            self._at(hour)

    def _end(self, event: Event, hour: str) -> None:
        match event:
            case SessionStatusIdle():
                self._ended(str(event.stop_reason.get("type")), hour)
            case SessionStatusTerminated():
                self._ended("terminated", hour)
            case LocalInterrupted():
                self._ended("interrupted", hour)
            case SpanModelRequestEnd() if event.is_error:
                self._at(hour).failed_requests += 1
            case _:
                pass

    def _ended(self, reason: str, hour: str) -> None:
        ends = self._at(hour).ends
        ends[reason] = ends.get(reason, 0) + 1

    def _use_of(self, model: str, event: SpanModelRequestEnd, hour: str) -> None:
        """Count a request whose answer is told elsewhere; that of a sub-agent's model says nothing of later calls."""
        former, self._model = self._model, model
        self._use(event, hour)
        if "line" in event.extra["local"]:
            self._model = former

    def _use(self, event: Event, hour: str) -> None:
        self._count(self._usage.after(event), hour)

    def _count(self, usage: Usage, hour: str) -> None:
        """Count what there is more of than before. A cost that is not known must not hide those that are."""
        if usage is self._usage:
            return
        if usage.cost is None:
            self._at(hour).unpriced += 1
            usage = changed(usage, cost=self._usage.cost)
        more = {name: getattr(usage, name) - getattr(self._usage, name) for name in _OF_USAGE}
        if any(more.values()):
            sums = self._at(hour)
            for name, number in more.items():
                setattr(sums, name, getattr(sums, name) + number)
        self._usage = usage

    def _call(self, call_id: str, hour: str) -> Sums:
        """Return the sums of a call's tool; one that was asked for before the fork is made by the fork."""
        if call_id not in self._tools:
            self._tools[call_id] = (self._name_of(call_id) or "?", self._model)
            self._call(call_id, hour).calls += 1
        tool, model = self._tools[call_id]
        return self._sums(Place(hour, model, tool))

    def _end_call(self, call_id: str, hour: str, *, is_error: bool) -> None:
        sums = self._call(call_id, hour)
        if is_error:
            self._ended_badly.add(call_id)
            sums.failed_calls += 1

    def _add_facts(self, event: LocalToolFacts, hour: str) -> None:
        sums, facts = self._call(event.tool_use_id, hour), event.facts
        if isinstance(seconds := facts.get("duration_seconds"), int | float):
            sums.tool_seconds += seconds
        went_wrong = facts.get("exit_code") not in (None, 0) or bool(facts.get("timed_out"))
        if went_wrong and event.tool_use_id not in self._ended_badly:
            sums.failed_calls += 1

    def _at(self, hour: str) -> Sums:
        return self._sums(Place(hour, self._model, ""))

    def _sums(self, place: Place) -> Sums:
        self.last = place
        return self.sums.setdefault(place, Sums())


def tally_as_json(sums: Mapping[Place, Sums]) -> list[JsonObject]:
    """Write the sums of a session, as ``tally_from_json`` reads them."""
    return [{"place": list(place), "sums": each.as_json()} for place, each in sums.items()]


def tally_from_json(body: list[JsonObject]) -> dict[Place, Sums]:
    """Read the sums of a session. Raises KeyError, TypeError or ArithmeticError for what are none."""
    return {Place(*each["place"]): Sums.from_json(each["sums"]) for each in body}
