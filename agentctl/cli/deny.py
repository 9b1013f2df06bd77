"""``agentctl deny``: refuse calls that wait for a person."""

from typing import Annotated

import typer

from agentctl.cli.answering import CallsArgument, answer
from agentctl.cli.options import Output, OutputOption, SessionArgument

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def deny(
    session: SessionArgument,
    calls: CallsArgument = None,
    reason: Annotated[
        str | None, typer.Option("--message", "-m", metavar="REASON", help="Why; the model reads it.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Refuse calls that wait for permission; then `agentctl resume`."""
    answer(session, calls or [], "deny", reason, output)
