"""``agentctl run``: definitions and a message in, a session driven until it rests."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from agentctl.cli.asking import approver
from agentctl.cli.detach import Background, announce, go_to_background
from agentctl.cli.draw import Drawn, drive
from agentctl.cli.limiting import MaxCostOption, MaxTurnsOption, TimeoutOption, limits_of
from agentctl.cli.message import MessageArgument, MessageFileOption, in_utf8, message_of
from agentctl.cli.options import Approval, ApproveOption, Output, OutputOption, QuietOption, SandboxName, own_id
from agentctl.cli.output import reporting
from agentctl.definitions.environment import Environment, EnvironmentConfig
from agentctl.definitions.load import load_agent, load_environment
from agentctl.errors import UsageError
from agentctl.ids import SystemClock, new_id
from agentctl.launch.repositories import Repository, read_repository, refuse_same_places
from agentctl.launch.request import RunRequest
from agentctl.launch.starting import start, was_begun
from agentctl.paths import Home, home
from agentctl.sandbox.base import Upload
from agentctl.session.log import Listener

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def run(
    agent: Annotated[Path, typer.Argument(metavar="AGENT", help="The agent's file.")],
    message: MessageArgument = None,
    environment: Annotated[
        Path | None,
        typer.Option("--environment", "-e", metavar="ENV", help="The environment's file; Docker unless given."),
    ] = None,
    file_of_message: MessageFileOption = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="A title for the session.")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Your own id for the session.")] = None,
    workspace: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Copy this directory into the workspace.")
    ] = None,
    repo: Annotated[
        list[str] | None,
        typer.Option(metavar="URL|PATH[@REF]", help="Copy a clone of this git repository in; may be repeated."),
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(metavar="SRC[:DST]", help="Copy this file in; may be repeated.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="ID", help="Another model, or script:FILE for a scripted one.")
    ] = None,
    sandbox: Annotated[
        SandboxName | None, typer.Option(help="Another sandbox than the environment's; none is no isolation.")
    ] = None,
    vault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Let the sandbox use this vault's credentials; may be repeated."),
    ] = None,
    max_cost: MaxCostOption = None,
    max_turns: MaxTurnsOption = None,
    timeout: TimeoutOption = None,
    approve: ApproveOption = Approval.ASK,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; print the id. `events --follow` attaches.")
    ] = False,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
) -> None:
    """Start a session and drive it until it rests."""
    with reporting(output):
        request = RunRequest(
            agent=load_agent(agent),
            environment=load_environment(environment) if environment else _default_environment(),
            message=message_of(message, file_of_message),
            model=model,
            sandbox=sandbox.value if sandbox else None,
            session_id=own_id(session),
            title=in_utf8("--title", title),
            workspace=_workspace(workspace),
            files=tuple(_upload(text) for text in file or ()),
            limits=limits_of(max_cost, max_turns, timeout),
            vaults=tuple(dict.fromkeys(vault or ())),
            repositories=_repositories(repo or (), workspace),
        )
        store = home()
        before: list[Listener] = []
        if detach:
            request, waiting = _detached(request, store, output)
            before.append(waiting)
        drawn = Drawn(output, quiet=quiet)
        asks = approver(approve.value, drawn)
        raise typer.Exit(drive(drawn, lambda: start(request, store, [*before, drawn], drawn.progress, asks)))


def _detached(request: RunRequest, store: Home, output: Output) -> tuple[RunRequest, Background]:
    """Go to the background, unless the session is there already: then say so, and exit."""
    session_id = request.session_id or new_id("sesn_", SystemClock())
    if was_begun(request, store):
        start(request, store, [], lambda _line: None)
        announce(session_id, None, output)
        raise typer.Exit(0)
    return replace(request, session_id=session_id), go_to_background(session_id, store, output)


def _default_environment() -> Environment:
    return Environment(name="default", config=EnvironmentConfig(type="cloud"))


def _workspace(path: Path | None) -> Path | None:
    if path is not None and not path.is_dir():
        raise UsageError(f"--workspace {path}: {'not a directory' if path.exists() else 'no such directory'}")
    return path.resolve() if path else None


def _repositories(texts: Sequence[str], workspace: Path | None) -> tuple[Repository, ...]:
    repositories = tuple(map(read_repository, texts))
    refuse_same_places(repositories, workspace)
    return repositories


def _upload(text: str) -> Upload:
    """Read ``SRC[:DST]``; a file whose name holds a colon wins over the reading as two parts."""
    source, _, target = (text, "", "") if Path(text).exists() else text.rpartition(":")
    path = Path(source or target)
    if not path.is_file():
        raise UsageError(f"--file {text}: no such file")
    return Upload(path.resolve(), target if source and target else "")
