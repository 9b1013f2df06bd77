"""Lines of styled text, measured in the cells of a terminal."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from agentctl.render.look import Look
from agentctl.visible import visible, visible_line

TAB = "    "
_WORDS = re.compile(r" *[^ ]+| +")

_CODES = {
    "dim": "2",
    "italic": "2;3",
    "bold": "1",
    "accent": "36",
    "good": "32",
    "warning": "33",
    "bad": "31",
}


class Span(NamedTuple):
    """A piece of a line in one style: one of dim, italic, bold, accent, good, warning, bad, or none."""

    text: str
    style: str = ""


Line: TypeAlias = Sequence[Span]

EMPTY: Line = ()


def plain(text: str, style: str = "") -> Line:
    """Make a line of one span."""
    return (Span(text, style),)


def shown_lines(text: str, look: Look) -> list[str]:
    """Split untrusted text into lines that can be shown and measured; blank lines around it are left out."""
    return look.writable(visible(text)).expandtabs(len(TAB)).strip("\n").split("\n")


def shown(text: object, look: Look) -> str:
    """Make one line of untrusted text that can be shown and measured."""
    return look.writable(visible_line(str(text)))


def cells(text: str) -> int:
    """Return how many cells a terminal needs for ``text``, which holds no control characters."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def width(line: Line) -> int:
    """Return how many cells a line needs."""
    return sum(cells(span.text) for span in line)


def fit(text: str, most: int, ellipsis: str) -> str:
    """Return ``text`` in at most ``most`` cells, with an ellipsis where its end had to go."""
    if cells(text) <= most:
        return text
    return text[: _prefix(text, most - cells(ellipsis))].rstrip() + ellipsis[: max(0, most)]


def fit_tail(text: str, most: int, ellipsis: str) -> str:
    """Return ``text`` in at most ``most`` cells, with an ellipsis where its beginning had to go."""
    if cells(text) <= most:
        return text
    kept = _prefix(text[::-1], most - cells(ellipsis))
    return ellipsis[: max(0, most)] + text[len(text) - kept :]


def wrap(text: str, most: int) -> list[str]:
    """Break a line into rows of at most ``most`` cells, at spaces where there are any.

    Text that continues the last row gives the same rows as if it had been there from the start.
    """
    if cells(text) <= most:
        return [text]
    rows, row, used = [], "", 0
    for word in _WORDS.findall(text):
        size = cells(word)
        if row.strip(" ") and used + size > most and word.strip(" "):
            rows.append(row.rstrip(" "))
            row, used = "", 0
            word = word.lstrip(" ")
            size = cells(word)
        while used + size > most and word.strip(" "):
            cut = max(1, _prefix(word, most - used))
            rows.append(row + word[:cut])
            row, used, word = "", 0, word[cut:]
            size = cells(word)
        row, used = row + word, used + size
    return [*rows, row]


def clip(line: Line, most: int, ellipsis: str) -> Line:
    """Return a line in at most ``most`` cells."""
    if width(line) <= most:
        return line
    kept: list[Span] = []
    for span in line:
        room = most - width(kept)
        if cells(span.text) > room:
            return [*kept, Span(fit(span.text, room, ellipsis), span.style)]
        kept.append(span)
    return kept


def paint(line: Line, look: Look) -> str:
    """Write a line as the stream takes it, without a line break."""
    return "".join(_paint(span, look) for span in line).rstrip(" ")


def paint_all(lines: Iterable[Line], look: Look) -> str:
    """Write lines as the stream takes them, each with its line break."""
    return "".join(paint(line, look) + "\n" for line in lines)


def _paint(span: Span, look: Look) -> str:
    text = look.writable(visible_line(span.text))
    code = _CODES.get(span.style)
    return f"\x1b[{code}m{text}\x1b[0m" if code and look.colour and text.strip() else text


def _prefix(text: str, most: int) -> int:
    """Return how many characters of ``text`` fit into ``most`` cells."""
    if text.isascii():
        return max(0, min(len(text), most))
    used = 0
    for place, character in enumerate(text):
        used += _cell(character)
        if used > most:
            return place
    return len(text)


@lru_cache(maxsize=4096)
def _cell(character: str) -> int:
    if character < "\u0300":
        return 1
    if unicodedata.category(character) in ("Mn", "Me") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
