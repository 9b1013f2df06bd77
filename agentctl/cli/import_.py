"""``agentctl import``: sessions from files, ours or of other programs, all of it checked before any of it is stored."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from agentctl.cli.export import learn_secrets
from agentctl.cli.incoming import ForeignSession, OwnSession, read_session, store_sessions
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.cli.quick import QuickCommand
from agentctl.errors import UsageError
from agentctl.paths import home
from agentctl.session.members import is_session_id
from agentctl.store.intake import Taken
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_WORDS = {"stored": "imported", "there": "is there already", "longer": "has gone on: what was new was added"}


@app.command("import", cls=QuickCommand)
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Exported sessions, or transcripts; - is standard input.")
    ],
    as_id: Annotated[
        str | None, typer.Option("--as", metavar="ID", help="Give the session this id; its hashes are new then.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Store sessions from files: exported ones, and transcripts of other programs."""
    with reporting(output), ExitStack() as held:
        if as_id is not None and (len(files) > 1 or not is_session_id(as_id)):
            raise UsageError("--as takes an id of a-z, 0-9, - and _, and one file at a time")
        store = home()
        given = [read_session(path, held, as_id) for path in files]
        learn_secrets(store)
        done = list(zip(given, store_sessions(store, given), strict=True))
        if output is Output.TEXT:
            write_out("".join(_line(session, taken) for session, taken in done))
            return
        sessions = [
            {"file": session.name, "format": session.format, "session_id": taken.session_id, "state": taken.state}
            for session, taken in done
        ]
        print_json({"type": "import", "schema": "agentctl.import/1", "sessions": sessions})


def _line(session: OwnSession | ForeignSession, taken: Taken) -> str:
    source = f", from {session.format}" if isinstance(session, ForeignSession) else ""
    return f"{taken.session_id}  {_WORDS[taken.state]} ({visible_line(session.name)}{source})\n"
