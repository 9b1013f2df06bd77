"""``agentctl du``: what takes how much of the disk."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.complain import write_error
from agentctl.cli.gc import has_used_docker
from agentctl.cli.looking import leave_if_damaged, stdout_look
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import print_json, reporting, standard_output, write_out
from agentctl.errors import NotFoundError, SandboxError, StoreError
from agentctl.paths import Home, home
from agentctl.render.lines import Line, Span, paint_all, plain, shown
from agentctl.render.listing import table
from agentctl.render.numbers import many, size
from agentctl.sandbox.docker.checkpoints import Checkpoints
from agentctl.sandbox.docker.images import Images
from agentctl.store.database import reading
from agentctl.store.rows import Listed, SessionRow, list_sessions
from agentctl.store.sessions import short_name
from agentctl.store.weights import KINDS, Weights, weigh_what_is_readable
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_MEANINGS = {
    "uploads": "files that sessions began with",
    "changes": "files that calls made or changed",
    "outputs": "output files",
    "texts": "long strings of events",
    "others": "named in other ways",
    "unnamed": "no session names them: agentctl prune --blobs",
}


@dataclass(frozen=True, slots=True)
class _Largest:
    """A session and what only it has a use for, in bytes."""

    row: SessionRow
    name: str
    size: int


@dataclass(slots=True)
class _Usage:
    """What is where. The numbers of Docker are None where it was never used, or does not answer."""

    store: Home
    database_bytes: int = 0
    weights: Weights = field(default_factory=lambda: Weights(0, 0, {}))
    largest: list[_Largest] = field(default_factory=list)
    checkpoints: tuple[int, int] | None = None
    images: tuple[int, int] | None = None
    trouble: str | None = None
    listed: Listed = field(default_factory=Listed)
    unweighed: list[str] = field(default_factory=list)

    def folders(self) -> dict[str, int]:
        """Return the bytes of what else is in the store, by its name."""
        store = self.store
        index = [path for path in (store.search, store.search.with_suffix(".lock")) if path.exists()]
        return {
            "logs": _bytes_in(store.logs) + _bytes_in(store.reports),
            "builds": _bytes_in(store.builds),
            "search": sum(path.stat().st_size for path in index),
            "sandboxes": _bytes_in(store.sandboxes),
        }


@app.command()
def du(
    number: Annotated[int, typer.Option("-n", min=0, metavar="N", help="How many of the largest sessions.")] = 5,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say what takes how much of the disk."""
    with reporting(output):
        standard_output()
        usage = _usage(home(), number)
        if output is Output.TEXT:
            write_out(paint_all(list(_lines(usage)), stdout_look()))
        else:
            print_json(_body(usage))
        _tell_unweighed(usage)
        leave_if_damaged(usage.listed)
        raise typer.Exit(StoreError.exit_code if usage.unweighed else 0)


def _usage(store: Home, number: int) -> _Usage:
    usage = _Usage(store)
    with contextlib.suppress(NotFoundError), reading(store) as connection:
        usage.weights = weigh_what_is_readable(store, connection)
        usage.database_bytes = sum(_bytes_of(store.database.with_name(store.database.name + end)) for end in _ENDINGS)
        usage.listed = list_sessions(connection)
        usage.largest = _largest(connection, usage, number)
    if has_used_docker(store):
        _ask_docker(usage)
    return usage


_ENDINGS = ("", "-wal", "-shm")


def _largest(connection: sqlite3.Connection, usage: _Usage, number: int) -> list[_Largest]:
    keys = dict(connection.execute("SELECT id, key FROM sessions").fetchall())
    usage.unweighed = [name for name, key in keys.items() if key in usage.weights.unreadable]
    own = usage.weights.of_sessions()
    read = [row for row in usage.listed.rows if row.id not in usage.unweighed]
    rows = sorted(read, key=lambda row: own.get(keys[row.id], 0), reverse=True)[:number]
    return [_Largest(row, short_name(connection, row.id), own.get(keys[row.id], 0)) for row in rows]


def _tell_unweighed(usage: _Usage) -> None:
    for name in usage.unweighed:
        line = f"agentctl: session {name} cannot be read: it is not counted, nor what its contents are"
        write_error(visible_line(f"{line}; see: agentctl verify {name}"))


def _ask_docker(usage: _Usage) -> None:
    try:
        with contextlib.closing(Checkpoints(usage.store.builds)) as checkpoints:
            kept = checkpoints.list()
            usage.checkpoints = len(kept), sum(each.size for each in kept)
        with contextlib.closing(Images(usage.store.builds)) as images:
            built = images.list()
            usage.images = len(built), sum(each.size for each in built)
    except SandboxError as error:
        usage.trouble = error.message


def _body(usage: _Usage) -> JsonObject:
    kinds = {kind: usage.weights.of_kind(kind) for kind in KINDS}
    return {
        "type": "du",
        "schema": "agentctl.du/1",
        "home": str(usage.store.root),
        "database": {"size": usage.database_bytes, "free": usage.weights.free},
        "blobs": {kind: {"files": files, "size": bytes_of_it} for kind, (files, bytes_of_it) in kinds.items()},
        **{name: {"size": bytes_of_it} for name, bytes_of_it in usage.folders().items()},
        "checkpoints": _counted(usage.checkpoints),
        "images": _counted(usage.images),
        "sessions": [{"session_id": each.row.id, "agent": each.row.agent, "size": each.size} for each in usage.largest],
        "trouble": usage.trouble,
    }


def _counted(found: tuple[int, int] | None) -> JsonObject | None:
    return None if found is None else {"number": found[0], "size": found[1]}


def _lines(usage: _Usage) -> Iterator[Line]:
    look = stdout_look()
    rows = [[Span(what), Span(size(number)), Span(note, "dim")] for what, number, note in _rows(usage) if number]
    yield from table(("", "SIZE", ""), rows, look, (1,)) if rows else [plain("nothing takes anything yet")]
    if usage.largest:
        yield plain("")
        yield from table(
            ("SESSION", "SIZE", "MESSAGE"),
            [
                [
                    Span(each.name, "bold"),
                    Span(size(each.size)),
                    Span(shown(" ".join((each.row.title or each.row.first_message or "").split()), look)),
                ]
                for each in usage.largest
            ],
            look,
            (1,),
        )
    if usage.trouble:
        yield plain(shown(f"images and kept states are not counted: {usage.trouble}", look), "warning")


def _rows(usage: _Usage) -> Iterator[tuple[str, int, str]]:
    free = usage.weights.free
    yield "database", usage.database_bytes, f"{size(free)} of it free" if free else ""
    for kind in KINDS:
        files, bytes_of_it = usage.weights.of_kind(kind)
        yield f"blobs: {kind}", bytes_of_it, f"{many(files, 'file')}: {_MEANINGS[kind]}"
    for name, bytes_of_it in usage.folders().items():
        yield name, bytes_of_it, ""
    for name, found in (("checkpoints", usage.checkpoints), ("images", usage.images)):
        if found:
            yield name, found[1], f"{many(found[0], 'image')} of Docker, with what they share"


def _bytes_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _bytes_in(folder: Path) -> int:
    """Return the bytes of the files in a folder, and in the folders in it; what cannot be looked at does not count."""
    return sum(_bytes_of(Path(place, name)) for place, _, names in os.walk(folder) for name in names)
