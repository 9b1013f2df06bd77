"""Text while it is typed: rows that are full stay, the last one is still growing."""

from agentctl.events.preview import Preview
from agentctl.render.layout import Layout
from agentctl.render.lines import EMPTY, TAB, Line, plain
from agentctl.render.rows import MARGIN
from agentctl.render.story import Said, Thought
from agentctl.visible import visible


class Typing:
    """One run of text, or one thought, that grows piece by piece.

    It comes to the same lines as the whole would: blank lines around it are left out.
    """

    def __init__(self, preview: Preview, layout: Layout) -> None:
        self.is_thought = preview.kind == "thinking"
        self._index = preview.index
        self.layout = layout
        self._style = "italic" if self.is_thought else ""
        self._pieces: list[str] = []
        self._unsure = ""
        self._row = ""
        self._blank = 0
        self.has_begun = False

    def takes(self, preview: Preview) -> bool:
        """Say whether a piece continues this text: blocks of text in a row are one."""
        if self.is_thought:
            return preview.kind == "thinking" and preview.index == self._index
        return preview.kind == "text"

    def add(self, preview: Preview) -> list[Line]:
        """Continue the text; return the lines that are finished by it."""
        piece = preview.text if preview.index == self._index else "\n" + preview.text
        self._index = preview.index
        self._pieces.append(piece)
        text = self._unsure + piece
        # Half a character, or half a line break, is not shown before the other half is here.
        keep = len(text) - 1 if text and (text[-1] == "\r" or "\ud800" <= text[-1] <= "\udbff") else len(text)
        self._unsure = text[keep:]
        return self._grow(_whole(text[:keep]))

    def end(self) -> list[Line]:
        """Return what is still unfinished, as it is."""
        rows = self._finished([self._row])
        self._row, self._blank = "", 0
        return rows

    def row(self) -> list[Line]:
        """Return the line that is still growing, with the blank lines before it."""
        return [*[EMPTY] * self._blank, self._line(self._row)] if self._row.strip() else []

    def is_all_of(self, item: Said | Thought) -> bool:
        """Say whether this is the text of an item, so that the item need not be shown again."""
        same_kind = isinstance(item, Thought) == self.is_thought
        return same_kind and "".join(_whole("".join(self._pieces)).split()) == "".join(item.text.split())

    def _grow(self, text: str) -> list[Line]:
        look = self.layout.look
        *whole, last = (self._row + look.writable(visible(text)).replace("\t", TAB)).split("\n")
        rows = [row for line in whole for row in self.layout.rows(line)]
        *full, self._row = self.layout.rows(last)
        return self._finished([*rows, *full])

    def _finished(self, rows: list[str]) -> list[Line]:
        lines: list[Line] = []
        for row in rows:
            if row.strip():
                lines += [*[EMPTY] * self._blank, self._line(row)]
                self._blank, self.has_begun = 0, True
            elif self.has_begun:
                self._blank += 1
        return lines

    def _line(self, row: str) -> Line:
        return plain(" " * MARGIN + row, self._style)


def _whole(text: str) -> str:
    """Join characters that were split into surrogates between two pieces."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if not text.isascii() else text
