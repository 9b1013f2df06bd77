"""What one run asks for, checked, and written down as the first event of its session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentctl import __version__
from agentctl.canonical import JsonObject
from agentctl.catalog import Prices, one_name
from agentctl.definitions.agent import Agent, AgentToolset, McpToolset, definition_hash, snapshot
from agentctl.definitions.environment import Environment
from agentctl.definitions.prices import load_prices
from agentctl.errors import UsageError
from agentctl.events.content import text_block
from agentctl.events.local import LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.harness.prompt import sandbox_section, system_prompt
from agentctl.launch.cloning import Clone
from agentctl.launch.parts import SCRIPT, SandboxKind
from agentctl.launch.repositories import Repository, asked_of
from agentctl.model.request import RequestHeader, clearing, header_for
from agentctl.policy.budget import Limits, NextRequest, refuse_unpriced
from agentctl.policy.context import window_of
from agentctl.sandbox.base import Layout, Sandbox, Upload
from agentctl.sandbox.places import Places
from agentctl.tools.toolset import Toolset


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
    vaults: tuple[str, ...] = ()
    repositories: tuple[Repository, ...] = ()


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of a person's own, and the name of the file that holds them."""

    path: str
    rows: Mapping[str, Prices]

    @classmethod
    def read(cls, path: Path) -> "PriceList":
        """Read the file, if there is one. Raises DefinitionError."""
        return cls(str(path), load_prices(path))

    def of(self, model: str) -> dict[str, Prices]:
        """Return the row of a model, by its one name; nothing where there is none."""
        name = one_name(model)
        return {name: self.rows[name]} if name in self.rows else {}


def refuse_what_cannot_run(request: RunRequest, toolset: Toolset) -> None:
    """Raise UsageError for whatever a definition asks for and this version cannot give.

    Nothing is left out in silence: what a file says is what runs.
    """
    agent, config = request.agent, request.environment.config
    for name in _wants(agent):
        raise UsageError(
            f"agent {agent.name} uses {name}, which this version of agentctl cannot run",
            hint=f"take {name} out of the definition, or run the agent on the hosted service",
        )
    if request.sandbox == "none" and config.networking.type in ("limited", "learn"):
        raise UsageError(
            f"environment {request.environment.name} asks for networking: {config.networking.type}, "
            "which a sandbox of kind none cannot hold: it has this machine's own network",
            hint="use --sandbox docker or --sandbox bubblewrap",
        )
    if request.vaults and "none" in (request.sandbox, config.networking.type):
        is_none = request.sandbox == "none"
        why = "a sandbox of kind none has no gateway" if is_none else "networking: none lets nothing out"
        raise UsageError(
            f"a vault was given, but its secrets could be put into no request: {why}",
            hint="leave --vault out, or allow the hosts with networking: {type: limited, allowed_hosts: [...]}",
        )
    if config.type == "self_hosted" and request.sandbox is None and toolset.uses_sandbox:
        raise UsageError(
            f"environment {request.environment.name} is of type self_hosted, which has no sandbox of its own",
            hint="choose one with --sandbox docker or --sandbox bubblewrap",
        )


def _wants(agent: Agent) -> list[str]:
    toolsets = [tool for tool in agent.tools if isinstance(tool, AgentToolset)]
    asked = {
        "mcp_servers": any(isinstance(tool, McpToolset) for tool in agent.tools),
        "skills": bool(agent.skills),
        "multiagent": agent.multiagent is not None,
        "web_fetch": any(tools.resolved("web_fetch").enabled for tools in toolsets),
        "web_search": any(tools.resolved("web_search").enabled for tools in toolsets),
    }
    return [name for name, is_wanted in asked.items() if is_wanted]


def created_event(
    request: RunRequest,
    session_id: str,
    toolset: Toolset,
    sandbox: Sandbox,
    uploads: Sequence[Upload],
    facts: JsonObject,
    make: Maker,
    price_list: PriceList,
) -> LocalSessionCreated:
    """Make the first event of a session: everything that it depends on.

    Raises UsageError for a limit on money and a model without a price, or an effort it does not offer.
    """
    agent = request.agent
    section = _sandbox_section(request, sandbox, uploads) if toolset.uses_sandbox else None
    system = system_prompt(agent.system, section)
    limits = _limits_of(request)
    header = _header(request, system, toolset)
    answering = answering_model(request.model, header)
    prices = price_list.of(answering)
    next_request = NextRequest(answering, header.max_tokens, 0, speed=header.speed, prices=prices)
    refuse_unpriced(limits, next_request, price_list.path)
    return make(
        LocalSessionCreated,
        session_id=session_id,
        agentctl_version=__version__,
        agent=snapshot(agent),
        agent_hash=definition_hash(agent),
        environment=snapshot(request.environment),
        environment_hash=definition_hash(request.environment),
        model=durable_name(request.model or agent.model.id),
        request=header.as_json(),
        sandbox=facts,
        uploads=[(upload.origin or {"source": str(upload.source)}) | {"target": upload.target} for upload in uploads],
        limits=limits.as_json(),
        title=request.title,
        vaults=list(request.vaults) or None,
        prices={name: row.as_json() for name, row in prices.items()} or None,
    )


def _sandbox_section(request: RunRequest, sandbox: Sandbox, uploads: Sequence[Upload]) -> str:
    paths = [Places(sandbox.layout).inside(upload.target) for upload in uploads]
    networking = request.environment.config.networking
    return sandbox_section(sandbox.layout, paths, networking, is_isolated=sandbox.kind != "none")


def uploads_of(request: RunRequest, clones: Sequence[Clone] = ()) -> tuple[Upload, ...]:
    """Return what is to be copied in: the workspace's directory, repositories, and files.

    A single repository is the workspace where nothing else is; otherwise each has a folder in it.
    Files are beside the workspace unless their place is given. The places are the usual ones, wherever
    they are in the session's sandbox.
    """
    layout = Layout()
    workspace = (Upload(request.workspace, layout.workspace),) if request.workspace else ()
    files = (Upload(file.source, file.target or f"{layout.uploads}/{file.source.name}") for file in request.files)
    is_alone = len(clones) == 1 and not workspace
    places = [layout.workspace if is_alone else f"{layout.workspace}/{clone.repository.name}" for clone in clones]
    repositories = (Upload(clone.folder, place, clone.origin) for clone, place in zip(clones, places, strict=True))
    return (*workspace, *repositories, *files)


def input_of(request: RunRequest) -> tuple[object, ...]:
    """Return what makes two requests the same.

    That is definitions, model, sandbox, what is copied in, limits, vaults, and the message. A title
    is no part of it: it names a session and changes nothing in it.
    """
    repositories = (repository.asked for repository in request.repositories)
    files = (file.source for file in request.files)
    sources = [*([request.workspace] if request.workspace else []), *repositories, *files]
    kind = request.sandbox or request.environment.config.type
    return (
        definition_hash(request.agent),
        definition_hash(request.environment),
        durable_name(request.model or request.agent.model.id),
        kind if kind in ("bubblewrap", "none") else "docker",
        [str(source) for source in sources],
        _limits_of(request).as_json(),
        list(request.vaults),
        [text_block(request.message)],
    )


def recorded_input(created: LocalSessionCreated) -> tuple[object, ...]:
    """Return the same of a session that is there, without its message.

    Its definitions are named anew: a version of agentctl that knows more fields than the one that
    recorded them gives the same file another name.
    """
    sources = [asked_of(upload) for upload in created.uploads]
    return (
        definition_hash(Agent.model_validate(created.agent)),
        definition_hash(Environment.model_validate(created.environment)),
        created.model,
        created.sandbox.get("kind"),
        sources,
        created.limits,
        created.vaults or [],
    )


def answering_model(asked: str | None, header: RequestHeader) -> str:
    """Return who answers, and is paid: the script that was asked for, or the model of the requests."""
    return asked if asked and asked.startswith(SCRIPT) else header.model


def _limits_of(request: RunRequest) -> Limits:
    """Return the limits of the agent's file, with those of the command line in their place."""
    body = snapshot(request.agent.local.limits)
    renamed = {"timeout": "timeout_seconds", "max_active": "max_active_seconds"}
    written = {renamed.get(name, name): value for name, value in body.items()}
    return Limits.from_json(written | request.limits.as_json())


def durable_name(model: str) -> str:
    """Return the name of a model for the record: a script is found again from wherever the session is taken up."""
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


def header_with(head: RequestHeader, agent: Agent, model: str) -> RequestHeader:
    """Return the same head for another model, with that model's own effort and speed. Raises UsageError."""
    return header_for(model, system=head.system, tools=head.tools, context_management=_clearing(agent, model))


def _clearing(agent: Agent, model: str) -> JsonObject | None:
    rules = agent.local.context
    if rules.clear_tool_results is None:
        return None
    window = window_of(model, rules.window)
    at = None if window is None else round(window * rules.clear_tool_results.at)
    return clearing(rules.clear_tool_results.keep, at)
