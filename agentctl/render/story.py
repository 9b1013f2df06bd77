"""What there is to tell of a session, event by event; how it looks is said elsewhere."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.events.agent import (
    AgentCustomToolUse,
    AgentMessage,
    AgentThinking,
    AgentThreadContextCompacted,
    AgentToolResult,
    AgentToolUse,
)
from agentctl.events.base import Event, UnknownEvent
from agentctl.events.codec import type_of
from agentctl.events.content import describe, message_of, text_of
from agentctl.events.local import (
    LocalCheckpointFailed,
    LocalCompactionFailed,
    LocalContextFull,
    LocalEgress,
    LocalFilesChanged,
    LocalForked,
    LocalInterrupted,
    LocalLimitReached,
    LocalModelResponse,
    LocalNudged,
    LocalOutputs,
    LocalSessionCreated,
    LocalStuck,
    LocalStuckWarned,
    LocalToolFacts,
    LocalToolStarted,
)
from agentctl.events.session import SessionError, SessionStatusIdle, SessionStatusRescheduled, SessionStatusTerminated
from agentctl.events.span import SpanModelRequestEnd
from agentctl.events.user import SystemMessage, UserCustomToolResult, UserInterrupt, UserMessage, UserToolConfirmation
from agentctl.render.files import changed_text
from agentctl.render.numbers import duration
from agentctl.session.result import Result
from agentctl.session.state import OpenCall, SessionState

_MOST_REFUSED = 50


@dataclass(frozen=True, slots=True)
class Opened:
    """A session begins."""

    created: LocalSessionCreated


@dataclass(frozen=True, slots=True)
class Said:
    """A person or the agent said something."""

    speaker: Literal["user", "agent"]
    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """The summary of what the model thought."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBegan:
    """The agent asks for a call."""

    call: OpenCall


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call has its result."""

    call: OpenCall
    text: str
    is_error: bool
    facts: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FilesChanged:
    """A call did something to the files; ``is_whole`` says that all of it is recorded."""

    text: str
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """A person allowed or denied a call."""

    call: OpenCall
    allowed: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Cut:
    """A request to the model failed; what was typed of its answer is not part of the record."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something happened that is neither text nor a call."""

    text: str
    tone: Literal["quiet", "warning", "bad"] = "quiet"
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Rested:
    """The session came to rest, or ended; ``waiting`` are the calls that need somebody's word."""

    result: Result
    waiting: tuple[OpenCall, ...] = ()
    outputs: tuple[JsonObject, ...] = ()
    why: str | None = None


Item: TypeAlias = Opened | Said | Thought | CallBegan | CallEnded | FilesChanged | CallAnswered | Cut | Remark | Rested


class Story:
    """A fold over a session's events into what there is to tell."""

    def __init__(self) -> None:
        self.result = Result()
        self.state = SessionState()
        self.is_imported = False
        self.outputs: tuple[JsonObject, ...] = ()
        self.began_at: dict[str, str | None] = {}
        self._thoughts: list[str] = []
        self._held: CallEnded | None = None
        self._refused_hosts: set[tuple[str, int]] = set()

    def after(self, event: Event, *, wanted: bool = True) -> list[Item]:
        """Take one more event into account; return what it tells, or nothing where it is not ``wanted``.

        The result of a call is told with the facts that follow it, so it may come one event later.
        """
        told = self._result_with(event)
        calls = {call.id: call for call in self.state.calls}
        self.state = self.state.after(event)
        self.result = self.result.after(event)
        own = self._told_by(event, calls)
        if not wanted:
            self._held = None
        return [*told, *own] if wanted else told

    @property
    def held_back(self) -> CallEnded | None:
        """A result that is told only with what comes next."""
        return self._held

    @property
    def open_calls(self) -> tuple[OpenCall, ...]:
        """The calls that have no result yet, or one that was not told yet."""
        return (*self.state.calls, *([self._held.call] if self._held else []))

    def rest_of(self) -> list[Item]:
        """Return what was still held back."""
        held, self._held = self._held, None
        return [held] if held else []

    def _result_with(self, event: Event) -> list[Item]:
        held = self._held
        if held and isinstance(event, LocalToolFacts) and event.tool_use_id == held.call.id:
            self._held = None
            return [CallEnded(held.call, held.text, held.is_error, event.facts)]
        return self.rest_of()

    def _told_by(self, event: Event, calls: dict[str, OpenCall]) -> list[Item]:
        match event:
            case LocalSessionCreated():
                self.is_imported = event.imported is not None
                return [Opened(event)]
            case UserMessage():
                return [Said("user", describe(event.content))]
            case LocalModelResponse():
                self._thoughts = _thoughts(event.raw)
            case AgentThinking():
                return self._next_thought()
            case AgentMessage():
                return [Said("agent", text_of(event.content))]
            case AgentToolUse() | AgentCustomToolUse():
                self.began_at[event.id] = event.processed_at
                return [CallBegan(self.state.calls[-1])]
            case LocalToolStarted():
                self.began_at |= dict.fromkeys(event.tool_use_ids, event.processed_at)
            case AgentToolResult():
                self._hold(event, calls.get(event.tool_use_id))
            case UserCustomToolResult():
                self.began_at.pop(event.custom_tool_use_id, None)
                call = calls.get(event.custom_tool_use_id)
                return [CallEnded(call, describe(event.content or ()), bool(event.is_error))] if call else []
            case UserToolConfirmation():
                return _answered(event, calls.get(event.tool_use_id))
            case LocalOutputs():
                self.outputs = tuple(event.files)
            case LocalEgress(allowed=False):
                return self._refused(event)
            case SessionStatusIdle():
                return [self._rested(event)]
            case _:
                return _remarks(event)
        return []

    def _next_thought(self) -> list[Item]:
        text = self._thoughts.pop(0) if self._thoughts else ""
        return [Thought(text)] if text.strip() else []

    def _hold(self, event: AgentToolResult, call: OpenCall | None) -> None:
        self.began_at.pop(event.tool_use_id, None)
        call = call or OpenCall(event.tool_use_id, "?", {}, "allow")
        self._held = CallEnded(call, describe(event.content or ()), bool(event.is_error))

    def _refused(self, event: LocalEgress) -> list[Item]:
        """Tell of each host once: a program that is refused asks again and again."""
        host = (event.host, event.port)
        if host in self._refused_hosts or len(self._refused_hosts) >= _MOST_REFUSED:
            return []
        self._refused_hosts.add(host)
        return [Remark(f"not reached: {event.host}:{event.port}: {event.reason}", "warning")]

    def _rested(self, event: SessionStatusIdle) -> Rested:
        waiting = tuple(call for call in self.state.calls if call.waits)
        details = event.stop_details or {}
        why = ": ".join(str(part) for part in (details.get("category"), details.get("explanation")) if part)
        outputs, self.outputs = self.outputs, ()
        return Rested(self.result, waiting, outputs, why or None)


def _remarks(event: Event) -> list[Item]:
    match event:
        case UserInterrupt():
            return [Remark("interrupted by a person", "warning")]
        case LocalFilesChanged():
            return [FilesChanged(text, is_whole=event.cut is None)] if (text := changed_text(event)) else []
        case LocalForked():
            return [Remark(f"forked from #{event.at} of {event.parent}")]
        case LocalInterrupted():
            return [Remark(f"the process was told to stop ({event.signal})", "warning")]
        case LocalLimitReached():
            return [Remark(event.line or f"limit reached: {event.limit} {event.allowed:g}", "warning")]
        case SystemMessage():
            return [Remark(f"the operator to the model: {text_of(event.content)}")]
        case AgentThreadContextCompacted():
            return [Remark("the conversation was summarised: the model goes on from the summary")]
        case LocalNudged():
            return [Remark(f"the model stopped short ({event.reason}) and was asked to go on")]
        case LocalCompactionFailed() | LocalContextFull():
            return [Remark(event.line, "warning")]
        case LocalStuckWarned() | LocalStuck():
            return [Remark(event.line, "warning")]
        case LocalCheckpointFailed():
            return [Remark(f"the state of the sandbox could not be kept: {event.reason}", "warning")]
        case SpanModelRequestEnd(is_error=True):
            return [Cut()]
        case SessionError():
            return [_failure(event.error)]
        case SessionStatusRescheduled():
            return _rescheduled(event)
        case SessionStatusTerminated():
            return [Remark("the session has ended and cannot go on", "warning")]
        case UnknownEvent(body={"name": str(name)}):
            return [Remark(f"{type_of(event)}: {name}")]
        case UnknownEvent():
            return [Remark(type_of(event))]
        case _:
            return []


def _failure(error: JsonObject) -> Remark:
    local = error.get("local") or {}
    is_over = (error.get("retry_status") or {}).get("type") != "retrying"
    return Remark(str(error.get("message", "")), "bad" if is_over else "warning", local.get("hint"))


def _rescheduled(event: SessionStatusRescheduled) -> list[Item]:
    seconds = (event.local or {}).get("wait_seconds")
    return [Remark(f"trying again in {duration(seconds)}")] if isinstance(seconds, int | float) else []


def _answered(event: UserToolConfirmation, call: OpenCall | None) -> list[Item]:
    return [CallAnswered(call, event.result == "allow", event.deny_message)] if call else []


def _thoughts(raw: str) -> list[str]:
    """Return the text of each thinking block of a message, in order; empty for one that is sealed."""
    blocks = message_of(raw).get("content") or ()
    thinking = [block for block in blocks if block.get("type") in ("thinking", "redacted_thinking")]
    return [str(block.get("thinking") or "") for block in thinking]
