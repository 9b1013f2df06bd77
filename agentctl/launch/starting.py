"""A session is made, and driven until it rests."""

import contextlib
from collections.abc import Sequence

from agentctl.errors import NotFoundError
from agentctl.events.content import text_block
from agentctl.events.local import LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.events.user import UserMessage
from agentctl.harness.hands import Hands
from agentctl.ids import SystemClock, new_id
from agentctl.launch.cloning import cloned
from agentctl.launch.driving import Approver, drive, hearing_no_secret, made_ready, outlook_of
from agentctl.launch.parts import Sandboxes, open_blobs, open_log, open_vaults, way_out_for
from agentctl.launch.request import (
    PriceList,
    RunRequest,
    created_event,
    input_of,
    recorded_input,
    refuse_what_cannot_run,
    uploads_of,
)
from agentctl.launch.secrets import learn_secrets, redacted_errors, refuse_secrets
from agentctl.launch.telling import tell_again
from agentctl.launch.uploading import supplier
from agentctl.paths import Home
from agentctl.sandbox.base import Progress
from agentctl.session.log import Listener, Session
from agentctl.signals import interruptible
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import already_there, read_events
from agentctl.store.leases import Lease
from agentctl.tools.toolset import toolset_of


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
        model, facts = made_ready(model_name, toolset, sandbox, home, progress, held)
        clones = [held.enter_context(cloned(repository, progress)) for repository in request.repositories]
        lease = Lease(home, session_id)
        log = held.enter_context(open_log(home, lease.check))
        held.enter_context(lease)
        if was_begun(request, home):  # by another process, meanwhile
            tell_again(session_id, home, listeners)
            return
        uploads = uploads_of(request, clones)
        created = created_event(request, session_id, toolset, sandbox, uploads, facts, make, prices)
        session = Session(session_id, log, outlook_of(created), hearing_no_secret(listeners, redactor))
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
        drive(session, model, toolset, hands, home, approve, way_out)


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
