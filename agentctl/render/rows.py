"""Rows of text on one look: how wide they are, where they stand, and what is left out of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from agentctl.render.lines import TAB, Line, Span, cells, fit, plain, shown_lines, wrap
from agentctl.render.look import Look
from agentctl.render.numbers import many

MARGIN = 2
GUTTER = MARGIN + 2

_NARROW = 44


@dataclass(frozen=True, slots=True)
class Rows:
    """Puts text into rows for one look; ``full`` leaves nothing out."""

    look: Look
    full: bool = False

    @property
    def columns(self) -> int:
        """The cells of a line; one is left free, because some terminals break a line that is full."""
        return self.look.columns - 1

    @property
    def is_narrow(self) -> bool:
        """Whether a line holds too little to tell two things on it."""
        return self.columns < _NARROW

    def prose(self, text: str, style: str) -> list[Line]:
        """Put text of the agent into lines, the same ones as when it is typed."""
        return [
            plain(" " * MARGIN + row, style) if row.strip() else ()
            for line in shown_lines(text.replace("\t", TAB), self.look)
            for row in self.rows(line)
        ]

    def rows(self, line: str, indent: int = MARGIN) -> list[str]:
        """Break a line of text where the stream does not do so itself."""
        return wrap(line, self.columns - indent) if self.look.wraps else [line]

    def gutter(self, rows: Iterable[str], style: str) -> list[Line]:
        """Set rows behind a bar, each cut to what fits unless nothing is to be left out."""
        bar = Span(" " * MARGIN + self.look.symbols.bar + " ", "dim")
        room = self.columns - cells(bar.text)
        return [(bar, Span(row if self.full else fit(row, room, self.more), style)) for row in rows]

    def left_out(self, number: int, start: str) -> list[Line]:
        """Say how many lines are not shown; ``start`` stands where theirs would stand."""
        if not number:
            return []
        text = f"{self.more} {many(number, 'more line')}"
        return [plain(fit(" " * MARGIN + start + text, self.columns, self.more), "dim")]

    def flow(self, parts: Iterable[Span], start: Span | None = None) -> list[Line]:
        """Set parts side by side, with dots between, on as many lines as they need."""
        dot = Span(f" {self.look.symbols.dot} ", "dim")
        first = start or Span("")
        lines: list[list[Span]] = [[first]]
        used = cells(first.text)
        for part in filter(lambda span: span.text, parts):
            size_needed = cells(part.text) + cells(dot.text)
            if len(lines[-1]) > 1 and used + size_needed > self.columns:
                lines.append([Span(" " * cells(first.text))])
                used = cells(first.text)
            if len(lines[-1]) > 1:
                lines[-1].append(dot)
                used += cells(dot.text)
            kept = Span(fit(part.text, self.columns - used, self.more), part.style)
            lines[-1].append(kept)
            used += cells(kept.text)
        return list(lines)

    @property
    def more(self) -> str:
        """What stands where something is left out."""
        return self.look.symbols.ellipsis


def head_of(rows: list[str], most: int | None) -> tuple[list[str], int]:
    """Return the first rows and how many are left out; a single row is never left out."""
    if most is None or len(rows) <= most + 1:
        return rows, 0
    return rows[:most], len(rows) - most
