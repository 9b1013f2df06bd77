"""Sessions are made, taken up and driven until they rest."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent, snapshot
from agentctl.definitions.environment import Environment
from agentctl.errors import AgentctlError, BusyError, NotFoundError, UsageError
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import LocalInterrupted, LocalLimitsChanged, LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.events.user import SystemMessage, UserMessage, UserToolConfirmation
from agentctl.harness.hands import Hands
from agentctl.harness.loop import run
from agentctl.harness.outlook import Outlook
from agentctl.harness.perform import Performer
from agentctl.harness.stop import Stop
from agentctl.ids import SystemClock, new_id
from agentctl.launch.parts import (
    Sandboxes,
    forget_former,
    model_for,
    open_blobs,
    open_log,
    open_vaults,
    tidy_up,
    way_out_for,
)
from agentctl.launch.repositories import cloned, uploads_again
from agentctl.launch.request import (
    PriceList,
    RunRequest,
    answering_model,
    created_event,
    input_of,
    recorded_input,
    refuse_what_cannot_run,
    uploads_of,
)
from agentctl.launch.secrets import learn_secrets, redacted_errors, refuse_secrets
from agentctl.launch.uploading import supplier
from agentctl.model.base import Model
from agentctl.model.request import RequestHeader
from agentctl.paths import Home
from agentctl.policy.budget import Limits
from agentctl.policy.context import ContextRules
from agentctl.policy.stuck import Thresholds
from agentctl.redaction import Redactor
from agentctl.sandbox.base import Origin, Progress, Sandbox
from agentctl.session.fork import header_of, refuse_imported
from agentctl.session.log import Listener, Session
from agentctl.session.redacting import RedactedPreviews
from agentctl.session.result import Result
from agentctl.session.state import OpenCall, SessionState
from agentctl.signals import Interrupted, first_interrupt, interruptible
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import already_there, has_type, header_events, read_events
from agentctl.store.leases import Lease
from agentctl.tools.toolset import Toolset, toolset_of

if TYPE_CHECKING:
    from agentctl.launch.network import WayOut

Answer: TypeAlias = tuple[Literal["allow", "deny"], str | None]
Approver: TypeAlias = Callable[[OpenCall], Answer | None]
"""Asked for each call that waits for a person: the answer and a reason, or None to leave it waiting."""


def start(
    request: RunRequest,
    home: Home,
    listeners: Sequence[Listener],
    progress: Progress,
    approve: Approver | None = None,
) -> None:
    """Make a session and drive it until it rests.

    A session of the same id that was begun with the same input is not made again: the listeners
    learn it as it is.

    Raises AgentctlError for whatever keeps the session from being made; nothing is left behind
    then. What goes wrong later is in the session's log, and told to the listeners.
    """
    make = Maker(SystemClock())
    session_id = request.session_id or new_id("sesn_", make.clock)
    with contextlib.ExitStack() as held:
        held.enter_context(interruptible())
        redactor = learn_secrets(home)
        held.enter_context(redacted_errors(redactor))
        refuse_secrets(redactor, request.message, (request.agent, request.environment))
        if was_begun(request, home):
            held.enter_context(Lease(home, session_id))
            tell_again(session_id, home, listeners)
            return
        prices = PriceList.read(home.prices)
        credentials = open_vaults(home, request.vaults, session_id)
        way_out = way_out_for(request.environment, home, session_id, credentials)
        make_gateway = way_out.gateway if way_out else None
        sandboxes = Sandboxes(request.environment, home, request.sandbox, make_gateway=make_gateway)
        sandbox = sandboxes()
        toolset = toolset_of(request.agent, sandbox.layout.workspace)
        refuse_what_cannot_run(request, toolset)
        model_name = request.model or request.agent.model.id
        model, facts = _made_ready(model_name, toolset, sandbox, home, progress, held)
        clones = [held.enter_context(cloned(repository, progress)) for repository in request.repositories]
        lease = Lease(home, session_id)
        log = held.enter_context(open_log(home, lease.check))
        held.enter_context(lease)
        if was_begun(request, home):  # by another process, meanwhile
            tell_again(session_id, home, listeners)
            return
        uploads = uploads_of(request, clones)
        created = created_event(request, session_id, toolset, sandbox, uploads, facts, make, prices)
        session = Session(session_id, log, outlook_of(created), _hearing_no_secret(listeners, redactor))
        session.append(created, make(UserMessage, content=[text_block(request.message)], processed_at=None))
        sandboxes.keep_to(facts)
        if way_out:
            way_out.settle(facts)
        keep_seconds = request.agent.local.keep
        hands = Hands(
            sandbox,
            lambda: sandboxes(session.state.checkpoint),
            supplier(uploads, open_blobs(home), progress, lambda: session.files),
            progress,
            keep_seconds=keep_seconds,
        )
        _drive(session, model, toolset, hands, home, approve, way_out)


def was_begun(request: RunRequest, home: Home) -> bool:
    """Say whether the session that is asked for is there already, begun with the same input.

    Raises UsageError for one of that id that was begun with another.
    """
    if request.session_id is None:
        return False
    try:
        with reading(home) as connection:
            records = [*read_events(connection, Blobs(home.blobs), request.session_id, until=2)]
    except NotFoundError:
        return False
    if not records:
        return False
    created, message = records[0].event, records[-1].event
    if not isinstance(created, LocalSessionCreated) or not isinstance(message, UserMessage):
        raise already_there(request.session_id)
    if created.session_id != request.session_id or created.rerun_of:  # a fork begins with its parent's first event
        raise already_there(request.session_id)
    if input_of(request) != (*recorded_input(created), message.content):
        raise already_there(request.session_id)
    return True


def take_up(
    session_id: str,
    home: Home,
    listeners: Sequence[Listener],
    progress: Progress,
    approve: Approver | None = None,
    message: str | None = None,
    limits: Limits | None = None,
    system: str | None = None,
    *,
    rebuild: bool = False,
) -> None:
    """Go on with a session from its log, after ``message`` if there is one, until it rests.

    ``limits`` that are given hold from here on in place of the session's own; ``system`` is what the
    operator says along with the message. ``rebuild`` allows another image where the session's own is gone.

    Raises BusyError where somebody runs it, UsageError where the model takes no word of the operator,
    and AgentctlError for whatever keeps it from being
    taken up; nothing is changed then.
    """
    make = Maker(SystemClock())
    with contextlib.ExitStack() as held:
        held.enter_context(interruptible())
        redactor = learn_secrets(home)
        held.enter_context(redacted_errors(redactor))
        refuse_secrets(redactor, message)
        lease = Lease(home, session_id)
        log = held.enter_context(open_log(home, lease.check))
        held.enter_context(lease)
        created = _header_of(home, session_id)
        _refuse_rerun(created)
        refuse_imported(created)
        credentials = open_vaults(home, created.vaults or (), session_id, is_resumed=True)
        session = Session(session_id, log, outlook_of(created), _hearing_no_secret(listeners, redactor))
        environment = Environment.model_validate(created.environment)
        origin = Origin(created.sandbox, rebuild=rebuild)
        way_out = way_out_for(environment, home, session_id, credentials)
        if way_out:
            way_out.settle(created.sandbox)
        make_gateway = way_out.gateway if way_out else None
        before = session.state.sandboxes
        sandboxes = Sandboxes(environment, home, created.sandbox["kind"], before, make_gateway, origin)
        sandbox = sandboxes(session.state.checkpoint)
        toolset = toolset_of(Agent.model_validate(created.agent), sandbox.layout.workspace)
        model, facts = _made_ready(created.model, toolset, sandbox, home, progress, held)
        are_kept = session.files.is_recorded
        uploads = held.enter_context(uploads_again(created.uploads, progress, are_kept=are_kept))
        session.append(*_openers(session.outlook, message, system, limits, make))
        keep_seconds = Agent.model_validate(created.agent).local.keep
        hands = Hands(
            sandbox,
            lambda: sandboxes(session.state.checkpoint),
            supplier(uploads, open_blobs(home), progress, lambda: session.files),
            progress,
            attach=True,
            keep_seconds=keep_seconds,
            prepared=facts,
        )
        _drive(session, model, toolset, hands, home, approve, way_out)


def tell(session_id: str, home: Home, choose: Callable[[SessionState, Maker], Sequence[Event]]) -> Sequence[Event]:
    """Append what ``choose`` makes of the session's state, whoever runs the session; return it.

    Raises NotFoundError for a session that is not there, and what ``choose`` raises.
    """
    learn_secrets(home)
    refuse_imported(_header_of(home, session_id))
    with open_log(home) as log:
        session = Session(session_id, log, Result())
        events = choose(session.state, Maker(SystemClock()))
        if events:
            session.append(*events)
        return events


def queue_message(session_id: str, home: Home, message: str, system: str | None = None) -> str:
    """Append a message that the session takes up when it can; return the event's id.

    Raises UsageError where ``system``, what the operator says along with it, is nothing for the model.
    """
    refuse_secrets(learn_secrets(home), message)
    if system is not None:
        _refuse_system_message(outlook_of(_header_of(home, session_id)))

    def choose(state: SessionState, make: Maker) -> Sequence[Event]:  # noqa: ARG001 - a message is always welcome
        return _said(message, system, make)

    return tell(session_id, home, choose)[0].id


def _hearing_no_secret(listeners: Sequence[Listener], redactor: Redactor) -> list[Listener]:
    return [RedactedPreviews(listener, redactor) for listener in listeners]


def tell_again(session_id: str, home: Home, listeners: Sequence[Listener]) -> None:
    """Have the listeners learn a session that is there. Raises UsageError for one that did not come to rest."""
    result = Result()
    with reading(home) as connection:
        for record in read_events(connection, Blobs(home.blobs), session_id):
            result = result.after(record.event)
            for listener in listeners:
                listener.learn(record)
    if result.status != "idle" or result.stop_reason is None:
        raise UsageError(
            f"session {session_id} is there already, and was interrupted before it came to rest",
            hint=f"go on with it: agentctl resume {session_id}",
        )


def _said(message: str, system: str | None, make: Maker) -> list[Event]:
    said: list[Event] = [make(UserMessage, content=[text_block(message)], processed_at=None)]
    if system is not None:
        said.append(make(SystemMessage, content=[text_block(system)], processed_at=None))
    return said


def _refuse_system_message(outlook: Outlook) -> None:
    if not outlook.takes_system_messages():
        raise UsageError(
            f"model {outlook.header.model} takes no system messages in the middle of a conversation",
            hint="say it in the message itself, or in the system prompt of a new session",
        )


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


def _openers(
    outlook: Outlook, message: str | None, system: str | None, limits: Limits | None, make: Maker
) -> list[Event]:
    events: list[Event] = []
    if system is not None:
        _refuse_system_message(outlook)
    if limits is not None and limits != Limits():
        events.append(make(LocalLimitsChanged, limits=outlook.limits.as_json() | limits.as_json()))
    if message is not None:
        events += _said(message, system, make)
    return events


def _made_ready(
    model_name: str, toolset: Toolset, sandbox: Sandbox, home: Home, progress: Progress, held: contextlib.ExitStack
) -> tuple[Model, JsonObject]:
    checked = _Checked(sandbox, home, progress) if toolset.uses_sandbox else None
    model = model_for(model_name, sandbox.layout)
    held.callback(model.close)
    return model, checked.facts() if checked else {"kind": sandbox.kind}


def _refuse_rerun(created: LocalSessionCreated) -> None:
    """A rerun did again what another session did; what comes then belongs into neither."""
    if created.rerun_of is not None:
        raise UsageError(
            f"session {created.session_id} is a rerun, which is not gone on with",
            hint=f"fork it: agentctl fork {created.session_id} 'what to do'",
        )


def _header_of(home: Home, session_id: str) -> LocalSessionCreated:
    with reading(home) as connection:
        return header_of(session_id, header_events(connection, Blobs(home.blobs), session_id))


def _drive(
    session: Session[Outlook],
    model: Model,
    toolset: Toolset,
    hands: Hands,
    home: Home,
    approve: Approver | None,
    way_out: "WayOut | None" = None,
) -> None:
    make, stop, kept = Maker(SystemClock()), Stop(), session.state.checkpoint
    perform = Performer(model, session.outlook.header, toolset, hands, make, open_blobs(home), stop)

    def turn() -> None:
        watched = stop.watched(lambda: _is_interrupted(home, session), perform.cancel)
        with watched, first_interrupt(stop.ask):
            run(session, way_out.recording(perform) if way_out else perform, make, stop)

    try:
        with contextlib.closing(way_out) if way_out else contextlib.nullcontext(), _closing(hands):
            turn()
            # A person who is asked and answers ^C means the program, not the turn: there is none.
            while approve is not None and not stop.is_asked and (answers := _answers(session, approve, make)):
                session.append(*answers)
                turn()
    except Interrupted as interruption:
        session.append(make(LocalInterrupted, signal=interruption.name))
    if session.state.checkpoint is not None and session.state.checkpoint != kept:
        forget_former(home, session.id, session.state.checkpoint)


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
        self._outcome: JsonObject | AgentctlError | None = None
        self._is_known = threading.Event()
        threading.Thread(target=self._prepare, args=(sandbox, home, progress), daemon=True).start()

    def facts(self) -> JsonObject:
        """Wait for the preparation. Raises what it raised."""
        self._is_known.wait()
        if isinstance(self._outcome, AgentctlError):
            raise self._outcome
        return self._outcome or {}

    def _prepare(self, sandbox: Sandbox, home: Home, progress: Progress) -> None:
        try:
            self._outcome = sandbox.prepare(progress)
        except AgentctlError as error:
            self._outcome = error
        finally:
            self._is_known.set()
        if sandbox.kind == "docker" and isinstance(self._outcome, dict):
            tidy_up(home)
