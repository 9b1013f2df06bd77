"""Tables: columns as wide as they need to be, the last one as wide as there is room."""

from collections.abc import Mapping, Sequence

from agentctl.render.lines import Line, Span, cells, clip, fit, width
from agentctl.render.look import Look

_GAP = 2
_LEAST_LAST = 24


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[Span]],
    look: Look,
    right: Sequence[int] = (),
    least: Mapping[int, int] | None = None,
) -> list[Line]:
    """Set rows under a head. ``right`` are the places of columns that are set to the right.

    Where too little room is left for the last column, those that ``least`` names are cut, one after the other, to so
    many cells at least.
    """
    whole = [[Span(name, "dim") for name in head], *rows] if any(head) else [list(row) for row in rows]
    widths = [max(cells(row[place].text) for row in whole) for place in range(len(whole[0]))]
    if look.wraps and least:
        widths = narrowed(widths, look.columns - 1, least)
        whole = [_cut(row, widths, look) for row in whole]
    lines: list[Line] = []
    for row in whole:
        line: list[Span] = []
        for place, span in enumerate(row[:-1]):
            space = " " * (widths[place] - cells(span.text))
            line += [Span(space), span] if place in right else [span, Span(space)]
            line.append(Span(" " * _GAP))
        line.append(row[-1])
        most = look.columns - 1 if look.wraps else width(line)
        lines.append(clip(line, most, look.symbols.ellipsis))
    return lines


def narrowed(widths: Sequence[int], columns: int, least: Mapping[int, int]) -> list[int]:
    """Return how wide the columns are that leave some room for the last one, which has the last of ``widths``.

    Where there is too little, those that ``least`` names give way, in its order, to so many cells at least.
    """
    found = list(widths)
    lacking = _LEAST_LAST - (columns - sum(widths[:-1]) - _GAP * (len(widths) - 1))
    for place, most in least.items():
        taken = max(0, min(lacking, found[place] - most))
        found[place] -= taken
        lacking -= taken
    return found


def _cut(row: Sequence[Span], widths: Sequence[int], look: Look) -> list[Span]:
    cut = [
        Span(fit(span.text, most, look.symbols.ellipsis), span.style) for span, most in zip(row, widths, strict=True)
    ]
    return [*cut[:-1], row[-1]]
