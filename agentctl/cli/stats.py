"""``agentctl stats``: what all sessions came to, by agent, model, tool and day."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.complain import write_error
from agentctl.cli.draw import forgiving
from agentctl.cli.looking import stdout_look, tell_unreadable
from agentctl.cli.moments import moment_of
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import flush_out, print_json, reporting, standard_output, write_out, write_out_later
from agentctl.cli.quick import QuickCommand
from agentctl.errors import NotFoundError, UsageError
from agentctl.paths import home
from agentctl.render.jsonl import json_line
from agentctl.render.lines import Line, Span, paint_all, plain, shown
from agentctl.render.listing import table
from agentctl.render.look import Look, look_of
from agentctl.render.numbers import count, duration, many, money
from agentctl.session.tally import Place, Sums
from agentctl.spelling import did_you_mean
from agentctl.store.database import reading
from agentctl.store.tallies import SessionTally, tally_sessions
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_KINDS = ("agent", "model", "tool", "day")
_HEAD = ("SESSIONS", "COST", "TIME", "CALLS", "FAILED", "REQUESTS", "IN", "CACHED", "OUT", "ENDS")
"""What matters most stands first: a terminal of 80 columns has no room for all of it."""
_HEAD_OF_TOOLS = ("SESSIONS", "CALLS", "FAILED", "IN TOOLS")
_DAY = len("2026-11-20")


@dataclass(slots=True)
class _Group:
    """What belongs together: the sums, and whose they are."""

    sums: Sums = field(default_factory=Sums)
    sessions: set[str] = field(default_factory=set)

    def add(self, session_id: str, sums: Sums) -> None:
        self.sums.add(sums)
        self.sessions.add(session_id)


@dataclass(slots=True)
class _Statistics:
    by: tuple[str, ...]
    since: str | None
    until: str | None
    groups: dict[tuple[str, ...], _Group] = field(default_factory=dict)
    total: _Group = field(default_factory=_Group)
    unreadable: int = 0
    damaged: list[str] = field(default_factory=list)

    def add(self, tally: SessionTally) -> None:
        """Count in what a session did in the time that is asked for."""
        self.unreadable += tally.unreadable
        self.damaged += [tally.session_id] if tally.unreadable else []
        for place, sums in tally.sums.items():
            if (self.since and place.hour < self.since[:13]) or (self.until and place.hour >= self.until[:13]):
                continue
            self.total.add(tally.session_id, sums)
            if place.tool or "tool" not in self.by:
                key = tuple(_part(kind, tally.agent, place) for kind in self.by)
                self.groups.setdefault(key, _Group()).add(tally.session_id, sums)

    def rows(self) -> list[tuple[tuple[str, ...], _Group]]:
        """Return the groups: days in their order, of everything else what cost or did most first."""

        def order(row: tuple[tuple[str, ...], _Group]) -> tuple[object, ...]:
            key, group = row
            days = tuple(part for kind, part in zip(self.by, key, strict=True) if kind == "day")
            return days, -group.sums.cost, -group.sums.requests, -group.sums.calls, key

        return sorted(self.groups.items(), key=order)


@app.command(cls=QuickCommand)
def stats(
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="KIND", help="agent, model, tool or day; or several: day,model")
    ] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="Only sessions of this agent.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="From that hour on: 7d, 12h, 2026-11-20 (UTC).")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Up to that hour.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Sum up what all sessions did and cost, by agent, model, tool or day."""
    with reporting(output):
        standard_output()
        statistics = _Statistics(_kinds(by), moment_of("--since", since), moment_of("--until", until))
        if statistics.since and statistics.until and statistics.until < statistics.since:
            raise UsageError(f"--until {until} is before --since {since}")
        agents = set[str]()
        for tally in _tallies():
            agents.add(tally.agent)
            if agent is None or tally.agent == agent:
                statistics.add(tally)
        if agent is not None and agent not in agents:
            write_error(visible_line(f"no session is of an agent {agent}{did_you_mean(agent, sorted(agents))}"))
        if statistics.unreadable:
            tell_unreadable(statistics.unreadable, statistics.damaged, "counted")
        if output is Output.TEXT:
            _print_table(statistics)
        else:
            _print_json(statistics, output)


def _kinds(by: Sequence[str] | None) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(kind.strip() for text in by or ["agent"] for kind in text.split(",")))
    for kind in kinds:
        if kind not in _KINDS:
            raise UsageError(f"--by takes no {kind or 'empty word'}", hint=f"kinds are: {', '.join(_KINDS)}")
    return kinds


def _tallies() -> Iterable[SessionTally]:
    store = home()
    stream = sys.stderr if look_of(sys.stderr).moves else None
    write = forgiving(stream)
    try:
        with reading(store) as connection:
            yield from tally_sessions(
                store, connection, lambda left: write(f"\rsumming up: {many(left, 'session')} left\x1b[K")
            )
    except NotFoundError:
        return
    finally:
        write("\r\x1b[K")


def _part(kind: str, agent: str, place: Place) -> str:
    match kind:
        case "agent":
            return agent
        case "model":
            return place.model
        case "tool":
            return place.tool
        case _:
            return place.hour[:_DAY]


def _print_json(statistics: _Statistics, output: Output) -> None:
    rows = [
        {"group": dict(zip(statistics.by, key, strict=True)), **_body(group, is_of_tool="tool" in statistics.by)}
        for key, group in statistics.rows()
    ]
    total = _body(statistics.total, is_of_tool=False)
    if output is Output.JSON:
        asked = {"by": list(statistics.by), "since": statistics.since, "until": statistics.until}
        rest = {"unreadable": statistics.unreadable, "rows": rows, "total": total}
        print_json({"type": "stats", "schema": "agentctl.stats/1", **asked, **rest})
        return
    for row in rows:
        write_out_later(json_line({"type": "stats_row", "schema": "agentctl.stats_row/1", **row}))
    flush_out()


def _body(group: _Group, *, is_of_tool: bool) -> JsonObject:
    """Write a group. What no tool has its own share of is null where it is grouped by tools."""
    sums = group.sums
    share = sums.cache_share
    of_model: JsonObject = {
        "requests": sums.requests,
        "failed_requests": sums.failed_requests,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "cache_read_input_tokens": sums.cache_read_input_tokens,
        "cache_creation_input_tokens": sums.cache_creation_input_tokens,
        "cache_share": None if share is None else round(share, 4),
        "cost": _amount(sums.cost),
        "unsettled": _amount(sums.unsettled),
        "unpriced_requests": sums.unpriced,
        "active_seconds": round(sums.active_seconds, 3),
        "ends": dict(sorted(sums.ends.items())),
    }
    return {
        "sessions": len(group.sessions),
        **(dict.fromkeys(of_model) if is_of_tool else of_model),
        "tool_calls": sums.calls,
        "failed_tool_calls": sums.failed_calls,
        "tool_seconds": round(sums.tool_seconds, 3),
    }


def _amount(dollars: Decimal) -> JsonObject:
    return {"amount": format(dollars.normalize(), "f"), "currency": "USD"}


def _print_table(statistics: _Statistics) -> None:
    look = stdout_look()
    rows = statistics.rows()
    if not rows:
        write_out("there is nothing to count\n")
        return
    is_of_tool = "tool" in statistics.by
    head = [*(kind.upper() for kind in statistics.by), *(_HEAD_OF_TOOLS if is_of_tool else _HEAD)]
    lines = [
        [*(Span(shown(part or "-", look), "bold") for part in key), *_cells(group, look, is_of_tool=is_of_tool)]
        for key, group in rows
    ]
    if len(rows) > 1:
        names = [Span("total"), *(Span("") for _ in statistics.by[1:])]
        lines.append([*names, *_cells(_total(statistics), look, is_of_tool=is_of_tool)])
    first = len(statistics.by)
    drawn: list[Line] = table(head, lines, look, range(first, len(head) - (0 if is_of_tool else 1)))
    if statistics.total.sums.unpriced:
        drawn.append(plain(f"{many(statistics.total.sums.unpriced, 'request')} to models without a price", "dim"))
    write_out(paint_all(drawn, look))


def _total(statistics: _Statistics) -> _Group:
    """Return what the rows come to; by tools, what the sessions had to do with tools."""
    if "tool" not in statistics.by:
        return statistics.total
    total = _Group()
    for group in statistics.groups.values():
        total.sums.add(group.sums)
        total.sessions |= group.sessions
    return total


def _cells(group: _Group, look: Look, *, is_of_tool: bool) -> list[Span]:
    sums = group.sums
    failed = Span(str(sums.failed_calls), "bad" if sums.failed_calls else "")
    if is_of_tool:
        return [Span(str(len(group.sessions))), Span(str(sums.calls)), failed, Span(duration(sums.tool_seconds))]
    share = sums.cache_share
    ends = ", ".join(f"{shown(reason, look)} {number}" for reason, number in sorted(sums.ends.items()))
    return [
        Span(str(len(group.sessions))),
        Span(money(sums.cost)),
        Span(duration(sums.active_seconds)),
        Span(str(sums.calls)),
        failed,
        Span(str(sums.requests)),
        Span(count(sums.read_tokens)),
        Span("" if share is None else f"{share:.0%}"),
        Span(count(sums.output_tokens)),
        Span(ends, "dim"),
    ]
