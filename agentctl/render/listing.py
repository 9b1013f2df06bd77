"""Tables: columns as wide as they need to be, the last one as wide as there is room."""

from collections.abc import Sequence

from agentctl.render.lines import Line, Span, cells, clip, width
from agentctl.render.look import Look

_GAP = 2


def table(head: Sequence[str], rows: Sequence[Sequence[Span]], look: Look, right: Sequence[int] = ()) -> list[Line]:
    """Set rows under a head. ``right`` are the places of columns that are set to the right."""
    whole = [[Span(name, "dim") for name in head], *rows] if any(head) else list(rows)
    widths = [max(cells(row[place].text) for row in whole) for place in range(len(whole[0]))]
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
