"""The composition root: names in definitions and on the command line become a model, a sandbox and a run.

The only module that knows every implementation, and the only one of the library that imports
inside functions: a session with bubblewrap never loads ``docker``, a scripted one never loads
``anthropic``.
"""

import contextlib
import gc
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from agentctl import __version__
from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent, McpToolset, definition_hash, snapshot
from agentctl.definitions.environment import Environment
from agentctl.errors import AgentctlError, NotFoundError, UsageError
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import LocalInterrupted, LocalLimitsChanged, LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.events.user import SystemMessage, UserMessage, UserToolConfirmation
from agentctl.harness.hands import Hands
from agentctl.harness.loop import run
from agentctl.harness.outlook import Outlook
from agentctl.harness.perform import Performer
from agentctl.harness.prompt import system_prompt
from agentctl.harness.stop import Stop
from agentctl.ids import SystemClock, new_id
from agentctl.model.base import Model
from agentctl.model.request import RequestHeader, clearing, header_for
from agentctl.paths import Home
from agentctl.policy.budget import Limits, NextRequest, refuse_unpriced
from agentctl.policy.context import ContextRules, window_of
from agentctl.policy.stuck import Thresholds
from agentctl.sandbox.base import Layout, Progress, Sandbox, Upload
from agentctl.session.log import Listener, Session
from agentctl.session.result import Result
from agentctl.session.state import OpenCall, SessionState
from agentctl.signals import Interrupted, first_interrupt, interruptible
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database, reading
from agentctl.store.events import SqliteEventLog, already_there, has_type, read_events
from agentctl.store.leases import lease
from agentctl.tools.toolset import Toolset, toolset_of

SandboxKind: TypeAlias = Literal["docker", "bubblewrap", "none"]
Answer: TypeAlias = tuple[Literal["allow", "deny"], str | None]
Approver: TypeAlias = Callable[[OpenCall], Answer | None]
"""Asked for each call that waits for a person: the answer and a reason, or None to leave it waiting."""

SCRIPT = "script:"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What one run asks for. ``model`` and ``sandbox`` override what the definitions say."""

    agent: Agent
    environment: Environment
    message: str
    model: str | None = None
    sandbox: SandboxKind | None = None
    session_id: str | None = None
    title: str | None = None
    workspace: Path | None = None
    files: tuple[Upload, ...] = ()
    limits: Limits = Limits()


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
        if was_begun(request, home):
            held.enter_context(lease(home, session_id))
            _tell_again(session_id, home, listeners)
            return
        sandboxes = _Sandboxes(request.environment, home, request.sandbox)
        sandbox = sandboxes()
        toolset = toolset_of(request.agent, sandbox.layout.workspace)
        _refuse_what_cannot_run(request, toolset)
        model_name = request.model or request.agent.model.id
        model, facts = _made_ready(model_name, toolset, sandbox, home, progress, held)
        log = held.enter_context(_log(home))
        held.enter_context(lease(home, session_id))
        if was_begun(request, home):  # by another process, meanwhile
            _tell_again(session_id, home, listeners)
            return
        uploads = _uploads(request, sandbox.layout)
        created = _created(request, session_id, toolset, sandbox, uploads, facts, make)
        session = Session(session_id, log, _outlook(created), listeners)
        session.append(created, make(UserMessage, content=[text_block(request.message)], processed_at=None))
        hands = Hands(sandbox, sandboxes, uploads, progress)
        _drive(session, model, toolset, hands, home, approve)


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
    if _input_of(request) != (*_recorded_input(created), message.content):
        raise already_there(request.session_id)
    return True


def _input_of(request: RunRequest) -> tuple[object, ...]:
    sources = [*([request.workspace] if request.workspace else []), *(file.source for file in request.files)]
    kind = request.sandbox or request.environment.config.type
    return (
        definition_hash(request.agent),
        definition_hash(request.environment),
        _durable_name(request.model or request.agent.model.id),
        kind if kind in ("bubblewrap", "none") else "docker",
        [str(source) for source in sources],
        [text_block(request.message)],
    )


def _recorded_input(created: LocalSessionCreated) -> tuple[object, ...]:
    sources = [upload["source"] for upload in created.uploads]
    return created.agent_hash, created.environment_hash, created.model, created.sandbox.get("kind"), sources


def _tell_again(session_id: str, home: Home, listeners: Sequence[Listener]) -> None:
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


def take_up(
    session_id: str,
    home: Home,
    listeners: Sequence[Listener],
    progress: Progress,
    approve: Approver | None = None,
    message: str | None = None,
    limits: Limits | None = None,
    system: str | None = None,
) -> None:
    """Go on with a session from its log, after ``message`` if there is one, until it rests.

    ``limits`` that are given hold from here on in place of the session's own; ``system`` is what the
    operator says along with the message.

    Raises BusyError where somebody runs it, UsageError where the model takes no word of the operator,
    and AgentctlError for whatever keeps it from being
    taken up; nothing is changed then.
    """
    make = Maker(SystemClock())
    with contextlib.ExitStack() as held:
        held.enter_context(interruptible())
        log = held.enter_context(_log(home))
        held.enter_context(lease(home, session_id))
        created = _header_of(log, session_id)
        session = Session(session_id, log, _outlook(created), listeners)
        environment = Environment.model_validate(created.environment)
        sandboxes = _Sandboxes(environment, home, created.sandbox["kind"], session.state.sandboxes)
        sandbox = sandboxes()
        toolset = toolset_of(Agent.model_validate(created.agent), sandbox.layout.workspace)
        model, _ = _made_ready(created.model, toolset, sandbox, home, progress, held)
        uploads = [Upload(Path(upload["source"]), upload["target"]) for upload in created.uploads]
        session.append(*_openers(session.outlook, message, system, limits, make))
        hands = Hands(sandbox, sandboxes, uploads, progress, attach=True)
        _drive(session, model, toolset, hands, home, approve)


def tell(session_id: str, home: Home, choose: Callable[[SessionState, Maker], Sequence[Event]]) -> Sequence[Event]:
    """Append what ``choose`` makes of the session's state, whoever runs the session; return it.

    Raises NotFoundError for a session that is not there, and what ``choose`` raises.
    """
    with _log(home) as log:
        session = Session(session_id, log, Result())
        events = choose(session.state, Maker(SystemClock()))
        if events:
            session.append(*events)
        return events


def queue_message(session_id: str, home: Home, message: str, system: str | None = None) -> str:
    """Append a message that the session takes up when it can; return the event's id.

    Raises UsageError where ``system``, what the operator says along with it, is nothing for the model.
    """
    if system is not None:
        with _log(home) as log:
            _refuse_system_message(_outlook(_header_of(log, session_id)))

    def choose(state: SessionState, make: Maker) -> Sequence[Event]:  # noqa: ARG001 - a message is always welcome
        return _said(message, system, make)

    return tell(session_id, home, choose)[0].id


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


def _outlook(created: LocalSessionCreated) -> Outlook:
    local = Agent.model_validate(created.agent).local
    header = RequestHeader.from_json(created.request)
    return Outlook(
        header,
        _answering(created.model, header),
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


def _header_of(log: SqliteEventLog, session_id: str) -> LocalSessionCreated:
    first = next(log.read(session_id), None)
    if first is None or not isinstance(first.event, LocalSessionCreated):
        raise NotFoundError(f"session {session_id} does not begin with its definitions, so it cannot be run here")
    return first.event


class _Sandboxes:
    """Makes the sandboxes of a session, each of a generation of its own, so that none takes orders from the past."""

    def __init__(self, environment: Environment, home: Home, kind: SandboxKind | None, before: int = 0) -> None:
        self._environment = environment
        self._home = home
        self._kind = kind
        self._generation = before

    def __call__(self) -> Sandbox:
        self._generation += 1
        return sandbox_for(self._environment, self._home, self._kind, self._generation)


def _drive(
    session: Session[Outlook], model: Model, toolset: Toolset, hands: Hands, home: Home, approve: Approver | None
) -> None:
    make, stop = Maker(SystemClock()), Stop()
    perform = Performer(model, session.outlook.header, toolset, hands, make, Blobs(home.blobs).put, stop)

    def turn() -> None:
        watched = stop.watched(lambda: _is_interrupted(home, session), perform.cancel)
        with watched, first_interrupt(stop.ask):
            run(session, perform, make, stop)

    try:
        with contextlib.closing(hands):
            turn()
            # A person who is asked and answers ^C means the program, not the turn: there is none.
            while approve is not None and not stop.is_asked and (answers := _answers(session, approve, make)):
                session.append(*answers)
                turn()
    except Interrupted as interruption:
        session.append(make(LocalInterrupted, signal=interruption.name))


def _is_interrupted(home: Home, session: Session[Outlook]) -> bool:
    """Say whether somebody else has asked for the turn to stop, which the session has not folded yet."""
    try:
        with reading(home) as connection:
            return has_type(connection, session.id, "user.interrupt", after=session.seen)
    except AgentctlError:
        return False  # the store's trouble is told where something is to be written


def _answers(session: Session[Outlook], approve: Approver, make: Maker) -> list[UserToolConfirmation]:
    asked = [(call, approve(call)) for call in session.state.calls if call.waits and not call.custom]
    return [
        make(UserToolConfirmation, tool_use_id=call.id, result=answer[0], deny_message=answer[1])
        for call, answer in asked
        if answer is not None
    ]


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
            _tidy_up(home)


def _tidy_up(home: Home) -> None:
    """Remove the containers that others have left and that have ended; nobody waits for it, or hears of it."""
    from agentctl.sandbox.leftovers import sweep_containers

    with contextlib.suppress(AgentctlError):
        for _ in sweep_containers(home, only_ended=True):
            pass


def _refuse_what_cannot_run(request: RunRequest, toolset: Toolset) -> None:
    agent, config = request.agent, request.environment.config
    wants: list[tuple[str, bool]] = [
        ("mcp_servers", any(isinstance(tool, McpToolset) for tool in agent.tools)),
        ("skills", bool(getattr(agent, "skills", ()))),
        ("multiagent", getattr(agent, "multiagent", None) is not None),
    ]
    for name, wanted in wants:
        if wanted:
            raise UsageError(
                f"agent {agent.name} uses {name}, which this version of agentctl cannot run",
                hint=f"take {name} out of the definition, or run the agent on the hosted service",
            )
    if config.networking.type != "none":
        raise UsageError(
            f"environment {request.environment.name} asks for networking: {config.networking.type}, "
            "which this version of agentctl cannot give",
            hint="use networking: {type: none}, or leave it out",
        )
    if config.type == "self_hosted" and request.sandbox is None and toolset.uses_sandbox:
        raise UsageError(
            f"environment {request.environment.name} is of type self_hosted, which has no sandbox of its own",
            hint="choose one with --sandbox docker or --sandbox bubblewrap",
        )


def _created(
    request: RunRequest,
    session_id: str,
    toolset: Toolset,
    sandbox: Sandbox,
    uploads: Sequence[Upload],
    facts: JsonObject,
    make: Maker,
) -> LocalSessionCreated:
    agent = request.agent
    system = system_prompt(
        agent.system, sandbox.layout, [upload.target for upload in uploads], uses_sandbox=toolset.uses_sandbox
    )
    limits = Limits.from_json(_limits_of(agent).as_json() | request.limits.as_json())
    header = _header(request, system, toolset)
    answering = _answering(request.model, header)
    refuse_unpriced(limits, NextRequest(answering, header.max_tokens, 0, speed=header.speed))
    return make(
        LocalSessionCreated,
        session_id=session_id,
        agentctl_version=__version__,
        agent=snapshot(agent),
        agent_hash=definition_hash(agent),
        environment=snapshot(request.environment),
        environment_hash=definition_hash(request.environment),
        model=_durable_name(request.model or agent.model.id),
        request=header.as_json(),
        sandbox=facts,
        uploads=[{"source": str(upload.source), "target": upload.target} for upload in uploads],
        limits=limits.as_json(),
        title=request.title,
    )


def _limits_of(agent: Agent) -> Limits:
    body = snapshot(agent.local.limits)
    renamed = {"timeout": "timeout_seconds", "max_active": "max_active_seconds"}
    return Limits.from_json({renamed.get(name, name): value for name, value in body.items()})


def _answering(asked: str | None, header: RequestHeader) -> str:
    return asked if asked and asked.startswith(SCRIPT) else header.model


def _durable_name(model: str) -> str:
    """A script is found again from wherever the session is taken up."""
    return SCRIPT + str(Path(model.removeprefix(SCRIPT)).absolute()) if model.startswith(SCRIPT) else model


def _header(request: RunRequest, system: str | None, toolset: Toolset) -> RequestHeader:
    config, other = request.agent.model, request.model
    if other is None or other.startswith(SCRIPT):
        return header_for(
            config.id,
            system=system,
            tools=toolset.definitions,
            effort=config.effort,
            speed=config.speed,
            inference_geo=config.inference_geo,
            context_management=_clearing(request.agent, config.id),
        )
    # Another model has other levels of effort and speed, so it gets its own defaults.
    return header_for(
        other, system=system, tools=toolset.definitions, context_management=_clearing(request.agent, other)
    )


def _clearing(agent: Agent, model: str) -> JsonObject | None:
    rules = agent.local.context
    if rules.clear_tool_results is None:
        return None
    window = window_of(model, rules.window)
    at = None if window is None else round(window * rules.clear_tool_results.at)
    return clearing(rules.clear_tool_results.keep, at)


def _uploads(request: RunRequest, layout: Layout) -> tuple[Upload, ...]:
    workspace = (Upload(request.workspace, layout.workspace),) if request.workspace else ()
    files = (Upload(file.source, file.target or f"{layout.uploads}/{file.source.name}") for file in request.files)
    return (*workspace, *files)


def model_for(name: str, layout: Layout = Layout()) -> Model:  # noqa: B008 - a constant
    """Make the model of that name: ``script:FILE``, or an id of the Claude API.

    A script names the usual paths of a sandbox; ``layout`` says where they are in this one.
    Raises CredentialsError where there is no key, UsageError for a script that is not there or wrong.
    """
    with _quick_import():
        if name.startswith(SCRIPT):
            from agentctl.model.script import read_script, relocated
            from agentctl.model.scripted import ScriptedModel

            return ScriptedModel(relocated(read_script(Path(name.removeprefix(SCRIPT))), _places(layout)))
        from agentctl.model.anthropic import AnthropicModel

        return AnthropicModel()


def _places(layout: Layout) -> dict[str, str]:
    # The workspace stands last: it is a part of no other path, but others may hold its name.
    usual = Layout()
    return {usual.outputs: layout.outputs, usual.uploads: layout.uploads, usual.workspace: layout.workspace}


def sandbox_for(environment: Environment, home: Home, kind: SandboxKind | None = None, generation: int = 1) -> Sandbox:
    """Make the sandbox of an environment, or of another ``kind``; nothing is started."""
    chosen = kind or environment.config.type
    if chosen == "bubblewrap":
        from agentctl.sandbox.bubblewrap import BubblewrapSandbox

        return BubblewrapSandbox(environment, home.sandboxes)
    if chosen == "none":
        from agentctl.sandbox.process import ProcessSandbox

        return ProcessSandbox(environment, home.sandboxes)
    from agentctl.sandbox.docker import DockerSandbox

    return DockerSandbox(environment, home.builds, generation=generation)


@contextlib.contextmanager
def _log(home: Home) -> Iterator[SqliteEventLog]:
    database = Database(home, _migrate)
    try:
        yield SqliteEventLog(home, database)
    finally:
        database.close()


def _migrate(connection: sqlite3.Connection) -> None:
    # sqlite-utils takes longer to import than a whole session takes to write, and only a database
    # that is new or old needs it.
    from agentctl.store.migrations import migrate

    migrate(connection)


@contextlib.contextmanager
def _quick_import() -> Iterator[None]:
    """Import without garbage collection: the SDK's 3,000 modules make much that lives and nothing that dies."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
