"""``agentctl baseline``: names for the sessions that others are compared with."""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from typing import Annotated, TypeAlias

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.looking import stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import print_json, reporting, write_out
from agentctl.cli.quick import QuickCommand
from agentctl.errors import NotFoundError
from agentctl.ids import SystemClock, time_of, timestamp
from agentctl.paths import Home, home
from agentctl.render.lines import Span, paint_all, plain, shown
from agentctl.render.listing import table
from agentctl.render.numbers import age
from agentctl.store.baselines import Baseline, list_baselines, remove_baseline, session_of, set_baseline
from agentctl.store.database import Database, reading
from agentctl.store.migrations import migrate
from agentctl.store.sessions import find_session_id

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True)

_HEAD = ("BASELINE", "SESSION", "SET")

NameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The name, without the = before it.")]


@app.callback()
def baseline() -> None:
    """Give names to the sessions that others are compared with."""


@app.command("set", cls=QuickCommand)
def set_name(name: NameArgument, session: SessionArgument, output: OutputOption = Output.TEXT) -> None:
    """Give a name to a session, in place of the one that had it."""
    with reporting(output):
        store = home()
        with reading(store) as connection:
            session_id = find_session_id(connection, session)
        now = timestamp(SystemClock().now())
        with closing(Database(store, migrate)) as database:
            former = database.write(lambda connection: set_baseline(connection, name, session_id, now))
        if output is not Output.TEXT:
            print_json(_body([Baseline(name, session_id, now)]))
            return
        instead = f", no longer {former}" if former not in (None, session_id) else ""
        write_out(f"={name} is {session_id}{instead}\n")


@app.command("ls", cls=QuickCommand)
def list_names(output: OutputOption = Output.TEXT) -> None:
    """List the names that were given."""
    with reporting(output):
        found = _found(home())
        if output is not Output.TEXT:
            print_json(_body(found))
            return
        look, now = stdout_look(), SystemClock().now()
        rows = [
            [Span(f"={each.name}", "bold"), Span(shown(each.session_id, look)), Span(_age(each, now))] for each in found
        ]
        lines = table(_HEAD, rows, look) if rows else [plain("there are no baselines; see: agentctl baseline set")]
        write_out(paint_all(lines, look))


@app.command(cls=QuickCommand)
def rm(name: NameArgument, output: OutputOption = Output.TEXT) -> None:
    """Take a name away; the session stays."""
    with reporting(output):
        bare = name.removeprefix("=")
        store = home()
        with reading(store) as connection:
            session_of(connection, bare)  # where there is no store, none is made
        with closing(Database(store, migrate)) as database:
            session_id = database.write(lambda connection: remove_baseline(connection, bare))
        if output is not Output.TEXT:
            print_json({"type": "baseline", "schema": "agentctl.baseline.rm/1", "name": bare, "session_id": session_id})
            return
        write_out(f"={bare} is gone; the session {session_id} is still there\n")


def _found(store: Home) -> list[Baseline]:
    try:
        with reading(store) as connection:
            return list_baselines(connection)
    except NotFoundError:  # there is no store yet
        return []


def _body(found: Sequence[Baseline]) -> JsonObject:
    listed = [{"name": each.name, "session_id": each.session_id, "set_at": each.set_at} for each in found]
    return {"type": "baselines", "schema": "agentctl.baseline/1", "baselines": listed}


def _age(found: Baseline, now: datetime) -> str:
    at = time_of(found.set_at)
    return "" if at is None else f"{age(at, now)} ago".replace("now ago", "now")
