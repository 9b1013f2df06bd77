"""``agentctl send``: say something to a session, and let it work."""

from typing import Annotated, TypeAlias

import typer

from agentctl.cli.asking import approver
from agentctl.cli.blaming import understood
from agentctl.cli.draw import Drawn, drive
from agentctl.cli.finding import id_of
from agentctl.cli.limiting import MaxCostOption, MaxTurnsOption, TimeoutOption, limits_of
from agentctl.cli.message import MessageArgument, MessageFileOption, in_utf8, message_of
from agentctl.cli.options import (
    Approval,
    ApproveOption,
    Output,
    OutputOption,
    QuietOption,
    RebuildOption,
    SessionArgument,
)
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.errors import BusyError, UsageError
from agentctl.launch.resuming import take_up
from agentctl.launch.telling import queue_message
from agentctl.paths import home

SystemOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--system", metavar="TEXT", help="What the operator says with it: stands over what people say."),
]

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def send(
    session: SessionArgument,
    message: MessageArgument = None,
    file_of_message: MessageFileOption = None,
    system: SystemOption = None,
    max_cost: MaxCostOption = None,
    max_turns: MaxTurnsOption = None,
    timeout: TimeoutOption = None,
    approve: ApproveOption = Approval.ASK,
    rebuild: RebuildOption = False,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
) -> None:
    """Send a message to a session: it works on it now, or next if it is running."""
    with reporting(output), understood(session):
        session_id = id_of(session)
        limits = limits_of(max_cost, max_turns, timeout)
        text = message_of(message, file_of_message)
        if system is not None and not in_utf8("--system", system).strip():
            raise UsageError("the message of the operator is empty")
        drawn = Drawn(output, quiet=quiet)
        asks = approver(approve.value, drawn)
        try:
            code = drive(
                drawn,
                lambda: take_up(
                    session_id, home(), [drawn], drawn.progress, asks, text, limits, system, rebuild=rebuild
                ),
            )
        except BusyError:
            _queue(session_id, text, system, output)
            code = 0
        raise typer.Exit(code)


def _queue(session_id: str, text: str, system: str | None, output: Output) -> None:
    event_id = queue_message(session_id, home(), text, system)
    if output is Output.TEXT:
        write_out(f"{session_id} is running; it takes the message up next\n")
    else:
        print_json({"type": "queued", "schema": "agentctl.queued/1", "session_id": session_id, "event_id": event_id})
