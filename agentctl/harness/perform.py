"""Doing a step: the small part of the harness that touches the model, the sandbox and the clock."""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from agentctl.canonical import JsonObject
from agentctl.errors import AgentctlError, ModelError, SandboxError, SandboxLimitError, UnrecordedCallError, UsageError
from agentctl.events.agent import AgentToolResult
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import (
    LocalCheckpoint,
    LocalCheckpointFailed,
    LocalContextFull,
    LocalFilesChanged,
    LocalFilesUploaded,
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
from agentctl.harness.failures import final_model_error, model_error, sandbox_error
from agentctl.harness.hands import Hands
from agentctl.harness.keeping import Keeper, Store, at_most, replaced_notice, unkept_line
from agentctl.harness.looking import Looking
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
from agentctl.sandbox.base import Changes, OutputFile, Started, ToolCall, ToolOutcome
from agentctl.session.log import Session
from agentctl.session.notices import FORKED, LOST, RESTED
from agentctl.session.state import OpenCall, SessionState
from agentctl.tools.builtin import READ_ONLY
from agentctl.tools.toolset import Toolset

Events = Sequence[Event]

MOST_OUTPUT_BYTES = 1 << 30
"""Output files are kept up to this many bytes in all."""

_MOST_LOSSES = 3
_PAUSE_SECONDS = 0.5

_FINAL = UsageError | SandboxLimitError | UnrecordedCallError
"""Failures that another sandbox would come to again."""

_OUTCOME_UNKNOWN = (
    "The process that ran this call ended before it had the result, so whether the call took effect is not known. "
    "Check before you repeat it."
)
_DIED = "The sandbox failed while this call ran: {}. Whether the call took effect is not known."
_NO_SANDBOX = "The call was not run, because there is no sandbox: {}."

_NO_TOKENS = {
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}


class Performer:
    """Does the steps of one session.

    ``store`` keeps bytes; ``chance`` gives a number from 0 up to 1.
    """

    def __init__(
        self,
        model: Model,
        header: RequestHeader,
        toolset: Toolset,
        hands: Hands,
        make: Maker,
        store: Store,
        stop: Stop,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._model = model
        self._header = header
        self._toolset = toolset
        self._hands = hands
        self._make = make
        self._store = store
        self._keeper = Keeper(store)
        self._looking = Looking(self._keeper, make)
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
                self._looking.acknowledge(self._hands.sandbox)
            case Resting():
                pass

    def _ask_model(self, max_tokens: int, session: Session[Outlook]) -> Iterator[Events]:
        start = self._request_started(max_tokens, session.outlook)
        header = replace(self._header, max_tokens=max_tokens)
        request = build_request(header, session.transcript.messages())
        yield [start]
        if self._toolset.uses_sandbox:
            self._hands.begin(session.id)
        try:
            response = self._model.respond(request, self._preview_to(session))
        except ModelError as error:
            stopped = self._stop.is_asked
            ended = self._request_ended(start.id, unbilled=error.unbilled)
            yield [ended, *([] if stopped else self._after_refusal(error, session))]
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
        start = self._request_started(max_tokens, session.outlook)
        request = build_compaction(replace(self._header, max_tokens=max_tokens), session.transcript.settled())
        is_full = session.outlook.context.full
        yield [start]
        try:
            response = self._model.respond(request, self._heed)
        except ModelError as error:
            ended = [self._request_ended(start.id, unbilled=error.unbilled)]
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

    def _request_started(self, max_tokens: int, outlook: Outlook) -> Event:
        reserved = outlook.reserved(max_tokens, self._make.clock.now())
        extra = {"local": {"reserved": format(reserved.normalize(), "f")}} if reserved else {}
        return self._make(SpanModelRequestStart, extra=extra)

    def _request_ended(self, start_id: str, *, unbilled: bool = False) -> Event:
        return self._make(
            SpanModelRequestEnd,
            model_request_start_id=start_id,
            model_usage=_NO_TOKENS,
            is_error=True,
            extra={"local": {"unbilled": True}} if unbilled else {},
        )

    def _after_failure(self, error: ModelError, state: SessionState) -> Events:
        failure, now = Failure.of(error), self._make.clock.now()
        wait = after_failure(failure, state.attempts + 1, state.waited, self._chance())
        if wait is None:
            return [self._make(SessionError, error=final_model_error(error, failure, now))]
        local = {"retry_at": timestamp(now + timedelta(seconds=wait)), "wait_seconds": round(wait, 3)}
        return [
            self._make(SessionError, error=model_error(error, retrying=True)),
            self._make(SessionStatusRescheduled, local=local),
        ]

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
                yield self._result(call_id, outcome, session)
                sandbox.acknowledge([call_id])
        except SandboxError as error:
            left, self._running = list(self._running.values()), {}
            yield self._lost(error, left, session.state, begun=True)

    def _lost(
        self, error: AgentctlError, calls: Sequence[OpenCall], state: SessionState, *, begun: bool = False
    ) -> Events:
        """Give the sandbox up: the next call gets a new one, unless too many were lost in a row."""
        events: list[Event] = [self._make(LocalSandboxLost, reason=error.message)]
        final = isinstance(error, _FINAL) or state.losses + 1 >= _MOST_LOSSES
        if begun or final:
            text = _DIED.format(error.message) if begun else _NO_SANDBOX.format(error.message)
            events += (self._error_result(call, text) for call in calls)
        if isinstance(error, SandboxLimitError):
            numbers = {"allowed": error.allowed, "used": error.used}
            events.append(self._make(LocalLimitReached, limit=error.limit, line=error.message, **numbers))
        elif final:
            events.append(self._make(SessionError, error=sandbox_error(error)))
        else:
            self._hands.renew()
            self._sleep(_PAUSE_SECONDS * state.losses)
        return events

    def _sandbox_started(self, session: Session[Outlook]) -> Events:
        started = self._hands.ready(session.id)
        if started is None:
            return []
        replaced = (session.state.sandboxes > 0 or session.state.forked) and not self._hands.attached
        self._notice = self._replaced(started, session) if replaced else None
        facts = started.facts | ({"attached": True} if self._hands.attached else {})
        if started.packages is not None:
            facts = facts | self._keeper.packages(started.packages)
        uploaded = self._hands.supplied.uploaded if self._hands.supplied is not None else None
        return [
            self._make(LocalSandboxStarted, facts=facts),
            *([self._make(LocalFilesUploaded, **uploaded)] if uploaded is not None else []),
            *self._looking.left_over(facts.get("calls"), self._hands.sandbox, session.files),
        ]

    def _replaced(self, started: Started, session: Session[Outlook]) -> str:
        supplied, layout, facts = self._hands.supplied, self._hands.sandbox.layout, started.facts
        restored = supplied.restoring if supplied is not None and session.files.is_recorded else None
        if session.state.unkept is not None:
            self._hands.tell(f"not restored: {unkept_line(session.state.unkept)}")
        return replaced_notice(
            restored,
            (layout.workspace, layout.outputs),
            is_kept_state="checkpoint" in facts,
            unkept=session.state.unkept,
            is_rebuilt=bool(facts.get("rebuilt")),
            why=_why_new(session.state),
        )

    def _result(self, call_id: str, outcome: ToolOutcome, session: Session[Outlook]) -> Events:
        notice, self._notice = self._notice, None
        content = [*([text_block(notice)] if notice else []), *outcome.content]
        result = self._make(AgentToolResult, tool_use_id=call_id, content=content, is_error=outcome.is_error)
        return [
            *self._files_changed(outcome.between, None, session),
            result,
            self._make(LocalToolFacts, tool_use_id=call_id, facts=outcome.facts),
            *self._files_changed(outcome.changes, call_id, session),
        ]

    def _files_changed(self, changes: Changes | None, call_id: str | None, session: Session[Outlook]) -> Events:
        if changes is None:
            return []
        recorded = self._keeper.record(changes, session.files.digests)
        return [self._make(LocalFilesChanged, changes=recorded, tool_use_id=call_id, cut=changes.cut)]

    def _error_result(self, call: OpenCall, text: str) -> Event:
        return self._make(AgentToolResult, tool_use_id=call.id, content=[text_block(text)], is_error=True)

    def _rest(self, step: ComeToRest, session: Session[Outlook]) -> Events:
        outputs = [*self._looked(session), *self._outputs(), *self._checkpoint()] if self._hands.in_use else []
        usage = session.outlook.usage.until(timestamp(self._make.clock.now()))
        return [
            *outputs,
            self._make(SessionUsage, usage=usage.snapshot(), extra={"local": usage.local()}),
            self._make(SessionStatusIdle, stop_reason=step.stop_reason, stop_details=step.stop_details),
        ]

    def _looked(self, session: Session[Outlook]) -> Events:
        return self._looking.look(self._hands.sandbox, session.files)

    def _outputs(self) -> Events:
        try:
            found = self._hands.sandbox.outputs()
        except SandboxError:
            return []  # the sandbox is gone, which the failure that ended the turn has said
        files: list[JsonObject] = []
        left = MOST_OUTPUT_BYTES
        for file in found:
            files.append(self._kept(file, left))
            left -= files[-1]["size"] if "sha256" in files[-1] else 0
        cut = None if found.is_whole else f"there are more files than the {len(files):,} that are listed"
        return [self._make(LocalOutputs, files=files, cut=cut)] if files else []

    def _checkpoint(self) -> Events:
        until = self._make.clock.now() + timedelta(seconds=self._hands.keep_seconds)
        try:
            kept = self._hands.keep(timestamp(until))
        except SandboxError as error:
            return [self._make(LocalCheckpointFailed, reason=error.message)]
        return [] if kept is None else [self._make(LocalCheckpoint, **kept)]

    def _kept(self, file: OutputFile, left: int) -> JsonObject:
        body: JsonObject = {"path": file.path, "size": file.size, "mode": file.mode}
        if file.size > left:
            return body | {"skipped": f"more than {MOST_OUTPUT_BYTES} bytes of outputs"}
        try:
            pieces = at_most(left, self._hands.sandbox.read_output(file.path))
            digest, size = self._keeper.kept(file.digest) or self._store.put(pieces)
        except SandboxError as error:
            return body | {"skipped": error.message}
        return body | {"sha256": digest, "size": size}


def _why_new(state: SessionState) -> str:
    """Say why a session that had a sandbox gets another one."""
    if state.forked:
        return FORKED
    return RESTED if state.rested and not state.losses else LOST
