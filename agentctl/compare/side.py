"""One of the sessions that are compared: a fold over its log into all that is compared of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from agentctl.canonical import JsonObject
from agentctl.compare.calls import Call, Calls
from agentctl.compare.foreign import as_own, place_of
from agentctl.events.agent import (
    AgentCustomToolUse,
    AgentMessage,
    AgentToolResult,
    AgentToolUse,
)
from agentctl.events.base import Event
from agentctl.events.content import describe
from agentctl.events.local import (
    LocalCompactionResponse,
    LocalEgress,
    LocalEgressStarted,
    LocalFilesChanged,
    LocalFilesUploaded,
    LocalForked,
    LocalInterrupted,
    LocalLimitReached,
    LocalModelResponse,
    LocalOutputs,
    LocalSandboxStarted,
    LocalSessionCreated,
    LocalStuck,
    LocalToolFacts,
)
from agentctl.events.session import (
    SessionError,
    SessionStatusIdle,
    SessionStatusRescheduled,
    SessionStatusRunning,
    SessionStatusTerminated,
)
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import SystemMessage, UserCustomToolResult, UserMessage, UserToolConfirmation
from agentctl.session.egress import EgressSums
from agentctl.session.fork import forked
from agentctl.session.log import Record
from agentctl.session.result import Result
from agentctl.session.usage import Usage


@dataclass(frozen=True, slots=True)
class Touched:
    """The last that happened to a path: the number and time of the event, and the change as the log has it."""

    seq: int
    at: str | None
    change: JsonObject


@dataclass(frozen=True, slots=True)
class Told:
    """Something that a person or the operator said to the agent."""

    seq: int
    text: str


class Side:
    """A fold over a log. ``name`` is what the session is called where it is compared."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.created: LocalSessionCreated | None = None
        self.created_seq = 1
        self.sandbox: JsonObject = {}
        self.sandbox_seq: int | None = None
        self.uploaded: LocalFilesUploaded | None = None
        self.uploaded_seq: int | None = None
        self.told: list[Told] = []
        self.models: list[str] = []
        self.model_seqs: list[int] = []
        self.network = EgressSums()
        self.host_seqs: dict[tuple[str, int], int] = {}
        self.touched: dict[str, Touched] = {}
        self.outputs: LocalOutputs | None = None
        self.outputs_seq: int | None = None
        self.limit: str | None = None
        self.rest_seq: int | None = None
        self.events: list[tuple[int, Event]] = []
        self.last_seq = 0
        self._last_time: str | None = None
        self._result = Result()
        self._calls = Calls()
        self._kept: tuple[Call, ...] | None = None

    @classmethod
    def of(cls, name: str, records: Iterable[Record]) -> "Side":
        """Read a session whole. Raises what reading it does."""
        side = cls(name)
        for record in records:
            side.add(record.seq, record.event)
        return side

    def add(self, seq: int, event: Event) -> None:
        """Take one more event, by its number."""
        kind = type(event)
        if kind in _OF_CALLS:
            self._calls.add(seq, event)
        if kind in _OF_RESULT:
            self._result = self._result.after(event)
        if kind in _TELLING:
            self.events.append((seq, event))
        if kind in _OWN:
            self._take(seq, event)
        self.last_seq = seq
        self._last_time = event.processed_at or self._last_time

    @property
    def calls(self) -> tuple[Call, ...]:
        """Its calls, in the order of their events; those of another program's transcript as if they were agentctl's."""
        if self._kept is None:
            self._kept = self._calls.calls()
            if self.created is not None and self.is_imported:
                place = place_of(self.created)
                self._kept = tuple(as_own(call, place) for call in self._kept)
        return self._kept

    @property
    def is_imported(self) -> bool:
        """Whether it is the transcript of another program, which has neither definitions nor files."""
        return self.created is not None and self.created.imported is not None

    @property
    def result(self) -> Result:
        """What it came to."""
        return self._result

    @property
    def usage(self) -> Usage:
        """What it used, up to its last event."""
        return self._result.usage.until(self._last_time)

    def _take(self, seq: int, event: Event) -> None:
        match event:
            case LocalSessionCreated():
                self.created, self.created_seq = event, seq
            case LocalForked() if self.created is not None:
                self.created, self.created_seq = forked(self.created, event), seq
            case LocalSandboxStarted():
                self.sandbox, self.sandbox_seq = event.facts, seq
            case LocalFilesUploaded() if self.uploaded is None:
                self.uploaded, self.uploaded_seq = event, seq
            case UserMessage() | SystemMessage():
                self.told.append(Told(seq, describe(event.content)))
            case LocalModelResponse() if event.model not in self.models:
                self.models.append(event.model)
                self.model_seqs.append(seq)
            case LocalEgress() | LocalEgressStarted():
                self.host_seqs.setdefault((event.host, event.port), seq)
                self.network.add(event)
            case LocalFilesChanged():
                paths = ((str(body.get("path")), body) for body in event.changes)
                self.touched |= {path: Touched(seq, event.processed_at, body) for path, body in paths}
            case LocalOutputs():
                self.outputs, self.outputs_seq = event, seq
            case _:
                self._take_end(seq, event)

    def _take_end(self, seq: int, event: Event) -> None:
        match event:
            case LocalLimitReached():
                self.limit = event.limit
            case LocalStuck():
                self.limit = f"stuck: {event.reason}"
            case SessionStatusRunning():
                self.limit = None
            case SessionStatusIdle() | SessionStatusTerminated() | LocalInterrupted():
                self.rest_seq = seq


_OWN = frozenset(
    {
        LocalSessionCreated,
        LocalForked,
        LocalSandboxStarted,
        LocalFilesUploaded,
        UserMessage,
        SystemMessage,
        LocalModelResponse,
        LocalEgress,
        LocalEgressStarted,
        LocalFilesChanged,
        LocalOutputs,
        LocalLimitReached,
        LocalStuck,
        SessionStatusRunning,
        SessionStatusIdle,
        SessionStatusTerminated,
        LocalInterrupted,
    }
)

_OF_CALLS = frozenset(
    {
        AgentToolUse,
        AgentCustomToolUse,
        AgentToolResult,
        UserCustomToolResult,
        LocalToolFacts,
        LocalFilesChanged,
        UserToolConfirmation,
        LocalModelResponse,
        SpanModelRequestStart,
        UserMessage,
    }
)

_OF_RESULT = frozenset(
    {
        LocalSessionCreated,
        LocalForked,
        LocalModelResponse,
        LocalCompactionResponse,
        AgentToolUse,
        AgentCustomToolUse,
        AgentToolResult,
        AgentMessage,
        SessionStatusRunning,
        SessionStatusRescheduled,
        SessionStatusIdle,
        SessionStatusTerminated,
        SessionError,
        SpanModelRequestStart,
        SpanModelRequestEnd,
        LocalOutputs,
        LocalInterrupted,
    }
)

_TELLING = frozenset(
    {
        UserMessage,
        SystemMessage,
        UserToolConfirmation,
        AgentMessage,
        AgentToolUse,
        AgentCustomToolUse,
        AgentToolResult,
        UserCustomToolResult,
        LocalFilesChanged,
        LocalEgress,
        LocalLimitReached,
        LocalStuck,
        LocalInterrupted,
        SessionError,
        SessionStatusIdle,
        SessionStatusTerminated,
    }
)
"""What is worth seeing around a difference: not the bookkeeping."""
