"""Making calls: a sandbox for them, what each comes to, and what is said where the sandbox fails."""

import contextlib
from collections.abc import Iterator, Sequence

from agentctl.errors import AgentctlError, SandboxError, SandboxLimitError, UnrecordedCallError, UsageError
from agentctl.events.agent import AgentToolResult
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import (
    LocalFilesChanged,
    LocalFilesUploaded,
    LocalLimitReached,
    LocalSandboxLost,
    LocalSandboxStarted,
    LocalToolFacts,
    LocalToolStarted,
)
from agentctl.events.make import Maker
from agentctl.events.session import SessionError
from agentctl.harness.failures import sandbox_error
from agentctl.harness.hands import Hands
from agentctl.harness.keeping import Keeper, replaced_notice, unkept_line
from agentctl.harness.looking import Looking
from agentctl.harness.loop import Events
from agentctl.harness.outlook import Outlook
from agentctl.harness.stop import Stop
from agentctl.sandbox.base import Changes, Started, ToolCall, ToolOutcome
from agentctl.session.log import Session
from agentctl.session.notices import FORKED, LOST, RESTED
from agentctl.session.state import OpenCall, SessionState
from agentctl.tools.builtin import READ_ONLY

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


class Calling:
    """Makes the calls of one session, in one sandbox after another where one is lost."""

    def __init__(self, hands: Hands, keeper: Keeper, looking: Looking, make: Maker, stop: Stop) -> None:
        self._hands = hands
        self._keeper = keeper
        self._looking = looking
        self._make = make
        self._sleep = stop.sleep
        self._running: dict[str, OpenCall] = {}
        self._notice: str | None = None

    def run(self, calls: Sequence[OpenCall], session: Session[Outlook]) -> Iterator[Events]:
        """Run calls that nobody has begun."""
        try:
            started = self._sandbox_started(session)
        except (SandboxError, UsageError) as error:
            yield self._lost(error, calls, session.state)
            return
        yield [*started, self._make(LocalToolStarted, tool_use_ids=[call.id for call in calls])]
        yield from self._outcomes(calls, session)

    def recover(self, calls: Sequence[OpenCall], session: Session[Outlook]) -> Iterator[Events]:
        """Ask the sandbox that the calls were sent to; without it, only what reads may be done again."""
        try:
            started = self._sandbox_started(session)
        except (SandboxError, UsageError) as error:
            yield self._lost(error, calls, session.state)
            return
        known = self._hands.attached
        lost = [call for call in calls if not known and call.name not in READ_ONLY]
        yield [*started, *(self.answer(call, _OUTCOME_UNKNOWN) for call in lost)]
        yield from self._outcomes([call for call in calls if call not in lost], session)

    def answer(self, call: OpenCall, text: str) -> Event:
        """Answer a call with an error that says ``text``."""
        return self._make(AgentToolResult, tool_use_id=call.id, content=[text_block(text)], is_error=True)

    def cancel(self) -> None:
        """End the calls that wait or run; each has an outcome all the same. From any thread."""
        for call_id in list(self._running):
            with contextlib.suppress(SandboxError):
                self._hands.sandbox.cancel(call_id)

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
            events += (self.answer(call, text) for call in calls)
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


def _why_new(state: SessionState) -> str:
    """Say why a session that had a sandbox gets another one."""
    if state.forked:
        return FORKED
    return RESTED if state.rested and not state.losses else LOST
