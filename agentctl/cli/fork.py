"""``agentctl fork``: a new session with the past of another one, up to an event."""

from pathlib import Path
from typing import Annotated

import typer

from agentctl.cli.asking import approver
from agentctl.cli.blaming import understood
from agentctl.cli.draw import Drawn, drive
from agentctl.cli.finding import id_and_event
from agentctl.cli.limiting import MaxCostOption, MaxTurnsOption, TimeoutOption, limits_of
from agentctl.cli.message import MessageArgument, MessageFileOption, in_utf8, message_of
from agentctl.cli.options import (
    Approval,
    ApproveOption,
    Output,
    OutputOption,
    QuietOption,
    RebuildOption,
    SandboxName,
    SessionArgument,
    own_id,
)
from agentctl.cli.otherwise import OtherEnvironmentOption, OtherModelOption, other_environment
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.definitions.load import load_agent
from agentctl.events.codec import encode
from agentctl.launch.forking import Forked, ForkRequest
from agentctl.launch.forking import fork as make_fork
from agentctl.launch.resuming import take_up
from agentctl.launch.telling import tell_again
from agentctl.paths import home

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def fork(
    session: SessionArgument,
    message: MessageArgument = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="EVENT", help="The last event that both have; the last of all unless given."),
    ] = None,
    agent: Annotated[Path | None, typer.Option(metavar="FILE", help="Another agent from here on.")] = None,
    environment: OtherEnvironmentOption = None,
    model: OtherModelOption = None,
    sandbox: Annotated[SandboxName | None, typer.Option(help="Another kind of sandbox from here on.")] = None,
    file_of_message: MessageFileOption = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="A title for the fork.")] = None,
    own: Annotated[str | None, typer.Option("--session", metavar="ID", help="Your own id for the fork.")] = None,
    max_cost: MaxCostOption = None,
    max_turns: MaxTurnsOption = None,
    timeout: TimeoutOption = None,
    approve: ApproveOption = Approval.ASK,
    no_run: Annotated[bool, typer.Option("--no-run", help="Make the fork, and leave it at that.")] = False,
    rebuild: RebuildOption = False,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
) -> None:
    """Make a session with the same past and the same files, free to differ from there."""
    with reporting(output), understood(session):
        parent, number = id_and_event(session, at)
        request = ForkRequest(
            parent=parent,
            at=number,
            message=None if message is None and file_of_message is None else message_of(message, file_of_message),
            agent=load_agent(agent) if agent else None,
            environment=other_environment(environment),
            model=model,
            sandbox=sandbox.value if sandbox else None,
            session_id=own_id(own),
            title=in_utf8("--title", title),
            limits=limits_of(max_cost, max_turns, timeout),
        )
        drawn = Drawn(output, quiet=quiet)
        store, tell = home(), drawn.progress
        made = make_fork(request, store, tell, is_run=not no_run, rebuild=rebuild)
        if output is Output.JSONL:
            for event in made.begun:
                print_json(encode(event))
        if no_run or (made.is_new and not made.has_work):
            drawn.close()
            _tell(made, output)
            return
        if not made.is_new:
            raise typer.Exit(drive(drawn, lambda: tell_again(made.session_id, store, [drawn])))
        asks = approver(approve.value, drawn)
        raise typer.Exit(drive(drawn, lambda: take_up(made.session_id, store, [drawn], tell, asks, rebuild=rebuild)))


def _tell(made: Forked, output: Output) -> None:
    """Say what was made; nothing runs in it yet."""
    if output is Output.TEXT:
        then = f"resume {made.session_id}" if made.has_work else f"send {made.session_id} 'what to do'"
        write_out(f"{made.session_id}\ngo on with: agentctl {then}\n")
        return
    print_json(
        {
            "type": "forked",
            "schema": "agentctl.forked/1",
            "session_id": made.session_id,
            "parent": made.parent,
            "at": made.at,
            "has_work": made.has_work,
            "not_restored": [loss.as_json() for loss in made.losses],
        }
    )
