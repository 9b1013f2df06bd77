"""``agentctl approve``: let calls run that wait for a person."""

import typer

from agentctl.cli.answering import CallsArgument, answer
from agentctl.cli.options import Output, OutputOption, SessionArgument

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def approve(
    session: SessionArgument,
    calls: CallsArgument = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Allow calls that wait for permission; then `agentctl resume`."""
    answer(session, calls or [], "allow", None, output)
