"""What to do next: a pure function of a session's state and the time."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from agentctl.canonical import JsonObject
from agentctl.harness.outlook import Outlook
from agentctl.policy.budget import Reached
from agentctl.policy.stuck import Stuck
from agentctl.session.state import OpenCall, SessionState


@dataclass(frozen=True, slots=True)
class TakeInput:
    """Take up what people have sent."""

    event_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskModel:
    """Send the conversation to the model, for an answer of at most ``max_tokens``."""

    max_tokens: int


@dataclass(frozen=True, slots=True)
class Compact:
    """Have the conversation summarised, in at most ``max_tokens``."""

    max_tokens: int


@dataclass(frozen=True, slots=True)
class RunTools:
    """Run these calls in the sandbox."""

    calls: tuple[OpenCall, ...]


@dataclass(frozen=True, slots=True)
class AnswerCalls:
    """Give these calls an error result without running them."""

    answers: tuple[tuple[OpenCall, str], ...]


@dataclass(frozen=True, slots=True)
class RecoverCalls:
    """Find out what became of calls that a process began which has ended since."""

    calls: tuple[OpenCall, ...]


@dataclass(frozen=True, slots=True)
class CloseRequest:
    """Write down that a request to the model has ended without an answer."""

    request_id: str


@dataclass(frozen=True, slots=True)
class StopAtLimit:
    """A limit of the session was met."""

    reached: Reached


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the model that it goes in circles."""

    stuck: Stuck


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The model goes in circles although it was told."""

    stuck: Stuck


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until a moment (RFC 3339; None means no longer), then try again."""

    until: str | None


@dataclass(frozen=True, slots=True)
class ComeToRest:
    """Write down that the session rests, and why."""

    stop_reason: JsonObject
    stop_details: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Resting:
    """There is nothing to do."""


Step: TypeAlias = (
    TakeInput
    | AskModel
    | Compact
    | RunTools
    | AnswerCalls
    | RecoverCalls
    | CloseRequest
    | StopAtLimit
    | Warn
    | GiveUp
    | Wait
    | ComeToRest
    | Resting
)

INTERRUPTED = "Tool execution was interrupted before completion. Please retry."


def has_work(state: SessionState) -> bool:
    """Say whether a session at rest could go on without anybody saying anything."""
    if state.status == "terminated":
        return False
    if any(not call.waits for call in state.calls):
        return True
    return not state.calls and (bool(state.queued) or state.owes_turn)


def next_step(state: SessionState, outlook: Outlook, now: datetime) -> Step:
    """Choose the next step of a session. Touches nothing."""
    if state.status not in ("running", "rescheduling"):
        return Resting()
    if state.open_request is not None:
        return CloseRequest(state.open_request)
    if state.interrupted:
        return _step_to_stop(state.calls)
    if state.status == "rescheduling":
        return Wait(state.retry_at)
    if state.failure is not None:
        return ComeToRest({"type": "retries_exhausted"})
    if state.limit is not None:
        return ComeToRest({"type": "budget_reached"})
    if state.calls:
        return _step_for_calls(state.calls)
    if (state.queued or state.owes_turn) and outlook.wants_summary(state):
        return _reason_not_to_summarise(state, outlook, now) or Compact(outlook.max_tokens(now))
    if state.queued:
        return TakeInput(state.queued)
    if state.owes_turn:
        return _reason_not_to_ask(state, outlook, now) or AskModel(outlook.max_tokens(now))
    if state.answer_stop_reason == "refusal":
        return ComeToRest({"type": "refusal"}, state.answer_stop_details)
    return ComeToRest({"type": "end_turn"})


def _step_to_stop(calls: tuple[OpenCall, ...]) -> Step:
    if calls:
        return AnswerCalls(tuple((call, INTERRUPTED) for call in calls))
    return ComeToRest({"type": "end_turn"})


def _step_for_calls(calls: tuple[OpenCall, ...]) -> Step:
    denied = tuple((call, _refusal(call)) for call in calls if call.denied)
    if denied:
        return AnswerCalls(denied)
    begun = tuple(call for call in calls if call.started)
    if begun:
        return RecoverCalls(begun)
    runnable = tuple(call for call in calls if not call.waits)
    if runnable:
        return RunTools(runnable)
    return ComeToRest({"type": "requires_action", "event_ids": [call.id for call in calls]})


def _refusal(call: OpenCall) -> str:
    reason = f": {call.deny_message}" if call.deny_message else "."
    return f"Permission to use {call.name} has been denied{reason}"


def _reason_not_to_ask(state: SessionState, outlook: Outlook, now: datetime) -> Step | None:
    reached = outlook.reached(state, now)
    if reached is not None:
        return StopAtLimit(reached)
    stuck = outlook.stuck()
    if stuck is None:
        return None
    return GiveUp(stuck) if stuck.final else Warn(stuck)


def _reason_not_to_summarise(state: SessionState, outlook: Outlook, now: datetime) -> Step | None:
    if not state.queued:
        return _reason_not_to_ask(state, outlook, now)
    # What people said is taken up behind the summary, word for word, and what they said starts a turn of its own.
    reached = outlook.reached(replace(state, requests=0), now)
    return None if reached is None else StopAtLimit(reached)
