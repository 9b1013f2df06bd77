"""The table, as plain text or as Markdown."""

from collections.abc import Iterable, Sequence
from statistics import median

from bench.rows import Row

_HEAD = ("what", "agentctl", "other", "agentctl ÷ other", "budget", "met")
_DIGITS = {"s": 3, "ms": 2, "MB": 0, "%": 2}


def table(rows: Iterable[Row], *, markdown: bool) -> str:
    """Lay out the rows: medians, with the least and the greatest value behind them."""
    cells = [_HEAD, *(_cells(row) for row in rows)]
    if markdown:
        cells.insert(1, ("---",) * len(_HEAD))
        return "\n".join(f"| {' | '.join(line)} |" for line in cells)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.replace("`", "").ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def facts(pairs: Iterable[tuple[str, str]], *, markdown: bool) -> str:
    """Lay out what was measured where."""
    pairs = list(pairs)
    if markdown:
        return "; ".join(f"{name}: {value}" for name, value in pairs)
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in pairs)


def _cells(row: Row) -> tuple[str, ...]:
    ours = median(row.ours)
    return (
        row.what,
        _spread(row.ours, row.unit),
        _spread(row.theirs, row.unit) if row.theirs else "",
        f"{ours / median(row.theirs):.2f}" if row.theirs else "",
        f"{row.most:g} {row.unit}" if row.most is not None else "",
        "" if row.most is None else "yes" if ours <= row.most else "no",
    )


def _spread(values: Sequence[float], unit: str) -> str:
    digits = _DIGITS[unit]
    return f"{median(values):.{digits}f} {unit} ({min(values):.{digits}f}–{max(values):.{digits}f})"
