"""``agentctl search``: which events of all sessions say something."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.complain import write_error
from agentctl.cli.draw import forgiving
from agentctl.cli.looking import is_known_type, no_such_type, stdout_look, tell_unreadable, type_patterns
from agentctl.cli.moments import moment_of
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import flush_out, print_json, reporting, standard_output, write_out, write_out_later
from agentctl.cli.quick import QuickCommand
from agentctl.errors import NotFoundError
from agentctl.ids import SystemClock, time_of
from agentctl.paths import home
from agentctl.render.jsonl import json_line
from agentctl.render.lines import Line, Span, cells, clip, fit, fit_tail, paint_all, plain, shown, width
from agentctl.render.listing import narrowed
from agentctl.render.look import Look, look_of
from agentctl.render.numbers import age, many
from agentctl.store.database import reading
from agentctl.store.lineage import lineage
from agentctl.store.query import matching
from agentctl.store.search import Found, Hit, SearchIndex, Wanted
from agentctl.store.sessions import find_session_id, short_name

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_UNWANTED = re.compile(r"-(?!o(?:text|json|jsonl)$)[^-].+", re.DOTALL)
_GAP = "  "
_LEAST_TEXT = 20
_LEAST = {3: 10, 0: 10}
"""What gives way to what was found on a narrow terminal, and how far: the type of the event, then the session."""


class _SearchCommand(QuickCommand):
    """A command whose words may begin with a dash, whatever letters are behind it: -error is no -o."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line, words with a dash last, where nobody takes them for options."""
        taking = {name for each in self.get_params(ctx) if not getattr(each, "is_flag", True) for name in each.opts}
        options, words, expects_value = list[str](), list[str](), False
        before, behind = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        for each in before:
            is_word = not expects_value and _UNWANTED.fullmatch(each) is not None
            (words if is_word else options).append(each)
            expects_value = not expects_value and each in taking
        last = [*behind, *words]
        rest: list[str] = super().parse_args(ctx, [*options, *(["--", *last] if last else [])])
        return rest


@app.command(cls=_SearchCommand)
def search(
    text: Annotated[
        list[str], typer.Argument(metavar="TEXT...", help='Words that all must be there, "phrases", -without, begin*')
    ],
    types: Annotated[
        str | None, typer.Option("--type", metavar="TYPES", help="Only these, with commas between: agent.*,user.*")
    ] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="Only sessions of this agent.")] = None,
    session: Annotated[str | None, typer.Option(metavar="SESSION", help="Only this session.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only what is newer: 7d, 12h, 2026-11-20 (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many events, the newest first.")] = 20,
    output: OutputOption = Output.TEXT,
) -> None:
    """Find events of all sessions by their words; exit code 1 where there are none."""
    with reporting(output):
        standard_output()
        said = " ".join(text)
        wanted = Wanted(matching(said), type_patterns(types), agent, moment_of("--since", since))
        found, names = _search(wanted, session, limit)
        if not found.hits:
            _refuse_unknown(wanted.types)
        if found.unreadable:
            tell_unreadable(found.unreadable, found.damaged, "found")
        if output is Output.TEXT:
            _print_lines(found, names)
        else:
            _print_json(found, said, output)
        raise typer.Exit(0 if found.hits else 1)


def _search(wanted: Wanted, session: str | None, limit: int) -> tuple[Found, dict[str, str]]:
    """Return what is found, and short names of the sessions that it is in."""
    store = home()
    try:
        with reading(store) as connection, closing(SearchIndex(store, connection)) as index:
            if session is not None:
                stretches = lineage(connection, find_session_id(connection, session))
                wanted = replace(wanted, stretches=stretches)
            _catch_up(index)
            found = index.search(wanted, limit)
            return found, {name: short_name(connection, name) for name in {hit.session_id for hit in found.hits}}
    except NotFoundError:
        if session is not None:
            raise
        return Found((), 0, 0), {}


def _catch_up(index: SearchIndex) -> None:
    """Read what is new, telling on a terminal how much is left where it takes more than a moment."""
    if not look_of(sys.stderr).moves:
        index.catch_up()
        return
    write = forgiving(sys.stderr)
    index.catch_up(lambda left: write(f"\rreading the record: {many(left, 'event')} left\x1b[K"))
    write("\r\x1b[K")


def _refuse_unknown(types: Sequence[str]) -> None:
    for pattern in types:
        if not is_known_type(pattern):
            raise no_such_type(pattern)


def _print_json(found: Found, said: str, output: Output) -> None:
    if output is Output.JSON:
        hits = [_body(hit) for hit in found.hits]
        body = {"query": said, "total": found.total, "unreadable": found.unreadable, "hits": hits}
        print_json({"type": "search", "schema": "agentctl.search/1", **body})
        return
    for hit in found.hits:
        write_out_later(json_line({"type": "hit", "schema": "agentctl.hit/1", **_body(hit)}))
    flush_out()


def _body(hit: Hit) -> JsonObject:
    return {
        "session_id": hit.session_id,
        "agent": hit.agent,
        "event": hit.seq,
        "event_id": hit.event_id,
        "event_type": hit.type,
        "at": hit.at,
        "text": hit.text,
        "marks": [list(mark) for mark in hit.marks],
    }


def _print_lines(found: Found, names: dict[str, str]) -> None:
    if not found.hits:
        write_error("nothing is found")
        return
    look, now = stdout_look(), SystemClock().now()
    lines = list(_lines(found.hits, names, look, now))
    if more := found.total - len(found.hits):
        lines.append(plain(f"{look.symbols.ellipsis} {many(more, 'more event')}: --limit {found.total}", "dim"))
    write_out(paint_all(lines, look))


def _lines(hits: Sequence[Hit], names: dict[str, str], look: Look, now: datetime) -> Iterator[Line]:
    heads = [(names[hit.session_id], f"#{hit.seq}", age(time_of(hit.at), now), shown(hit.type, look)) for hit in hits]
    widths = narrowed([*(max(cells(head[place]) for head in heads) for place in range(4)), 0], look.columns - 1, _LEAST)
    for hit, head in zip(hits, heads, strict=True):
        name, number, ago, kind = (
            fit(text, most, look.symbols.ellipsis) for text, most in zip(head, widths, strict=False)
        )
        told = [
            Span(name.ljust(widths[0]) + _GAP, "bold"),
            Span(number.rjust(widths[1]) + _GAP),
            Span(ago.rjust(widths[2]) + _GAP, "dim"),
            Span(kind.ljust(widths[3]) + _GAP, "dim"),
        ]
        room = look.columns - 1 - width(told)
        yield clip([*told, *_piece(hit, room, look)], max(look.columns - 1, _LEAST_TEXT), look.symbols.ellipsis)


def _piece(hit: Hit, room: int, look: Look) -> Iterator[Span]:
    """Yield what was found with the marks on it, and so much of what stands before that the first mark is seen."""
    place, more = 0, look.symbols.ellipsis
    for begin, end in hit.marks:
        before, marked = _in_line(hit.text[place:begin], look), _in_line(hit.text[begin:end], look)
        marked = marked if look.colour else f"[{marked}]"
        most = max(cells(more), min(room // 3, room - cells(marked + more)))
        yield Span(before if place else fit_tail(before.lstrip(), most, more))
        yield Span(marked, "accent")
        place = end
    yield Span(_in_line(hit.text[place:], look).rstrip())


def _in_line(text: str, look: Look) -> str:
    return shown(re.sub(r"\s+", " ", text), look)
