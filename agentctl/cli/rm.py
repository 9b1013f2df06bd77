"""``agentctl rm``: remove sessions for good."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from agentctl.cli.complain import write_error
from agentctl.cli.options import SESSION_HELP, Output, OutputOption
from agentctl.cli.output import print_json, reporting, standard_output, write_out
from agentctl.cli.removing import Outcome, remove
from agentctl.errors import BusyError, UsageError
from agentctl.paths import Home, home
from agentctl.render.numbers import duration, many, size
from agentctl.store.database import reading
from agentctl.store.leases import is_running
from agentctl.store.removal import Doomed, doomed, family_of, refuse_bound
from agentctl.store.sessions import find_session_id
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def rm(
    sessions: Annotated[list[str], typer.Argument(metavar="SESSION...", help=SESSION_HELP)],
    forks: Annotated[bool, typer.Option("--forks", help="What was forked from them too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Remove sessions for good: what happened in them, and what only they had a use for."""
    with reporting(output):
        standard_output()
        store = home()
        found = _found(store, sessions, with_forks=forks)
        if not yes and (output is not Output.TEXT or not _is_terminal()):
            raise UsageError("nobody can be asked here", hint="say --yes: what was removed cannot be brought back")
        if not yes and not _agreed(found):
            raise typer.Exit(1)
        outcome = remove(store, [[each.session_id for each in found]])
        if output is Output.TEXT:
            write_out("".join(f"{line}\n" for line in _lines(outcome)))
        else:
            print_json(_body(outcome))
        for trouble in outcome.troubles:
            write_error(visible_line(trouble))


def _found(store: Home, names: Sequence[str], *, with_forks: bool) -> list[Doomed]:
    """Return what is meant. Raises UsageError, NotFoundError and BusyError where it is not to be removed."""
    with reading(store) as connection:
        ids = [find_session_id(connection, name) for name in names]
        if with_forks:
            ids = [each for session_id in ids for each in family_of(connection, session_id)]
        ids = list(dict.fromkeys(ids))
        for session_id in ids:
            if is_running(store, session_id):
                raise BusyError(f"session {session_id} is being run", hint=f"first: agentctl interrupt {session_id}")
        refuse_bound(connection, ids)
        return doomed(connection, ids)


def _is_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _agreed(found: Sequence[Doomed]) -> bool:
    """Ask the person at the terminal; the end of input is a no."""
    for each in found:
        write_error(f"{each.session_id}: {many(each.events, 'event')}, {size(each.size)}")
    while True:
        write_error(f"Remove {many(len(found), 'session')} for good? [y]es, [n]o")
        line = sys.stdin.readline()
        if line.strip().lower() in ("y", "yes"):
            return True
        if not line or line.strip().lower() in ("n", "no"):
            return False


def _lines(outcome: Outcome) -> list[str]:
    blobs, given = outcome.blobs, outcome.given_back
    lines = [
        f"removed session {each.session_id}: {many(each.events, 'event')}, {size(each.size)}"
        for each in outcome.sessions
    ]
    if blobs.files:
        lines.append(f"removed {many(blobs.files, 'blob')} that nobody else names: {size(blobs.bytes)}")
    if blobs.spared:
        lines.append(f"{many(blobs.spared, 'blob')} too young to be removed: later with agentctl prune")
    if outcome.kept_bytes:
        lines.append(f"removed kept states of sandboxes: {size(outcome.kept_bytes)}")
    if given.bytes:
        lines.append(f"gave {size(given.bytes)} of the database back in {duration(given.seconds)}")
    return lines


def _body(outcome: Outcome) -> dict[str, object]:
    return {
        "type": "rm",
        "schema": "agentctl.rm/1",
        "removed": [
            {"session_id": each.session_id, "events": each.events, "size": each.size} for each in outcome.sessions
        ],
        "blobs": {"files": outcome.blobs.files, "size": outcome.blobs.bytes, "spared": outcome.blobs.spared},
        "checkpoints": {"size": outcome.kept_bytes},
        "given_back": {"size": outcome.given_back.bytes, "seconds": round(outcome.given_back.seconds, 3)},
        "troubles": outcome.troubles,
    }
