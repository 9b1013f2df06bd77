"""``agentctl ls``: which sessions there are."""

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.looking import leave_if_damaged, status_of, stdout_look
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import flush_out, print_json, reporting, standard_output, write_out, write_out_later
from agentctl.cli.quick import QuickCommand
from agentctl.errors import NotFoundError
from agentctl.ids import SystemClock, time_of
from agentctl.paths import Home, home
from agentctl.render.jsonl import json_line
from agentctl.render.lines import Span, paint_all, plain, shown
from agentctl.render.listing import table
from agentctl.render.look import Look
from agentctl.render.numbers import age, amount, duration, many, money
from agentctl.store.database import no_sessions, reading
from agentctl.store.rows import Listed, SessionRow, list_sessions
from agentctl.store.sessions import ForkRow, count_sessions, list_forks, short_name

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_HEAD = ("SESSION", "AGE", "STATUS", "AGENT", "COST", "TIME", "MESSAGE")
_NUMBERS = (1, 4, 5)
_LEAST = {3: 12, 2: 12, 0: 18}
"""What gives way to the messages on a narrow terminal, and how far: agent, status, name."""

_STYLES = {
    "end_turn": "good",
    "running": "accent",
    "rescheduling": "accent",
    "requires_action": "warning",
    "budget_reached": "warning",
    "interrupted": "warning",
    "retries_exhausted": "bad",
    "refusal": "bad",
    "terminated": "bad",
}


@app.command(cls=QuickCommand)
def ls(
    number: Annotated[int, typer.Option("-n", min=1, metavar="N", help="How many sessions, the newest first.")] = 20,
    everything: Annotated[bool, typer.Option("--all", "-a", help="All sessions.")] = False,
    tree: Annotated[bool, typer.Option("--tree", help="Forks below what they were forked from.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the sessions."""
    with reporting(output):
        standard_output()
        store = home()
        try:
            with reading(store) as connection:
                listed = list_sessions(connection, limit=None if everything else number)
                if not listed.rows and not listed.damaged:
                    raise no_sessions()
                forks = list_forks(connection)
                if output is Output.TEXT:
                    _print_table(store, connection, listed, forks, is_tree=tree)
                else:
                    _print_json(store, listed, forks, output)
                leave_if_damaged(listed)
        except NotFoundError as nothing:
            _say_nothing(nothing, output)


def _say_nothing(nothing: NotFoundError, output: Output) -> None:
    """A store without sessions is no failure."""
    if output is Output.TEXT:
        write_out(f"{nothing.message}; {nothing.hint}\n")
    elif output is Output.JSON:
        print_json({"type": "sessions", "schema": "agentctl.ls/1", "sessions": [], "damaged": []})


def _print_json(store: Home, listed: Listed, forks: Mapping[str, ForkRow], output: Output) -> None:
    objects = [_as_json(store, row, forks.get(row.id)) for row in listed.rows]
    if output is Output.JSON:
        damaged = [each.session_id for each in listed.damaged]
        print_json({"type": "sessions", "schema": "agentctl.ls/1", "sessions": objects, "damaged": damaged})
        return
    for item in objects:
        write_out_later(json_line({"type": "session", "schema": "agentctl.session/1", **item}))
    flush_out()


def _as_json(store: Home, row: SessionRow, fork: ForkRow | None) -> JsonObject:
    cost = _cost(row)
    return {
        "session_id": row.id,
        "status": status_of(store, row),
        "stop_reason": row.stop_reason,
        "title": row.title,
        "agent": row.agent,
        "environment": row.environment,
        "model": row.model,
        "sandbox": row.sandbox,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "first_message": row.first_message,
        "events": row.events,
        "parent": {"session_id": fork.parent, "at": fork.at} if fork else None,
        "active_seconds": _seconds(row),
        "cost": None if cost is None else {"amount": format(cost.normalize(), "f"), "currency": "USD"},
    }


def _print_table(
    store: Home,
    connection: sqlite3.Connection,
    listed: Listed,
    forks: Mapping[str, ForkRow],
    *,
    is_tree: bool,
) -> None:
    look, now, rows = stdout_look(), SystemClock().now(), listed.rows
    placed = _families(rows, forks) if is_tree else [(0, row) for row in rows]
    shown_rows = []
    for depth, row in placed:
        cells, fork = _cells(store, connection, row, look, now), forks.get(row.id)
        if is_tree and fork:
            cells[0] = Span("  " * depth + f"#{fork.at} {cells[0].text}", "bold")
            cells[-1] = Span(shown(" ".join((fork.first_message or row.title or "").split()), look))
        shown_rows.append(cells)
    lines = table(_HEAD, shown_rows, look, _NUMBERS, _LEAST) if rows else []
    older = count_sessions(connection) - len(rows) - len(listed.damaged)
    if older > 0:
        lines.append(plain(f"{look.symbols.ellipsis} {many(older, 'older session')}: agentctl ls --all", "dim"))
    write_out(paint_all(lines, look))


def _families(rows: Sequence[SessionRow], forks: Mapping[str, ForkRow]) -> Iterator[tuple[int, SessionRow]]:
    """Yield each session behind its parent, with how many of its line stand before it."""
    listed = {row.id for row in rows}
    below: dict[str, list[SessionRow]] = {}
    for row in reversed(rows):
        if row.id in forks:
            below.setdefault(forks[row.id].parent, []).append(row)
    waiting = [(0, row) for row in reversed(rows) if row.id not in forks or forks[row.id].parent not in listed]
    while waiting:
        depth, row = waiting.pop()
        yield depth, row
        waiting += ((depth + 1, each) for each in reversed(below.get(row.id, ())))


def _cells(store: Home, connection: sqlite3.Connection, row: SessionRow, look: Look, now: datetime) -> list[Span]:
    status = status_of(store, row)
    word = str((row.stop_reason or {}).get("type", status)) if status == "idle" else status
    cost, seconds = _cost(row), _seconds(row)
    return [
        Span(short_name(connection, row.id), "bold"),
        Span(age(time_of(row.created_at), now), "dim"),
        Span(shown(word, look), _STYLES.get(word, "")),
        Span(shown(row.agent, look)),
        Span("" if cost is None else money(cost)),
        Span("" if seconds is None else duration(seconds), "dim"),
        Span(shown(_first_words(row), look)),
    ]


def _first_words(row: SessionRow) -> str:
    return " ".join((row.title or row.first_message or "").split())


def _cost(row: SessionRow) -> Decimal | None:
    local = (row.usage or {}).get("local")
    return amount(local.get("cost")) if isinstance(local, dict) else None


def _seconds(row: SessionRow) -> float | None:
    seconds = (row.usage or {}).get("active_seconds")
    return float(seconds) if isinstance(seconds, int | float) and math.isfinite(seconds) else None
