"""``agentctl interrupt``: stop what a session is doing, from any shell."""

import typer

from agentctl.cli.blaming import understood
from agentctl.cli.finding import id_of
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.events.make import Maker
from agentctl.events.user import UserInterrupt
from agentctl.launch.telling import tell
from agentctl.paths import home
from agentctl.session.state import SessionState

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def interrupt(session: SessionArgument, output: OutputOption = Output.TEXT) -> None:
    """Stop the turn of a session that is running; it rests then."""
    with reporting(output), understood(session):
        session_id = id_of(session)
        told = tell(session_id, home(), _interruption)
        if output is not Output.TEXT:
            body = {"type": "interrupted", "schema": "agentctl.interrupted/1"}
            print_json(body | {"session_id": session_id, "was_running": bool(told)})
        else:
            write_out(f"{session_id} {'stops' if told else 'rests already'}\n")


def _interruption(state: SessionState, make: Maker) -> list[UserInterrupt]:
    return [make(UserInterrupt)] if state.status in ("running", "rescheduling") else []
