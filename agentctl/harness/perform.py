"""Doing a step: the small part of the harness that touches the model, the sandbox and the clock."""

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from agentctl.canonical import JsonObject
from agentctl.errors import AgentctlError, ModelError, SandboxError, UsageError
from agentctl.events.agent import AgentToolResult
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import (
    LocalContextFull,
    LocalInputProcessed,
    LocalLimitReached,
    LocalOutputs,
    LocalSandboxLost,
    LocalSandboxStarted,
    LocalStuck,
    LocalStuckWarned,
    LocalToolFacts,
    LocalToolStarted,
)
from agentctl.events.make import Maker
from agentctl.events.session import (
    SessionError,
    SessionStatusIdle,
    SessionStatusRescheduled,
    SessionStatusRunning,
    SessionUsage,
)
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.harness.answers import answer_events
from agentctl.harness.hands import Hands
from agentctl.harness.outlook import Outlook
from agentctl.harness.shortening import context_full, refusal_events, summary_events
from agentctl.harness.steps import (
    AnswerCalls,
    AskModel,
    CloseRequest,
    ComeToRest,
    Compact,
    GiveUp,
    RecoverCalls,
    Resting,
    RunTools,
    Step,
    StopAtLimit,
    TakeInput,
    Wait,
    Warn,
)
from agentctl.harness.stop import Stop
from agentctl.ids import moment, timestamp
from agentctl.model.base import Model, Preview, ShowPreview
from agentctl.model.request import RequestHeader, build_compaction, build_request
from agentctl.policy.budget import Reached
from agentctl.policy.retry import Failure, after_failure
from agentctl.policy.stuck import Stuck
from agentctl.sandbox.base import OutputFile, ToolCall, ToolOutcome
from agentctl.session.log import Session
from agentctl.session.state import OpenCall, SessionState
from agentctl.tools.builtin import READ_ONLY
from agentctl.tools.toolset import Toolset

Events = Sequence[Event]

MOST_OUTPUT_BYTES = 1 << 30
"""Output files are kept up to this many bytes in all."""

_MOST_LOSSES = 3
_PAUSE_SECONDS = 0.5

_OUTCOME_UNKNOWN = (
    "The process that ran this call ended before it had the result, so whether the call took effect is not known. "
    "Check before you repeat it."
)
_DIED = "The sandbox failed while this call ran: {}. Whether the call took effect is not known."
_NO_SANDBOX = "The call was not run, because there is no sandbox: {}."
_REPLACED = (
    "[Your sandbox was lost and replaced by a new one. What was copied in at the start is there again; files that "
    "calls made or changed since, running processes and the state of the shell are gone.]"
)

_NO_TOKENS = {
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}


class Performer:
    """Does the steps of one session.

    ``keep`` stores bytes and returns their SHA-256 and their number; ``chance`` gives a number from
    0 up to 1.
    """

    def __init__(
        self,
        model: Model,
        header: RequestHeader,
        toolset: Toolset,
        hands: Hands,
        make: Maker,
        keep: Callable[[Iterable[bytes]], tuple[str, int]],
        stop: Stop,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._model = model
        self._header = header
        self._toolset = toolset
        self._hands = hands
        self._make = make
        self._keep = keep
        self._stop = stop
        self._sleep = stop.sleep
        self._running: dict[str, OpenCall] = {}
        self._notice: str | None = None
        self._chance = chance

    def __call__(self, step: Step, session: Session[Outlook]) -> Iterator[Events]:
        """Do ``step``, yielding the events of it in groups that are stored together."""
        match step:
            case TakeInput():
                yield [self._make(LocalInputProcessed, event_ids=list(step.event_ids))]
            case AskModel():
                yield from self._ask_model(step.max_tokens, session)
            case Compact():
                yield from self._compact(step.max_tokens, session)
            case RunTools():
                yield from self._run_tools(step.calls, session)
            case AnswerCalls():
                yield [self._error_result(call, text) for call, text in step.answers]
            case RecoverCalls():
                yield from self._recover(step.calls, session)
            case CloseRequest():
                yield [self._request_ended(step.request_id)]
            case StopAtLimit():
                yield [self._limit_reached(step.reached)]
            case Warn():
                yield [self._warned(step.stuck, session.outlook)]
            case GiveUp():
                yield self._given_up(step.stuck)
            case Wait():
                self._wait(step.until)
                yield [self._make(SessionStatusRunning)]
            case ComeToRest():
                yield self._rest(step, session)
            case Resting():
                pass

    def _ask_model(self, max_tokens: int, session: Session[Outlook]) -> Iterator[Events]:
        start = self._make(SpanModelRequestStart)
        header = replace(self._header, max_tokens=max_tokens)
        request = build_request(header, session.transcript.messages())
        yield [start]
        if self._toolset.uses_sandbox:
            self._hands.begin(session.id)
        try:
            response = self._model.respond(request, self._preview_to(session))
        except ModelError as error:
            stopped = self._stop.is_asked
            yield [self._request_ended(start.id), *([] if stopped else self._after_refusal(error, session))]
        else:
            yield answer_events(
                response,
                start.id,
                session.state,
                self._toolset,
                self._make,
                shortened_to=max_tokens if max_tokens < self._header.max_tokens else None,
                can_be_shortened=session.outlook.can_be_shortened(answers=1),
            )

    def _compact(self, max_tokens: int, session: Session[Outlook]) -> Iterator[Events]:
        start = self._make(SpanModelRequestStart)
        request = build_compaction(replace(self._header, max_tokens=max_tokens), session.transcript.settled())
        is_full = session.outlook.context.full
        yield [start]
        try:
            response = self._model.respond(request, self._heed)
        except ModelError as error:
            ended = [self._request_ended(start.id)]
            if self._stop.is_asked:
                yield ended
                return
            refused = refusal_events(error, self._make, is_full=is_full)
            yield [*ended, *(self._after_failure(error, session.state) if refused is None else refused)]
        else:
            yield summary_events(response, start.id, self._make, is_full=is_full)

    def _after_refusal(self, error: ModelError, session: Session[Outlook]) -> Events:
        if error.kind != "prompt_too_long":
            return self._after_failure(error, session.state)
        if session.outlook.can_be_shortened():
            return [self._make(LocalContextFull, line=error.message)]
        return [self._make(SessionError, error=context_full(error.message))]

    def cancel(self) -> None:
        """End what is going on, as soon as it can be; it has an outcome all the same. From any thread."""
        self._model.cancel()
        for call_id in list(self._running):
            with contextlib.suppress(SandboxError):
                self._hands.sandbox.cancel(call_id)

    def _preview_to(self, session: Session[Outlook]) -> ShowPreview:
        def show(preview: Preview) -> None:
            self._heed(preview)
            session.show(preview)

        return show

    def _heed(self, _: Preview) -> None:
        if self._stop.is_asked:
            raise ModelError("the turn was stopped", kind="stream_cut_error")

    def _request_ended(self, start_id: str) -> Event:
        return self._make(SpanModelRequestEnd, model_request_start_id=start_id, model_usage=_NO_TOKENS, is_error=True)

    def _after_failure(self, error: ModelError, state: SessionState) -> Events:
        wait = after_failure(Failure.of(error), state.attempts + 1, state.waited, self._chance())
        failed = self._make(SessionError, error=model_error(error, retrying=wait is not None))
        if wait is None:
            return [failed]
        due = self._make.clock.now() + timedelta(seconds=wait)
        local = {"retry_at": timestamp(due), "wait_seconds": round(wait, 3)}
        return [failed, self._make(SessionStatusRescheduled, local=local)]

    def _wait(self, until: str | None) -> None:
        if until is not None:
            self._sleep(max(0.0, (moment(until) - self._make.clock.now()).total_seconds()))

    def _limit_reached(self, reached: Reached) -> Event:
        return self._make(
            LocalLimitReached, limit=reached.limit, allowed=reached.allowed, used=reached.used, line=reached.line
        )

    def _warned(self, stuck: Stuck, outlook: Outlook) -> Event:
        role = "system" if outlook.takes_system_messages() else "user"
        return self._make(LocalStuckWarned, reason=stuck.reason, line=stuck.line, advice=stuck.advice, role=role)

    def _given_up(self, stuck: Stuck) -> Events:
        error = {
            "type": "tool_use_limit_reached_error",
            "message": stuck.line,
            "retry_status": {"type": "exhausted"},
            "local": {"type": "stuck", "exit_code": 5, "hint": "say something new with: agentctl send"},
        }
        return [
            self._make(LocalStuck, reason=stuck.reason, line=stuck.line),
            self._make(SessionError, error=error),
        ]

    def _run_tools(self, calls: Sequence[OpenCall], session: Session[Outlook]) -> Iterator[Events]:
        try:
            started = self._sandbox_started(session)
        except (SandboxError, UsageError) as error:
            yield self._lost(error, calls, session.state)
            return
        yield [*started, self._make(LocalToolStarted, tool_use_ids=[call.id for call in calls])]
        yield from self._outcomes(calls, session)

    def _recover(self, calls: Sequence[OpenCall], session: Session[Outlook]) -> Iterator[Events]:
        """Ask the sandbox that the calls were sent to; without it, only what reads may be done again."""
        try:
            started = self._sandbox_started(session)
        except (SandboxError, UsageError) as error:
            yield self._lost(error, calls, session.state)
            return
        known = self._hands.attached
        lost = [call for call in calls if not known and call.name not in READ_ONLY]
        yield [*started, *(self._error_result(call, _OUTCOME_UNKNOWN) for call in lost)]
        yield from self._outcomes([call for call in calls if call not in lost], session)

    def _outcomes(self, calls: Sequence[OpenCall], session: Session[Outlook]) -> Iterator[Events]:
        self._running = {call.id: call for call in calls}
        try:
            sandbox = self._hands.sandbox
            for call_id, outcome in sandbox.call([ToolCall(call.id, call.name, call.input) for call in calls]):
                del self._running[call_id]
                yield self._result(call_id, outcome)
            sandbox.acknowledge([call.id for call in calls])
        except SandboxError as error:
            left, self._running = list(self._running.values()), {}
            yield self._lost(error, left, session.state, begun=True)

    def _lost(
        self, error: AgentctlError, calls: Sequence[OpenCall], state: SessionState, *, begun: bool = False
    ) -> Events:
        """Give the sandbox up: the next call gets a new one, unless too many were lost in a row."""
        events: list[Event] = [self._make(LocalSandboxLost, reason=error.message)]
        final = isinstance(error, UsageError) or state.losses + 1 >= _MOST_LOSSES
        if begun or final:
            text = _DIED.format(error.message) if begun else _NO_SANDBOX.format(error.message)
            events += (self._error_result(call, text) for call in calls)
        if final:
            events.append(self._make(SessionError, error=sandbox_error(error)))
        else:
            self._hands.renew()
            self._sleep(_PAUSE_SECONDS * state.losses)
        return events

    def _sandbox_started(self, session: Session[Outlook]) -> Events:
        started = self._hands.ready(session.id)
        if started is None:
            return []
        replaced = session.state.sandboxes > 0 and not self._hands.attached
        self._notice = _REPLACED if replaced else None
        facts = started.facts | ({"attached": True} if self._hands.attached else {})
        return [self._make(LocalSandboxStarted, facts=facts)]

    def _result(self, call_id: str, outcome: ToolOutcome) -> Events:
        notice, self._notice = self._notice, None
        content = [*([text_block(notice)] if notice else []), *outcome.content]
        result = self._make(AgentToolResult, tool_use_id=call_id, content=content, is_error=outcome.is_error)
        return [result, self._make(LocalToolFacts, tool_use_id=call_id, facts=outcome.facts)]

    def _error_result(self, call: OpenCall, text: str) -> Event:
        return self._make(AgentToolResult, tool_use_id=call.id, content=[text_block(text)], is_error=True)

    def _rest(self, step: ComeToRest, session: Session[Outlook]) -> Events:
        outputs = self._outputs() if self._hands.in_use else []
        usage = session.outlook.usage.until(timestamp(self._make.clock.now()))
        return [
            *outputs,
            self._make(SessionUsage, usage=usage.snapshot(), extra={"local": usage.local()}),
            self._make(SessionStatusIdle, stop_reason=step.stop_reason, stop_details=step.stop_details),
        ]

    def _outputs(self) -> Events:
        try:
            files: list[JsonObject] = []
            left = MOST_OUTPUT_BYTES
            for file in self._hands.sandbox.outputs():
                files.append(self._kept(file, left))
                left -= files[-1]["size"] if "sha256" in files[-1] else 0
        except SandboxError:
            return []  # the sandbox is gone, which the failure that ended the turn has said
        return [self._make(LocalOutputs, files=files)] if files else []

    def _kept(self, file: OutputFile, left: int) -> JsonObject:
        body: JsonObject = {"path": file.path, "size": file.size, "mode": file.mode}
        if file.size > left:
            return body | {"skipped": f"more than {MOST_OUTPUT_BYTES} bytes of outputs"}
        digest, size = self._keep(self._hands.sandbox.read_output(file.path))
        return body | {"sha256": digest, "size": size}


def model_error(error: ModelError, *, retrying: bool = False) -> JsonObject:
    """Write a failure of the model as the ``error`` of a ``session.error``."""
    kinds = {
        "overloaded_error": "model_overloaded_error",
        "rate_limit_error": "model_rate_limited_error",
        "billing_error": "billing_error",
    }
    return _error(kinds.get(error.kind, "model_request_failed_error"), error, retrying=retrying) | {
        "local": {
            "type": error.type,
            "kind": error.kind,
            "exit_code": error.exit_code,
            "hint": error.hint,
            "request_id": error.request_id,
        }
    }


def sandbox_error(error: AgentctlError) -> JsonObject:
    """Write a failure of the sandbox as the ``error`` of a ``session.error``; the API has no type for it."""
    return _error("unknown_error", error) | {
        "local": {"type": error.type, "exit_code": error.exit_code, "hint": error.hint}
    }


def _error(kind: str, error: AgentctlError, *, retrying: bool = False) -> JsonObject:
    status = "retrying" if retrying else "exhausted"
    return {"type": kind, "message": error.message, "retry_status": {"type": status}}
