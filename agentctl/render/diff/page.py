"""Two compared sessions on a page: what it comes to, layer by layer, and where they part."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentctl.compare.difference import NOT_IN_TRANSCRIPTS, Difference, Layer
from agentctl.compare.sessions import Compared, around, focus
from agentctl.compare.side import Side
from agentctl.events.base import Event
from agentctl.render.diff.heading import cause_text, heading
from agentctl.render.diff.inside import detail_lines, text_lines
from agentctl.render.diff.values import call_text, change_text, given_text, lines_apart, name_text
from agentctl.render.diff.words import (
    alike_text,
    amount_text,
    hints,
    layer_text,
    metrics_texts,
    relation,
    share_text,
    side_text,
)
from agentctl.render.gist import gist
from agentctl.render.lines import EMPTY, Line, Span, cells, clip, fit, plain, shown, width, wrap
from agentctl.render.listing import table
from agentctl.render.look import Look
from agentctl.render.numbers import many

_WIDEST = 120
_SIDE_BY_SIDE = 96
_NAME = 14
_MOST_LISTED = 20
_MOST_HEADING = 4
_MOST_ROWS = 3
_MOST_OF_LATER = 4
_SIDES = {"changed": "", "only_a": ", only in A", "only_b": ", only in B"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much is shown: every difference, only numbers, the layers that were asked for one by one, the answers."""

    everything: bool = False
    stat: bool = False
    listed: bool = False
    text: bool = False


class Page:
    """Puts a comparison into lines for one look."""

    def __init__(self, compared: Compared, look: Look, wanted: Wanted) -> None:
        self._compared = compared
        self._look = look
        self._wanted = wanted
        self._columns = min(look.columns, _WIDEST) - 1

    def lines(self) -> list[Line]:
        """Return the whole page."""
        parts = [
            [*self._heading(), *self._sides()],
            self._metrics() if self._wanted.stat else [],
            self._layers(),
            [] if self._wanted.stat else self._texts(),
            *([] if self._wanted.stat else self._differences()),
            self._text() if self._wanted.text else [],
            [] if self._wanted.stat else self._hints(),
        ]
        page: list[Line] = []
        for part in filter(None, parts):
            page += [EMPTY, *part] if page else part
        return page

    def _heading(self) -> list[Line]:
        text, style = heading(self._compared)
        lines = [plain(row, style if style == "good" else "bold") for row in self._wrapped(text, 0)[:_MOST_HEADING]]
        cause = cause_text(self._compared)
        rows = self._wrapped(cause, 2) if cause else []
        return [*lines, *(plain(f"  {row}") for row in rows[: _MOST_HEADING - len(lines)])]

    def _sides(self) -> list[Line]:
        return [self._side("A", self._compared.a), self._side("B", self._compared.b)]

    def _side(self, mark: str, side: Side) -> Line:
        name, *others = [shown(part, self._look) for part in side_text(side) if part]
        dot = f" {self._look.symbols.dot} "
        return self._clip([Span(f"  {mark} ", "bold"), Span(name, "accent"), Span(dot + dot.join(others), "dim")])

    def _layers(self) -> list[Line]:
        compared = self._compared
        lines: list[Line] = []
        for layer in compared.layers.values():
            if layer.name == "metrics":
                lines += self._numbers() if not self._wanted.stat else []
            elif layer.differences:
                listed = self._listed(layer)
                text = _count(layer) if listed else layer_text(layer)
                lines += [*self._row(layer.name, text, "warning"), *listed]
        unknown = [layer.name for layer in compared.layers.values() if layer.is_unknown]
        if unknown:
            lines += self._row("not compared", f"{', '.join(unknown)}: {NOT_IN_TRANSCRIPTS}", "", "dim")
        same = [
            layer.name
            for layer in compared.layers.values()
            if not layer.differences and not layer.is_unknown and layer.name != "metrics"
        ]
        noise = [text for layer in compared.layers.values() if not layer.differences and (text := alike_text(layer))]
        text = ", ".join(same) + (f" ({'; '.join(noise)})" if noise else "")
        return [*lines, *(self._row("the same", text, "", "dim") if same else [])]

    def _texts(self) -> list[Line]:
        """Show where the first long text differs that two sessions began with, such as a prompt."""
        header = self._compared.layers.get("header")
        first = next((each for each in header.differences if lines_apart(each) is not None), None) if header else None
        if first is None:
            return []
        head = self._clip([Span(shown(first.what, self._look), "bold")])
        return [head, *detail_lines(first, self._look, self._columns)]

    def _row(self, name: str, text: str, style: str, text_style: str = "") -> list[Line]:
        if not text:
            return []
        rows = self._wrapped(text, _NAME + 2)
        kept = rows[:_MOST_ROWS]
        if len(rows) > _MOST_ROWS:
            kept[-1] = fit(f"{kept[-1]} {self._more}", max(10, self._columns - _NAME - 2), self._more)
        first = (Span(f"  {name:<{_NAME - 2}}", style or "dim"), Span("  "), Span(kept[0], text_style))
        return [first, *((Span(" " * (_NAME + 2)), Span(row, text_style)) for row in kept[1:])]

    def _numbers(self) -> list[Line]:
        """Set the numbers that differ on as many rows as they need, none broken in its middle."""
        dot, rows = f" {self._look.symbols.dot} ", [""]
        for text in (shown(told, self._look) for told in metrics_texts(self._compared.metrics)):
            if rows[-1] and cells(rows[-1] + dot + text) > self._columns - _NAME - 2:
                rows.append("")
            rows[-1] += (dot if rows[-1] else "") + text
        names = ["metrics", *([""] * (len(rows) - 1))]
        return [
            self._clip((Span(f"  {name:<{_NAME - 2}}  ", "dim"), Span(row)))
            for name, row in zip(names, rows, strict=True)
            if row
        ]

    def _listed(self, layer: Layer) -> list[Line]:
        """List what belongs to a session as a whole, where everything is asked for and the line does not say it all."""
        whole = [each for each in layer.differences if each.step is None]
        if not (self._wanted.everything or self._wanted.listed) or len(whole) < 2:
            return []
        kept = whole if self._wanted.everything else whole[:_MOST_LISTED]
        lines: list[Line] = []
        for each in kept:
            lines += [
                self._clip(
                    [Span(" " * (_NAME + 2)), Span(shown(name_text(each), self._look)), Span("  "), self._change(each)]
                )
            ]
        left = len(whole) - len(kept)
        return [*lines, *([plain(f"{' ' * (_NAME + 2)}{left:,} more: --all", "dim")] if left else [])]

    def _change(self, difference: Difference) -> Span:
        return Span(shown(change_text(difference), self._look), "dim")

    def _differences(self) -> list[list[Line]]:
        compared = self._compared
        if compared.first is None:
            return []
        found = [self._first(compared.first)]
        if self._wanted.everything:
            found += [self._later(each) for each in compared.in_steps[1:]]
        return found

    def _first(self, first: Difference) -> list[Line]:
        assert first.step is not None
        what = {
            "trajectory": f"a call that only {'A' if first.step.a else 'B'} has",
            "arguments": given_text(first) if first.layer == "arguments" else "",
            "observations": "what the same call gave" + (" (same exit code and files)" if first.is_weak else ""),
            "files": "what the same call did to the files",
            "network": first.what,
        }.get(first.layer, first.layer)
        title = f"first difference, at call {first.step.number}: {what}"
        head = [plain(row, "bold") for row in self._wrapped(title, 0)]
        named = self._clip([Span("  "), Span(shown(call_text(first.step), self._look), "accent")])
        detail = detail_lines(first, self._look, self._columns)
        return [*head, named, *detail, EMPTY, *self._context(first)]

    def _later(self, difference: Difference) -> list[Line]:
        assert difference.step is not None
        word = relation(self._compared, difference)
        cause = self._compared.causes.get(difference.step.number)
        why = "later difference"
        if word == "consequence" and cause is not None:
            why = f"consequence of #{cause.event}: {cause.value} comes again"
        events = " / ".join(f"{name} #{seq}" for name, seq in zip("AB", focus(difference), strict=True) if seq)
        head = [
            Span(f"{events}  ", "dim"),
            Span(
                f"{difference.layer}{_SIDES[difference.kind] if difference.layer == 'trajectory' else ''}  ", "warning"
            ),
            Span(shown(why, self._look), "bold" if word == "consequence" else "dim"),
        ]
        named = self._clip([Span("  "), Span(shown(call_text(difference.step), self._look), "accent")])
        return [self._clip(head), named, *detail_lines(difference, self._look, self._columns, _MOST_OF_LATER)]

    def _context(self, first: Difference) -> list[Line]:
        compared = self._compared
        seqs = focus(first)
        sides = [
            self._events(name, side, seq) for name, side, seq in zip("AB", (compared.a, compared.b), seqs, strict=True)
        ]
        if self._columns < _SIDE_BY_SIDE:
            return [*sides[0], *sides[1]]
        room = (self._columns - 3) // 2
        bar = Span(f" {self._look.symbols.bar} ", "dim")
        rows = max(map(len, sides))
        left, right = ([*side, *([EMPTY] * (rows - len(side)))] for side in sides)
        return [
            [*self._padded(one, room), bar, *clip(other, room, self._more)]
            for one, other in zip(left, right, strict=True)
        ]

    def _events(self, name: str, side: Side, seq: int | None) -> list[Line]:
        found = around(side, seq)
        lines = [self._event(number, event, is_focus=number == seq) for number, event in found]
        end: list[Line] = [plain("    it ends here", "dim")] if seq is None else []
        return [plain(f"  {name}", "bold"), *(self._clip(line) for line in lines), *end]

    def _event(self, number: int, event: Event, *, is_focus: bool) -> Line:
        mark = self._look.symbols.prompt if is_focus else " "
        kind = event.type.partition(".")[2].replace("_", " ")
        return (
            Span(f"  {mark} ", "accent"),
            Span(f"#{number} ", "dim"),
            Span(f"{kind} ", "bold" if is_focus else "dim"),
            Span(shown(gist(event), self._look), "" if is_focus else "dim"),
        )

    def _padded(self, line: Line, room: int) -> Sequence[Span]:
        cut = clip(line, room, self._more)
        return [*cut, Span(" " * (room - width(cut)))]

    def _metrics(self) -> list[Line]:
        rows = [
            [
                Span(f"  {metric.name}", "dim"),
                Span(amount_text(metric, metric.a)),
                Span(amount_text(metric, metric.b)),
                Span(share_text(metric), "warning" if metric.differs else ""),
                Span(""),
            ]
            for metric in self._compared.metrics
        ]
        return table(("  ", "A", "B", "", ""), rows, self._look, (1, 2, 3))

    def _text(self) -> list[Line]:
        one, other = self._compared.a.result.text, self._compared.b.result.text
        head = plain("the last messages, which are never a difference", "bold")
        if one.strip() == other.strip():
            return [plain("the last messages are the same", "dim")]
        return [head, *text_lines(one, other, self._look, self._columns)]

    def _hints(self) -> list[Line]:
        lines: list[Line] = []
        for why, command in hints(self._compared, shown_all=self._wanted.everything, shown_text=self._wanted.text):
            if cells(f"{why} {command}") <= self._columns:
                lines.append(plain(shown(f"{why} {command}", self._look), "dim"))
            else:
                rows = [*self._wrapped(why, 0), *(f"  {row}" for row in self._wrapped(command, 2))]
                lines += [plain(row, "dim") for row in rows]
        return lines

    def _wrapped(self, text: str, indent: int) -> list[str]:
        return wrap(shown(text, self._look), max(10, self._columns - indent))

    def _clip(self, line: Sequence[Span]) -> Line:
        return clip(line, self._columns, self._more)

    @property
    def _more(self) -> str:
        return self._look.symbols.ellipsis


def _count(layer: Layer) -> str:
    """Say how many differences are listed, and how many belong to calls, which have a place of their own."""
    whole = sum(each.step is None for each in layer.differences)
    of_calls = len(layer.differences) - whole
    return many(whole, "difference") + (f", and {of_calls:,} in calls" if of_calls else "")
