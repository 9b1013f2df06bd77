"""``agentctl events``: what happened in a session, event by event."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.complain import complain, write_error
from agentctl.cli.looking import FromOption, Opened, Selection, UntilOption, opened, select, stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import flush_out, reporting, write_out, write_out_later
from agentctl.cli.quick import QuickCommand
from agentctl.errors import StoreError, UsageError
from agentctl.events.codec import encode, type_of
from agentctl.ids import time_of
from agentctl.render.gist import gist
from agentctl.render.jsonl import json_line
from agentctl.render.lines import Line, Span, clip, paint_all, shown
from agentctl.render.look import Look
from agentctl.session.log import Record
from agentctl.store.events import taken_up_at
from agentctl.store.leases import is_running
from agentctl.store.rows import SessionRow
from agentctl.store.sessions import find_session

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_POLL_SECONDS = 0.1
_POLLS_BETWEEN_LOOKS = 10
_TYPE_COLUMNS = 25
_MOST_COLUMNS = 200
_STYLES = {"user": "accent", "agent": "bold", "local": "dim", "span": "dim"}


@app.command(cls=QuickCommand)
def events(
    session: SessionArgument,
    types: Annotated[
        str | None, typer.Option("--type", metavar="TYPES", help="Only these, with commas between: agent.*,user.*")
    ] = None,
    first: FromOption = None,
    last: UntilOption = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as events come, until the session rests.")] = False,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Of a damaged record, all before the damage; exit 8 where there is any.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the events of a session."""
    with reporting(output), opened(session) as found:
        if salvage:
            _refuse_with_salvage({"--type": types, "--from": first, "--until": last, "--follow": follow})
            raise typer.Exit(_salvage(found, output))
        selection = select(found, first, last, types)
        records = (record for record in _records(found, selection, follow) if selection.wants_type(record.event))
        _print(found, records, output, lambda record: _public(found, record))


def _print(session: Opened, records: Iterable[Record], output: Output, body_of: Callable[[Record], JsonObject]) -> None:
    if output is Output.TEXT:
        _print_lines(session, records)
    elif output is Output.JSONL:
        for record in records:
            write_out_later(json_line(body_of(record)))
    else:
        _print_object(session, map(body_of, records))
    flush_out()


class _Intact:
    """The events before the first that is damaged: how many there were, and what is wrong with that one."""

    def __init__(self, records: Iterator[Record]) -> None:
        self._records = records
        self.count = 0
        self.damage: StoreError | None = None

    def __iter__(self) -> Iterator[Record]:
        try:
            for record in self._records:
                self.count += 1
                yield record
        except StoreError as error:
            self.damage = error


def _salvage(session: Opened, output: Output) -> int:
    """Print what is intact, as it was written, and say where it ends; return the exit code."""
    intact = _Intact(session.records())
    _print(session, intact, output, lambda record: encode(record.event))
    if intact.damage is None:
        write_error(f"the record of {session.row.id} is whole: {intact.count} events")
        return 0
    complain(StoreError(intact.damage.message, hint=f"events printed: {intact.count}, each as it was written"))
    return StoreError.exit_code


def _refuse_with_salvage(options: dict[str, object]) -> None:
    for name, value in options.items():
        if value:
            raise UsageError(f"--salvage checks the record from its beginning, so it cannot go with {name}")


def _records(session: Opened, selection: Selection, follow: bool) -> Iterator[Record]:
    after = selection.first - 1
    if not follow:
        yield from session.records(after=after, until=selection.last)
        return
    for is_last in _looks(session):
        for record in session.records(after=after, until=selection.last):
            after = record.seq
            yield record
        if is_last or after == selection.last:
            return
        flush_out()


def _looks(session: Opened) -> Iterator[bool]:
    """Say again and again that it is time to look for events, and whether it is the last time."""
    while True:
        version = _version(session.connection)
        runs = is_running(session.home, session.row.id)
        yield _rests(find_session(session.connection, session.row.id)) or not runs
        for _ in range(_POLLS_BETWEEN_LOOKS):
            time.sleep(_POLL_SECONDS)
            if _version(session.connection) != version:
                break


def _version(connection: sqlite3.Connection) -> int:
    """Return a number that changes whenever another process has written; cheaper than to ask for events."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _rests(row: SessionRow) -> bool:
    return row.status in ("terminated", "interrupted") or (row.status == "idle" and row.stop_reason is not None)


def _print_lines(session: Opened, records: Iterable[Record]) -> None:
    look = stdout_look()
    began = time_of(next(session.records(until=1)).event.processed_at)
    for record in records:
        write_out_later(paint_all([_line(record, began, look)], look))


def _line(record: Record, began: datetime | None, look: Look) -> Line:
    at = time_of(record.event.processed_at)
    offset = "" if at is None or began is None else f"+{(at - began).total_seconds():,.2f}s"
    kind = shown(type_of(record.event), look)
    line = [
        Span(f"{f'#{record.seq}':>5} ", "dim"),
        Span(f"{offset:>9}  ", "dim"),
        Span(f"{kind:<{_TYPE_COLUMNS}} ", _STYLES.get(kind.partition(".")[0], "")),
        Span(shown(gist(record.event)[: 2 * _MOST_COLUMNS], look)),
    ]
    return clip(line, look.columns - 1 if look.wraps else _MOST_COLUMNS, look.symbols.ellipsis)


def _print_object(session: Opened, bodies: Iterable[JsonObject]) -> None:
    # Put together before anything is written: half an object would be no JSON.
    listed = ", ".join(json_line(body).rstrip("\n") for body in bodies)
    head = json_line({"type": "events", "schema": "agentctl.events/1", "session_id": session.row.id})
    write_out(f'{head.rstrip()[:-1]}, "events": [{listed}]}}\n')


def _public(session: Opened, record: Record) -> JsonObject:
    """Write an event as the API shows it: one that a person sent has the time at which it was taken up."""
    body = encode(record.event)
    if body.get("processed_at") is not None:
        return body
    return {**body, "processed_at": taken_up_at(session.connection, session.row.id, record)}
