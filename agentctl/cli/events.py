"""``agentctl events``: what happened in a session, event by event."""

import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.looking import FromOption, Opened, Selection, UntilOption, opened, select, stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import flush_out, reporting, write_out, write_out_later
from agentctl.cli.quick import QuickCommand
from agentctl.events.codec import encode, type_of
from agentctl.ids import time_of
from agentctl.render.gist import gist
from agentctl.render.jsonl import json_line
from agentctl.render.lines import Line, Span, clip, paint_all, shown
from agentctl.render.look import Look
from agentctl.session.log import Record
from agentctl.store.events import taken_up_at
from agentctl.store.leases import is_running
from agentctl.store.sessions import SessionRow, find_session

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
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the events of a session."""
    with reporting(output), opened(session) as found:
        selection = select(found, first, last, types)
        records = (record for record in _records(found, selection, follow) if selection.wants_type(record.event))
        if output is Output.TEXT:
            _print_lines(found, records)
        elif output is Output.JSONL:
            for record in records:
                write_out_later(json_line(_public(found, record)))
        else:
            _print_object(found, records)
        flush_out()


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


def _print_lines(session: Opened, records: Iterator[Record]) -> None:
    look = stdout_look()
    began = time_of(session.row.created_at)
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


def _print_object(session: Opened, records: Iterator[Record]) -> None:
    # Put together before anything is written: half an object would be no JSON.
    listed = ", ".join(json_line(_public(session, record)).rstrip("\n") for record in records)
    head = json_line({"type": "events", "schema": "agentctl.events/1", "session_id": session.row.id})
    write_out(f'{head.rstrip()[:-1]}, "events": [{listed}]}}\n')


def _public(session: Opened, record: Record) -> JsonObject:
    """Write an event as the API shows it: one that a person sent has the time at which it was taken up."""
    body = encode(record.event)
    if body.get("processed_at") is not None:
        return body
    return {**body, "processed_at": taken_up_at(session.connection, session.row.id, record)}
