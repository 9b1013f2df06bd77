"""The player's screen: the record up to an event, that event in a line, and where we are in a line below it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from agentctl.events.base import Event
from agentctl.events.codec import type_of
from agentctl.render.gist import gist
from agentctl.render.layout import Layout
from agentctl.render.lines import EMPTY, Line, Span, cells, clip, fit, plain, shown, width
from agentctl.render.look import Look
from agentctl.render.moments import Kind
from agentctl.render.numbers import duration, many, money
from agentctl.render.pieces import Under
from agentctl.render.player import KEYS, PlayerState
from agentctl.render.searching import excerpt
from agentctl.session.log import Record

LINES_BELOW = 2
"""Lines of the screen that are not the record's."""

_MOST_CALLS = 6
_SHORTEST_BAR = 10
_LONGEST_BAR = 40
_SHOWS_SECONDS_FROM = 1.0
_SEEN_OF_A_GIST = 40


@dataclass(frozen=True, slots=True)
class View:
    """What there is to draw of a record at an event.

    ``lines`` are the last ones told up to it, ``typed`` the text that is being typed, ``under_way`` the
    calls that are. ``elapsed`` and ``total`` are seconds since the session began, ``share`` is how far a
    long way has come, from 0 to 1; ``is_live`` says that the record is still being written.
    """

    record: Record
    kinds: Kind
    lines: Sequence[Line]
    typed: Sequence[Line]
    under_way: Sequence[tuple[Under, float]]
    elapsed: float
    total: float
    cost: Decimal | None
    files: int
    share: float | None = None
    is_live: bool = False


def screen(state: PlayerState, view: View, look: Look) -> list[Line]:
    """Return the rows of the whole screen, ``look.rows`` of them."""
    room = max(0, look.rows - LINES_BELOW)
    body = _help(state, look, room) if state.mode == "help" else _story(state, view, look, room)
    rows = [*body, *[EMPTY] * (room - len(body)), _event(state, view, look), _status(state, view, look)]
    return [clip(row, look.columns - 1, look.symbols.ellipsis) for row in rows[-look.rows :]]


def rows_wanted(state: PlayerState, look: Look) -> int:
    """Return how many of the last lines of a record ``screen`` needs."""
    return max(0, look.rows - LINES_BELOW) + state.scroll


def _story(state: PlayerState, view: View, look: Look, room: int) -> list[Line]:
    layout = Layout(look, state.is_full)
    calls = [
        line
        for under, seconds in view.under_way[-_MOST_CALLS:]
        for line in (_running(layout, under, seconds), *layout.asking(under.call))
    ]
    space = [EMPTY] if calls and view.lines else []
    lines = [*view.lines, *([EMPTY, *view.typed] if view.typed else []), *space, *calls]
    end = max(min(room, len(lines)), len(lines) - state.scroll)
    return lines[max(0, end - room) : end] if room else []


def _running(layout: Layout, under: Under, seconds: float) -> Line:
    mark = layout.look.symbols.play
    if under.call.waits:
        return layout.call(under.call, "warning", layout.need(under.call), mark=mark)
    return layout.call(under.call, "accent", duration(seconds) if seconds >= _SHOWS_SECONDS_FROM else "", mark=mark)


def _event(state: PlayerState, view: View, look: Look) -> Line:
    event = view.record.event
    tone = "bad" if view.kinds & Kind.ERROR else "warning" if view.kinds else "dim"
    marks = ", ".join(kind.noun for kind in Kind if kind in view.kinds)
    told = shown(_found(event, state.query) or gist(event).replace("\n", " "), look)
    head = [Span(f"#{view.record.seq} ", "bold"), Span(shown(type_of(event), look), tone)]
    note = [Span(f" [{marks}]", tone)] if marks else []
    return [*head, *note, Span("  " + told if told else "", "dim")]


def _found(event: Event, query: str) -> str:
    """Say where in an event it stands that was searched for, unless its gist begins with it."""
    if not query or query.casefold() in gist(event)[:_SEEN_OF_A_GIST].casefold():
        return ""
    return excerpt(event, query)


def _status(state: PlayerState, view: View, look: Look) -> Line:
    """Return the last row: what matters most stands first, and what has no room is left out."""
    most = look.columns - 1
    if state.mode == "search":
        typed = shown(state.typed, look)
        return (Span("/", "accent"), Span(typed[-max(1, most - 2) :]), Span("_", "accent"))
    mark = look.symbols.play if state.is_playing else look.symbols.pause
    start: list[Span] = [Span(f"{mark} ", "accent" if state.is_playing else "warning")]
    if message := _message(state, view, look):
        return [*start, Span(fit(message, most - width(start), look.symbols.ellipsis), "warning")]
    line = start
    dot = Span(f" {look.symbols.dot} ", "dim")
    for number, part in enumerate(_parts(state, view)):
        added = [*([dot] if number else []), part]
        if width(line) + width(added) <= most:
            line = [*line, *added]
    return _with_bar(line, state, look, most)


def _message(state: PlayerState, view: View, look: Look) -> str:
    if state.seeking is not None and view.share is not None:
        return f"looking for {shown(state.seeking.what, look)}: {view.share:.0%}, any key stops"
    return shown(state.message, look)


def _parts(state: PlayerState, view: View) -> list[Span]:
    files = many(view.files, "file")
    return [
        Span(f"#{state.at}/{state.last}", "bold"),
        Span(f"{duration(view.elapsed)}/{duration(view.total)}" if view.total else duration(view.elapsed)),
        Span(money(view.cost)),
        Span(files if view.files else "no files", "" if view.files else "dim"),
        *([Span("running", "accent")] if view.is_live else []),
        Span(f"{state.speed:g}x", "dim" if state.speed == 1 else "accent"),
        *([Span("all of it", "accent")] if state.is_full else []),
        *([Span(f"{state.scroll} rows up", "accent")] if state.scroll else []),
        Span("? keys", "dim"),
    ]


def _with_bar(line: list[Span], state: PlayerState, look: Look, most: int) -> list[Span]:
    room = min(_LONGEST_BAR, most - width(line) - 2)
    if room < _SHORTEST_BAR:
        return line
    done = round(room * state.at / max(1, state.last))
    return [
        *line,
        Span("  "),
        Span(look.symbols.done * done, "accent"),
        Span(look.symbols.rule * (room - done), "dim"),
    ]


def _help(state: PlayerState, look: Look, room: int) -> list[Line]:
    keys = [(_arrows(key, look), told) for key, told in KEYS]
    most = max(cells(key) for key, _ in keys)
    lines = [[Span(f" {key:<{most}}  ", "accent"), Span(told)] for key, told in keys]
    end = plain(" any other key goes back", "dim")
    start = min(state.scroll, max(0, len(lines) + 1 - room))
    return [*lines, end][start : start + room]


def _arrows(key: str, look: Look) -> str:
    if look.symbols.play == ">":  # plain ASCII
        for arrow, word in (("→", "right"), ("←", "left"), ("↑", "up"), ("↓", "down")):
            key = key.replace(arrow, word)
    return key


def typed_so_far(texts: Sequence[tuple[str, str]], share: float, layout: Layout) -> list[Line]:
    """Return the beginning of an answer as it was typed: ``texts`` are its kinds and texts in order."""
    left = round(sum(len(text) for _, text in texts) * share)
    lines: list[Line] = []
    for kind, text in texts:
        begun, left = text[:left], max(0, left - len(text))
        if begun.strip() and kind != "tool_input":
            lines += [*([EMPTY] if lines else []), *layout.prose(begun, "italic" if kind == "thinking" else "")]
    return lines


def resized(look: Look, columns: int, rows: int) -> Look:
    """Return the look of the same terminal in another size."""
    return look if (columns, rows) == (look.columns, look.rows) else replace(look, columns=columns, rows=rows)
