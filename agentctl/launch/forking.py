"""Forks are made: a new session with the past of another one, and what is otherwise in it from there on.

The events up to the fork are shared and not copied, and so are the contents of its files. Whatever
could keep the fork from running is found out before it is made.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from agentctl import __version__
from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent
from agentctl.definitions.environment import Environment
from agentctl.errors import NotFoundError
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import (
    LocalFilesUploaded,
    LocalForked,
    LocalLimitsChanged,
    LocalSessionCreated,
)
from agentctl.events.make import Maker
from agentctl.events.session import SessionStatusRunning
from agentctl.events.user import UserMessage
from agentctl.harness.steps import has_work
from agentctl.ids import SystemClock, new_id
from agentctl.launch.losses import Loss, losses_of
from agentctl.launch.parts import Sandboxes, SandboxKind, model_for, open_blobs, open_log
from agentctl.launch.request import PriceList, RunRequest, created_event, refuse_what_cannot_run
from agentctl.launch.secrets import learn_secrets, redacted_errors, refuse_secrets
from agentctl.paths import Home
from agentctl.policy.budget import Limits
from agentctl.sandbox.base import Origin, Progress, Upload
from agentctl.session.files import FilesRecord
from agentctl.session.fork import header_of, refuse_imported, whole
from agentctl.session.log import Record
from agentctl.session.state import SessionState
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import already_there, header_events, last_event, read_events
from agentctl.tools.toolset import toolset_of

_OF_UPLOADED = ("manifest", "files", "bytes", "skipped")


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """What a fork is asked to be; what is None is as in its parent.

    ``at`` is the number of the last event that both are to have, None for the parent's last one.
    ``limits`` that are given hold in place of the parent's own.
    """

    parent: str
    at: int | None = None
    message: str | None = None
    agent: Agent | None = None
    environment: Environment | None = None
    model: str | None = None
    sandbox: SandboxKind | None = None
    session_id: str | None = None
    title: str | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Forked:
    """A fork that is there.

    ``at`` is the number of the last event of its past. ``has_work`` says that it can go on without
    anybody saying anything more; ``is_new`` that it was made just now. ``losses`` are what it does not have of
    its parent's sandbox, ``begun`` the events that it was made with.
    """

    session_id: str
    parent: str
    at: int
    has_work: bool
    is_new: bool = True
    losses: tuple[Loss, ...] = ()
    begun: tuple[Event, ...] = ()


@dataclass(slots=True)
class _Past:
    """What the parent's log comes to at the fork."""

    created: LocalSessionCreated
    last: Record
    state: SessionState
    files: FilesRecord
    limits: JsonObject
    uploaded: LocalFilesUploaded | None = None


def fork(request: ForkRequest, home: Home, progress: Progress, *, is_run: bool = True, rebuild: bool = False) -> Forked:
    """Make a fork, and say what of its parent's sandbox it does not have.

    ``is_run`` says that it is to be driven next, so a key for the model's API is needed. ``rebuild`` allows
    another image where the parent's is gone. A fork of the same id that was made with the same input is
    returned as it is.

    Raises AgentctlError for whatever keeps it from being made, or from running; nothing is left behind then.
    """
    make = Maker(SystemClock())
    with contextlib.ExitStack() as held:
        redactor = learn_secrets(home)
        held.enter_context(redacted_errors(redactor))
        refuse_secrets(redactor, request.message, [each for each in (request.agent, request.environment) if each])
        past = _past(request.parent, request.at, home)
        if request.at is not None and past.last.seq != request.at:
            progress(f"#{request.at} is one with what follows it: the fork begins after #{past.last.seq}")
        session_id = request.session_id or new_id("sesn_", make.clock)
        event, checkpoint, losses = _fork_event(
            request, past, session_id, home, progress, make, is_run=is_run, rebuild=rebuild
        )
        if request.session_id is not None and _was_made(event, request.message, home):
            known = (session_id, request.parent, past.last.seq)
            return Forked(*known, has_work=False, is_new=False, losses=tuple(losses))
        events, can_go_on = _begun(event, past, request.message, make)
        with open_log(home) as log:
            begun = tuple(record.event for record in log.append(session_id, events))
        progress(f"forked {session_id} from {request.parent} after #{past.last.seq}")
        for line in _told(past, checkpoint, losses):
            progress(line)
    return Forked(session_id, request.parent, past.last.seq, has_work=can_go_on, losses=tuple(losses), begun=begun)


def _past(parent: str, at: int | None, home: Home) -> _Past:
    """Read the parent up to the fork, or up to the next place behind it where a log can be gone on from."""
    with reading(home) as connection:
        blobs = Blobs(home.blobs)
        records = read_events(connection, blobs, parent, anchor=read_anchor(home, parent))
        state, files, limits, last = SessionState(), FilesRecord(), None, None
        for record in whole(records, at):
            state, last = state.after(record.event), record
            files.add(record.event)
            if isinstance(record.event, LocalLimitsChanged | LocalForked) and record.event.limits is not None:
                limits = record.event.limits
        if last is None:
            raise NotFoundError(f"session {parent} has no events")
        created = header_of(parent, header_events(connection, blobs, parent, last.seq))
        refuse_imported(created)
        past = _Past(created, last, state, files, limits or created.limits)
        if not files.is_recorded and (later := last_event(connection, blobs, parent, "local.files_uploaded")):
            past.uploaded = later.event if isinstance(later.event, LocalFilesUploaded) else None
        return past


def _fork_event(
    request: ForkRequest,
    past: _Past,
    session_id: str,
    home: Home,
    progress: Progress,
    make: Maker,
    *,
    is_run: bool,
    rebuild: bool,
) -> tuple[LocalForked, str | None, list[Loss]]:
    """Make the first event of a fork's own; return it with the kept state that its sandbox begins with, and its losses.

    Raises AgentctlError for what cannot run.
    """
    asked = _run_request(request, past, progress)
    is_elsewhere = request.environment is not None or asked.sandbox != past.created.sandbox.get("kind")
    origin = Origin(rebuild=rebuild) if is_elsewhere else Origin(past.created.sandbox, rebuild=rebuild)
    sandbox = Sandboxes(asked.environment, home, asked.sandbox, origin=origin)(
        None if is_elsewhere else past.state.checkpoint
    )
    with contextlib.closing(sandbox):
        toolset = toolset_of(asked.agent, sandbox.layout.workspace)
        refuse_what_cannot_run(asked, toolset)
        facts = sandbox.prepare(progress) if toolset.uses_sandbox else {"kind": sandbox.kind}
        checkpoint, is_rebuilt = facts.pop("checkpoint", None), facts.pop("rebuilt", False)
        uploads = [Upload(home.root, str(upload["target"])) for upload in past.created.uploads]
        prices = PriceList.read(home.prices)
        fresh = created_event(asked, session_id, toolset, sandbox, uploads, facts, make, prices)
        if is_run:
            model_for(fresh.model, sandbox.layout).close()
    is_another = is_elsewhere or bool(is_rebuilt) or set(past.created.sandbox) == {"kind"}
    otherwise = _otherwise(request, past.created, fresh, is_another_sandbox=is_another)
    point = {"parent": request.parent, "at": past.last.seq, "at_hash": past.last.hash}
    common = {"session_id": session_id, "agentctl_version": __version__, "limits": fresh.limits, **point}
    losses = _losses(past, None if is_elsewhere else past.state.checkpoint, checkpoint, open_blobs(home))
    said = [loss.as_json() for loss in losses] or None
    return make(LocalForked, **common, **otherwise, not_restored=said), checkpoint, losses


def _run_request(request: ForkRequest, past: _Past, progress: Progress) -> RunRequest:
    """Return the run that the fork would be, were it a session from its beginning.

    A model that was named on the command line goes before the agent's, here as there: nobody is asked
    to pay for another one that was not named.
    """
    created = past.created
    former = Agent.model_validate(created.agent)
    environment = request.environment or Environment.model_validate(created.environment)
    # A rerun may have had no sandbox but its record; its fork has one as the environment says.
    is_kept = request.environment is None and created.sandbox.get("kind") != "recorded"
    kind: SandboxKind | None = request.sandbox or (created.sandbox.get("kind") if is_kept else None)
    is_sealed = environment.config.networking.type == "none" or kind == "none"
    if created.vaults and is_sealed:
        progress(f"without the vaults of its parent ({', '.join(created.vaults)}): its sandbox has no network")
    base = Limits() if request.agent else Limits.from_json(past.limits)
    return RunRequest(
        agent=request.agent or former,
        environment=environment,
        message=request.message or "",
        model=request.model or (created.model if created.model != former.model.id else None),
        sandbox=kind,
        session_id=request.session_id,
        title=request.title,
        limits=Limits.from_json(base.as_json() | request.limits.as_json()),
        vaults=() if is_sealed else tuple(created.vaults or ()),
    )


def _otherwise(
    request: ForkRequest, created: LocalSessionCreated, fresh: LocalSessionCreated, *, is_another_sandbox: bool
) -> JsonObject:
    """Return what is otherwise than in the parent; what nobody asked to be otherwise stays as it was recorded."""
    names: list[str] = ["title"] if request.title is not None else []
    names += ("agent", "agent_hash") if request.agent else ()
    names += ("environment", "environment_hash") if request.environment else ()
    names += ("model", "prices") if request.agent or request.model else ()
    names += ("sandbox", "vaults") if is_another_sandbox else ()
    is_moved = "none" in (fresh.sandbox["kind"], created.sandbox.get("kind")) and request.sandbox is not None
    names += ("request",) if request.agent or request.model or is_moved else ()
    empty: JsonObject = {"vaults": [], "prices": {}}
    pairs = ((name, getattr(fresh, name) or empty.get(name)) for name in names)
    return {name: value for name, value in pairs if value != (getattr(created, name) or empty.get(name))}


def _was_made(event: LocalForked, message: str | None, home: Home) -> bool:
    """Say whether that very fork is there already. Raises UsageError for an id that is something else's."""
    with reading(home) as connection:
        blobs = Blobs(home.blobs)
        events = header_events(connection, blobs, event.session_id)
        if not events:
            return False
        own = [record.event for record in read_events(connection, blobs, event.session_id, after=event.at)][:3]
    there = own[0] if own else None
    said = next((each.content for each in own if isinstance(each, UserMessage)), None)
    is_same = isinstance(there, LocalForked) and _input_of(there) == _input_of(event)
    if not is_same or said != (None if message is None else [text_block(message)]):
        raise already_there(event.session_id)
    return True


def _input_of(event: LocalForked) -> tuple[object, ...]:
    kind = (event.sandbox or {}).get("kind")
    return event.parent, event.at, event.agent_hash, event.environment_hash, event.model, event.limits, kind


def _begun(event: LocalForked, past: _Past, message: str | None, make: Maker) -> tuple[list[Event], bool]:
    """Return the events that a fork begins with, and whether there is something to do in it."""
    events: list[Event] = [event]
    if past.uploaded is not None:
        events.append(make(LocalFilesUploaded, **{name: getattr(past.uploaded, name) for name in _OF_UPLOADED}))
    if message is not None:
        events.append(make(UserMessage, content=[text_block(message)], processed_at=None))
    state = past.state
    for each in events:
        state = state.after(each)
    if state.calls and not has_work(state):  # it waits for somebody, which has to be said when it runs
        return [*events, make(SessionStatusRunning)], True
    return events, has_work(state)


def _losses(past: _Past, former: str | None, checkpoint: str | None, blobs: Blobs) -> list[Loss]:
    """Return what the fork does not have of its parent's sandbox, if there was one."""
    if not (past.state.sandboxes or past.state.forked):
        return []
    restoring = past.files.restoring(blobs, checkpoint) if past.files.is_recorded else None
    return losses_of(restoring, former, checkpoint, past.state.unkept)


def _told(past: _Past, checkpoint: str | None, losses: Sequence[Loss]) -> Iterator[str]:
    """Say what the fork has of its parent's sandbox, and what it has not."""
    if losses and past.files.is_recorded:
        yield f"its files in the workspace and the outputs folder are as they were after #{past.last.seq}"
    if losses and checkpoint is not None:
        yield "other files are as they were kept when its parent last came to rest before that"
    yield from (f"not restored: {loss.line}" for loss in losses)
