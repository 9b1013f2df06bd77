"""A terminal that scrolls, with a few lines at its bottom that are drawn anew."""

from collections.abc import Callable, Sequence

from agentctl.render.lines import Line, clip, paint, paint_all, width
from agentctl.render.look import Look

_BEGINNING_OF_LINE = "\x1b[1G"
_ERASE_BELOW = "\x1b[J"


class Screen:
    """Writes lines that stay and, below them, lines that are replaced.

    Each change is one write. The cursor stays behind the last of the lines that are replaced;
    nothing else may be written to the terminal before ``clear``.
    """

    def __init__(self, write: Callable[[str], None], look: Look, measure: Callable[[], tuple[int, int]]) -> None:
        self._write = write
        self._look = look
        self._measure = measure
        self._drawn: list[Line] = []
        self._columns, self._rows = measure()

    def measured(self) -> tuple[int, int]:
        """Return the columns and rows of the terminal now."""
        self._columns, self._rows = self._measure()
        return self._columns, self._rows

    def show(self, lines: Sequence[Line], moving: Sequence[Line]) -> None:
        """Add ``lines`` to what stays and draw ``moving`` in place of the former ones below it."""
        fitting = moving[-max(1, self._rows - 1) :]
        kept = [clip(line, self._columns - 1, self._look.symbols.ellipsis) for line in fitting]
        if not lines and kept == self._drawn:
            return
        text = self._erased() + paint_all(lines, self._look) + "\n".join(paint(line, self._look) for line in kept)
        self._drawn = kept
        self._write(text)

    def clear(self) -> None:
        """Take away what moves."""
        self.show((), ())

    def _erased(self) -> str:
        if not self._drawn:
            return ""
        # A terminal that became narrower has broken the lines that were drawn before.
        height = sum(max(1, -(-width(line) // self._columns)) for line in self._drawn)
        up = f"\x1b[{height - 1}A" if height > 1 else ""
        return _BEGINNING_OF_LINE + up + _ERASE_BELOW
