"""What a session's log comes to, as far as choosing the next step needs it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from agentctl.canonical import JsonObject, hash_of
from agentctl.events.agent import AgentCustomToolUse, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.content import message_of
from agentctl.events.local import (
    LocalCheckpoint,
    LocalCheckpointFailed,
    LocalForked,
    LocalInputProcessed,
    LocalLimitReached,
    LocalModelResponse,
    LocalNudged,
    LocalSandboxLost,
    LocalSandboxStarted,
    LocalToolFacts,
    LocalToolStarted,
)
from agentctl.events.session import (
    SessionError,
    SessionStatusIdle,
    SessionStatusRescheduled,
    SessionStatusRunning,
    SessionStatusTerminated,
)
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import SystemMessage, UserCustomToolResult, UserInterrupt, UserMessage, UserToolConfirmation
from agentctl.session.changing import changed

Status: TypeAlias = Literal["idle", "running", "rescheduling", "terminated"]


@dataclass(frozen=True)
class OpenCall:
    """A call that has no result yet.

    ``permission`` is the policy's word, ``answer`` a person's. A custom call is answered by
    whoever runs the session, never by us.
    """

    id: str
    name: str
    input: JsonObject
    permission: str
    custom: bool = False
    started: bool = False
    answer: Literal["allow", "deny"] | None = None
    deny_message: str | None = None

    @property
    def waits(self) -> bool:
        """Whether somebody has to say something before this call can get its result."""
        return self.custom or (self.permission == "ask" and self.answer is None)

    @property
    def fingerprint(self) -> str:
        """Name exactly this call, as ``sha256:…``: what an answer to it is bound to."""
        return hash_of({"event_id": self.id, "name": self.name, "input": self.input})

    @property
    def denied(self) -> bool:
        """Whether a person said no."""
        return self.answer == "deny"


@dataclass(frozen=True)
class SessionState:
    """A fold over the log.

    ``queued`` are messages not taken up yet. ``owes_turn`` says that the model has not yet seen
    all there is for it. ``requests`` counts the model's answers since a person last
    spoke, ``pauses`` those in a row that ended with ``pause_turn``; ``cut`` counts answers in a row that
    were cut by their length, ``nudges`` how often the model was asked to go on since a person last
    spoke or a call had its result. ``attempts`` are failed model requests in a row, ``waited`` the
    seconds waited between them, ``retry_at`` when the next one is due. ``checkpoint`` names the image that holds the
    sandbox as it was kept last, ``unkept`` why the state that it rested in could not be. ``forked`` says
    that the session's parent had a sandbox, and the session has
    had none of its own yet, ``rested`` that the session has come to rest since its last one was
    started. ``sandboxes`` counts those
    that were started or taken over, ``losses`` those in a row that were lost before a call ended.
    ``interrupted`` says that a person wants this turn to stop.
    """

    status: Status = "idle"
    stop_reason: JsonObject | None = None
    stop_details: JsonObject | None = None
    queued: tuple[str, ...] = ()
    calls: tuple[OpenCall, ...] = ()
    owes_turn: bool = False
    answer_stop_reason: str | None = None
    answer_stop_details: JsonObject | None = None
    failure: JsonObject | None = None
    limit: str | None = None
    open_request: str | None = None
    requests: int = 0
    pauses: int = 0
    cut: int = 0
    nudges: int = 0
    attempts: int = 0
    waited: float = 0.0
    retry_at: str | None = None
    tool_calls: int = 0
    running_since: str | None = None
    interrupted: bool = False
    checkpoint: str | None = None
    unkept: str | None = None
    forked: bool = False
    rested: bool = False
    sandboxes: int = 0
    losses: int = 0

    def after(self, event: Event) -> "SessionState":
        """Return the state after one more event; events that change nothing return the state itself."""
        match event:
            case UserMessage():
                return self._after_message(event)
            case SystemMessage() if event.processed_at is None:
                return changed(self, queued=(*self.queued, event.id))
            case LocalInputProcessed():
                left = tuple(name for name in self.queued if name not in event.event_ids)
                return changed(self._with_fresh_turn(), queued=left)
            case SessionStatusRunning():
                return self._after_running(event)
            case SessionStatusRescheduled():
                local = event.local or {}
                waited = self.waited + float(local.get("wait_seconds", 0))
                return changed(self, status="rescheduling", retry_at=local.get("retry_at"), waited=waited)
            case SessionStatusIdle():
                return changed(
                    self, status="idle", stop_reason=event.stop_reason, stop_details=event.stop_details, rested=True
                )
            case SessionStatusTerminated():
                return changed(self, status="terminated")
            case SessionError():
                return self._after_error(event)
            case SpanModelRequestStart():
                return changed(self, open_request=event.id)
            case SpanModelRequestEnd():
                return changed(self, open_request=None, attempts=self.attempts + 1 if event.is_error else 0)
            case LocalModelResponse():
                return self._after_response(event)
            case LocalNudged():
                return changed(self, owes_turn=True, nudges=self.nudges + 1)
            case AgentToolUse():
                call = OpenCall(event.id, event.name, event.input, event.evaluated_permission or "allow")
                return changed(self, calls=(*self.calls, call), tool_calls=self.tool_calls + 1)
            case AgentCustomToolUse():
                call = OpenCall(event.id, event.name, event.input, "allow", custom=True)
                return changed(self, calls=(*self.calls, call), tool_calls=self.tool_calls + 1)
            case UserToolConfirmation():
                return self._after_confirmation(event)
            case LocalToolStarted():
                return self._with_calls(
                    changed(call, started=True) if call.id in event.tool_use_ids else call for call in self.calls
                )
            case AgentToolResult():
                return self._without_call(event.tool_use_id)
            case UserCustomToolResult():
                return self._without_call(event.custom_tool_use_id)
            case LocalLimitReached():
                return changed(self, limit=event.limit)
            case LocalCheckpoint():
                return changed(self, checkpoint=event.image, unkept=None)
            case LocalCheckpointFailed():
                return changed(self, unkept=event.reason)
            case LocalSandboxStarted():
                unkept = self.unkept if event.facts.get("attached") else None
                return changed(self, sandboxes=self.sandboxes + 1, forked=False, rested=False, unkept=unkept)
            case LocalSandboxLost():
                return changed(self, losses=self.losses + 1)
            case LocalToolFacts() if self.losses:
                return changed(self, losses=0)
            case LocalForked():
                return self._after_fork(event)
            case UserInterrupt():
                return changed(self, interrupted=True) if self.status in ("running", "rescheduling") else self
            case _:
                return self

    def _after_running(self, event: SessionStatusRunning) -> "SessionState":
        if self.status == "rescheduling":
            return changed(self, status="running", retry_at=None)
        return changed(
            self,
            status="running",
            stop_reason=None,
            stop_details=None,
            failure=None,
            limit=None,
            running_since=event.processed_at,
            interrupted=False,
            attempts=0,
            waited=0.0,
            losses=0,
        )

    def _after_fork(self, event: LocalForked) -> "SessionState":
        """Begin a fork: what its parent had under way, nobody does here; a call without a result is still to be made.

        What a person answered there was the answer to that call, once, and is asked again here. Another
        sandbox than the parent's cannot be made from what was kept of that one.
        """
        calls = tuple(changed(call, started=False, answer=None, deny_message=None) for call in self.calls)
        return SessionState(
            queued=self.queued,
            calls=calls,
            owes_turn=self.owes_turn,
            answer_stop_reason=self.answer_stop_reason,
            answer_stop_details=self.answer_stop_details,
            pauses=self.pauses,
            cut=self.cut,
            checkpoint=self.checkpoint if event.sandbox is None else None,
            unkept=self.unkept if event.sandbox is None else None,
            forked=self.sandboxes > 0 or self.forked,
        )

    def _after_message(self, event: UserMessage) -> "SessionState":
        if event.processed_at is None:
            return changed(self, queued=(*self.queued, event.id))
        return self._with_fresh_turn()

    def _after_error(self, event: SessionError) -> "SessionState":
        status = event.error.get("retry_status", {}).get("type")
        return changed(self, failure=event.error) if status in ("exhausted", "terminal") else self

    def _after_response(self, event: LocalModelResponse) -> "SessionState":
        message = message_of(event.raw)
        reason = message.get("stop_reason")
        return changed(
            self,
            requests=self.requests + 1,
            owes_turn=reason == "pause_turn",
            answer_stop_reason=reason,
            answer_stop_details=message.get("stop_details"),
            pauses=self.pauses + 1 if reason == "pause_turn" else 0,
            cut=self.cut + 1 if reason == "max_tokens" else 0,
        )

    def _after_confirmation(self, event: UserToolConfirmation) -> "SessionState":
        return self._with_calls(
            changed(call, answer=event.result, deny_message=event.deny_message)
            if call.waits and not call.custom and _is_about(event, call)
            else call
            for call in self.calls
        )

    def _with_fresh_turn(self) -> "SessionState":
        return changed(self, owes_turn=True, requests=0, pauses=0, cut=0, nudges=0)

    def _with_calls(self, calls: Iterable[OpenCall]) -> "SessionState":
        return changed(self, calls=tuple(calls))

    def _without_call(self, call_id: str) -> "SessionState":
        left = tuple(call for call in self.calls if call.id != call_id)
        return self if len(left) == len(self.calls) else changed(self, calls=left, owes_turn=True, nudges=0)


def _is_about(event: UserToolConfirmation, call: OpenCall) -> bool:
    """Say whether an answer was given to this very call: its id, and what was shown where the answer says so."""
    shown = (event.extra.get("local") or {}).get("fingerprint", call.fingerprint)
    return event.tool_use_id == call.id and shown == call.fingerprint
