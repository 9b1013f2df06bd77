"""``agentctl resume``: take a session up again where its record ends."""

import typer

from agentctl.cli.asking import approver
from agentctl.cli.blaming import understood
from agentctl.cli.draw import Drawn, drive
from agentctl.cli.finding import id_of
from agentctl.cli.limiting import MaxCostOption, MaxTurnsOption, TimeoutOption, limits_of
from agentctl.cli.options import (
    Approval,
    ApproveOption,
    Output,
    OutputOption,
    QuietOption,
    RebuildOption,
    SessionArgument,
)
from agentctl.cli.output import reporting
from agentctl.launch.resuming import take_up
from agentctl.paths import home

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def resume(
    session: SessionArgument,
    max_cost: MaxCostOption = None,
    max_turns: MaxTurnsOption = None,
    timeout: TimeoutOption = None,
    approve: ApproveOption = Approval.ASK,
    rebuild: RebuildOption = False,
    output: OutputOption = Output.TEXT,
    quiet: QuietOption = False,
) -> None:
    """Go on with a session that was stopped, has failed, or was answered."""
    with reporting(output), understood(session):
        session_id = id_of(session)
        limits = limits_of(max_cost, max_turns, timeout)
        drawn = Drawn(output, quiet=quiet)
        asks = approver(approve.value, drawn)
        store, tell = home(), drawn.progress
        raise typer.Exit(
            drive(drawn, lambda: take_up(session_id, store, [drawn], tell, asks, limits=limits, rebuild=rebuild))
        )
