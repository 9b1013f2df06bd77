"""A session is taken up from its log, and driven until it rests."""

import contextlib
from collections.abc import Sequence

from agentctl.definitions.agent import Agent
from agentctl.definitions.environment import Environment
from agentctl.errors import UsageError
from agentctl.events.base import Event
from agentctl.events.local import LocalLimitsChanged, LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.harness.hands import Hands
from agentctl.harness.outlook import Outlook
from agentctl.ids import SystemClock
from agentctl.launch.cloning import uploads_again
from agentctl.launch.driving import Approver, drive, hearing_no_secret, made_ready, outlook_of
from agentctl.launch.parts import Sandboxes, open_blobs, open_log, open_vaults, way_out_for
from agentctl.launch.secrets import learn_secrets, redacted_errors, refuse_secrets
from agentctl.launch.telling import recorded_header, refuse_system_message, said
from agentctl.launch.uploading import supplier
from agentctl.paths import Home
from agentctl.policy.budget import Limits
from agentctl.sandbox.base import Origin, Progress
from agentctl.session.fork import refuse_imported
from agentctl.session.log import Listener, Session
from agentctl.signals import interruptible
from agentctl.store.leases import Lease
from agentctl.tools.toolset import toolset_of


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
        created = recorded_header(home, session_id)
        _refuse_rerun(created)
        refuse_imported(created)
        credentials = open_vaults(home, created.vaults or (), session_id, is_resumed=True)
        session = Session(session_id, log, outlook_of(created), hearing_no_secret(listeners, redactor))
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
        model, facts = made_ready(created.model, toolset, sandbox, home, progress, held)
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
        drive(session, model, toolset, hands, home, approve, way_out)


def _openers(
    outlook: Outlook, message: str | None, system: str | None, limits: Limits | None, make: Maker
) -> list[Event]:
    events: list[Event] = []
    if system is not None:
        refuse_system_message(outlook)
    if limits is not None and limits != Limits():
        events.append(make(LocalLimitsChanged, limits=outlook.limits.as_json() | limits.as_json()))
    if message is not None:
        events += said(message, system, make)
    return events


def _refuse_rerun(created: LocalSessionCreated) -> None:
    """A rerun did again what another session did; what comes then belongs into neither."""
    if created.rerun_of is not None:
        raise UsageError(
            f"session {created.session_id} is a rerun, which is not gone on with",
            hint=f"fork it: agentctl fork {created.session_id} 'what to do'",
        )
