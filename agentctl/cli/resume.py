"""``agentctl resume``: take a session up again where its record ends."""

import typer

from agentctl.cli.asking import approver
from agentctl.cli.draw import Drawn, drive
from agentctl.cli.finding import id_of
from agentctl.cli.options import Approval, ApproveOption, Output, OutputOption, QuietOption, SessionArgument
from agentctl.cli.output import reporting
from agentctl.launch import take_up
from agentctl.paths import home

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def resume(
    session: SessionArgument,
    approve: ApproveOption = Approval.ASK,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
) -> None:
    """Go on with a session that was stopped, has failed, or was answered."""
    with reporting(output):
        session_id = id_of(session)
        drawn = Drawn(output, quiet=quiet)
        asks = approver(approve.value, drawn)
        raise typer.Exit(drive(drawn, lambda: take_up(session_id, home(), [drawn], drawn.progress, asks)))
