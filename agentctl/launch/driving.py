"""A session that is made ready is driven until it rests."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent, snapshot
from agentctl.errors import AgentctlError, BusyError
from agentctl.events.local import LocalInterrupted, LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.events.user import UserToolConfirmation
from agentctl.harness.hands import Hands
from agentctl.harness.loop import run
from agentctl.harness.outlook import Outlook
from agentctl.harness.perform import Performer
from agentctl.harness.steps import ComeToRest
from agentctl.harness.stop import Stop
from agentctl.ids import SystemClock
from agentctl.launch.parts import forget_former, model_for, open_blobs, tidy_up
from agentctl.launch.request import answering_model
from agentctl.model.base import Model
from agentctl.model.request import RequestHeader
from agentctl.paths import Home
from agentctl.policy.budget import Limits
from agentctl.policy.context import ContextRules
from agentctl.policy.stuck import Thresholds
from agentctl.redaction import Redactor
from agentctl.sandbox.base import Progress, Sandbox
from agentctl.session.log import Listener, Session
from agentctl.session.redacting import RedactedPreviews
from agentctl.session.state import OpenCall
from agentctl.signals import Interrupted, first_interrupt
from agentctl.store.database import reading
from agentctl.store.events import has_type
from agentctl.tools.toolset import Toolset

if TYPE_CHECKING:
    from agentctl.launch.network import WayOut

Answer: TypeAlias = tuple[Literal["allow", "deny"], str | None]

Approver: TypeAlias = Callable[[OpenCall], Answer | None]
"""Asked for each call that waits for a person: the answer and a reason, or None to leave it waiting."""


def outlook_of(created: LocalSessionCreated) -> Outlook:
    """Return what a session is driven with, before its first event is folded."""
    local = Agent.model_validate(created.agent).local
    header = RequestHeader.from_json(created.request)
    return Outlook(
        header,
        answering_model(created.model, header),
        Limits.from_json(created.limits),
        Thresholds.from_json(snapshot(local.stuck)),
        ContextRules.from_json(snapshot(local.context)),
    )


def hearing_no_secret(listeners: Sequence[Listener], redactor: Redactor) -> list[Listener]:
    """Return the listeners, who learn nothing from which what is known to be secret is not redacted."""
    return [RedactedPreviews(listener, redactor) for listener in listeners]


def made_ready(
    model_name: str, toolset: Toolset, sandbox: Sandbox, home: Home, progress: Progress, held: contextlib.ExitStack
) -> tuple[Model, JsonObject]:
    """Make the model while the sandbox is prepared; return it with the facts of the sandbox. Raises AgentctlError."""
    checked = _Checked(sandbox, home, progress) if toolset.uses_sandbox else None
    model = model_for(model_name, sandbox.layout)
    held.callback(model.close)
    return model, checked.facts() if checked else {"kind": sandbox.kind}


def drive(
    session: Session[Outlook],
    model: Model,
    toolset: Toolset,
    hands: Hands,
    home: Home,
    approve: Approver | None,
    way_out: "WayOut | None" = None,
) -> None:
    """Run a session until it rests, and on for as long as that is to wait for a person and ``approve`` answers.

    A signal ends it between two events and is in its log.
    """
    make, stop, kept = Maker(SystemClock()), Stop(), session.state.checkpoint
    perform = Performer(model, session.outlook.header, toolset, hands, make, open_blobs(home), stop)

    def is_last(step: ComeToRest) -> bool:
        return approve is None or not _asks(step.stop_reason)

    def turn() -> bool:
        """Run; say whether the session rests as it did before, or anew because it waits for a person."""
        before, watched = session.seen, stop.watched(lambda: _is_interrupted(home, session), perform.cancel)
        with watched, first_interrupt(stop.ask):
            run(session, way_out.recording(perform, is_last) if way_out else perform, make, stop)
        return session.seen == before or _asks(session.state.stop_reason)

    try:
        with contextlib.closing(way_out) if way_out else contextlib.nullcontext(), _closing(hands):
            waits = turn()
            # A person who is asked and answers ^C means the program, not the turn: there is none.
            while approve and waits and not stop.is_asked and (answers := _answers(session, approve, make)):
                session.append(*answers)
                waits = turn()
    except Interrupted as interruption:
        session.append(make(LocalInterrupted, signal=interruption.name))
    if session.state.checkpoint is not None and session.state.checkpoint != kept:
        forget_former(home, session.id, session.state.checkpoint)


def _asks(stop_reason: JsonObject | None) -> bool:
    return stop_reason is not None and stop_reason.get("type") == "requires_action"


@contextlib.contextmanager
def _closing(hands: Hands) -> Iterator[None]:
    """End the sandbox at the end, unless somebody else has taken the session over, and perhaps the sandbox with it."""
    with contextlib.closing(hands):
        try:
            yield
        except BusyError:
            hands.leave()
            raise


def _is_interrupted(home: Home, session: Session[Outlook]) -> bool:
    """Say whether somebody else has asked for the turn to stop, which the session has not folded yet."""
    try:
        with reading(home) as connection:
            return has_type(connection, session.id, "user.interrupt", after=session.seen)
    except AgentctlError:
        return False  # the store's trouble is told where something is to be written


def confirmation(
    call: OpenCall, result: Literal["allow", "deny"], reason: str | None, make: Maker
) -> UserToolConfirmation:
    """Make the answer to a call, bound to exactly the call that was shown."""
    shown = {"local": {"fingerprint": call.fingerprint}}
    return make(UserToolConfirmation, tool_use_id=call.id, result=result, deny_message=reason, extra=shown)


def _answers(session: Session[Outlook], approve: Approver, make: Maker) -> list[UserToolConfirmation]:
    asked = [(call, approve(call)) for call in session.state.calls if call.waits and not call.custom]
    return [confirmation(call, answer[0], answer[1], make) for call, answer in asked if answer is not None]


class _Checked:
    """A sandbox that is being prepared beside the import of the model's SDK."""

    def __init__(self, sandbox: Sandbox, home: Home, progress: Progress) -> None:
        self._outcome: JsonObject | Exception = {}
        self._is_known = threading.Event()
        threading.Thread(target=self._prepare, args=(sandbox, home, progress), daemon=True).start()

    def facts(self) -> JsonObject:
        """Wait for the preparation. Raises what it raised."""
        self._is_known.wait()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def _prepare(self, sandbox: Sandbox, home: Home, progress: Progress) -> None:
        try:
            self._outcome = sandbox.prepare(progress)
        except Exception as error:  # noqa: BLE001 - raised again by facts
            self._outcome = error
        self._is_known.set()
        if sandbox.kind == "docker" and isinstance(self._outcome, dict):
            tidy_up(home)
