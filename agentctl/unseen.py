"""Patterns found in a text whatever stands between their characters that nobody sees, and replaced by marks.

Line breaks, control characters, escape sequences and characters of no width are unseen. A pattern is looked for
in the *bare* text, which has none of these, and in the text as it is, where it may be part of an escape sequence:
of a window's title, or of a link.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

_MOST_HELD = 64 * 1024
"""Characters that wait at most for what follows them."""

_CONTROL = dict.fromkeys((*range(9), *range(10, 32), 127))
# Each begins with one set of characters, by which the search for it is fast.
_SEQUENCE = r"(?:\[[0-?]*[ -/]*(?:[@-~]|\Z)|\][^\x07\x1b]*(?:\x07|\x1b\\|\Z)|[ -/]+[0-~]|[78=>])"
_ESC = "\x1b"
_ESCAPE = rf"\x1b{_SEQUENCE}?"
IN_TEXT = (
    "[\x00-\x08\x0a-\x1f\x7f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
    rf"(?:(?<=\x1b){_SEQUENCE})?"
)
# The same in the bytes of UTF-8, each taken for a character; without NUL ASCII in UTF-16 is ASCII.
IN_BYTES = (
    "[\x00-\x08\x0a-\x1f\x7f\u00c2\u00e2\u00ef]"
    rf"(?:(?<=\x1b){_SEQUENCE}|(?<=[\x00-\x1f\x7f])|(?<=\u00c2)(?:\Z|\u00ad)"
    "|(?<=\u00e2)(?:\u0080?\\Z|\u0080[\u008b-\u008f\u00a8-\u00ae]|\u0081[\u00a0-\u00af])"
    "|(?<=\u00ef)(?:[\u00b8\u00bb]?\\Z|\u00b8[\u0080-\u008f]|\u00bb\u00bf))"
)


class _Span(NamedTuple):
    begin: int
    end: int
    mark: str


class Finder:
    """Finds patterns, whatever that ``hidden`` matches stands between their characters."""

    def __init__(self, marks: Mapping[str, str], hidden: str) -> None:
        self._hidden = hidden
        self._marks = {re.sub(hidden, "", pattern): mark for pattern, mark in marks.items()} | dict(marks)
        self._marks.pop("", None)
        self._longest = max(map(len, self._marks), default=0)
        self._shortest = min(map(len, self._marks), default=0)
        self._beginnings = {pattern[:length] for pattern in self._marks for length in range(1, len(pattern))}

    def replaced(self, text: str) -> str:
        """Return the text with a mark in place of each pattern: the same object where there is none."""
        if len(text) < self._shortest or not self._marks:
            return text
        spans = self._spans(text, self._bare(text))
        return _marked(text, spans) if spans else text

    def split(self, text: str) -> tuple[str, str]:
        """Return what can be told of a text that goes on, with marks, and the rest of it, without."""
        bare = self._bare(text)
        spans = self._spans(text, bare)
        end = self._place_of_tail(text, bare)
        if end < len(text):
            end = min([end, *(span.begin for span in spans if span.begin < end < span.end)])
        if len(text) - end > _MOST_HELD:
            end = len(text)
        return _marked(text[:end], [span for span in spans if span.end <= end]), text[end:]

    def _bare(self, text: str) -> str:
        if not text.isascii():
            return re.sub(self._hidden, "", text)
        if _ESC in text:
            text = re.sub(_ESCAPE, "", text)
        return text.translate(_CONTROL)

    def _place_of_tail(self, text: str, bare: str) -> int:
        """Return where the longest beginning of a pattern stands that the text ends with; its length if none does."""
        end = len(text)
        if length := self._length_of_tail(bare):
            end = _Places(self._hidden, text).of(len(bare) - length)
        return min(end, len(text) - self._length_of_tail(text)) if _ESC in text else end

    def _length_of_tail(self, text: str) -> int:
        lengths = range(min(self._longest - 1, len(text)), 0, -1)
        return next((length for length in lengths if text[-length:] in self._beginnings), 0)

    def _spans(self, text: str, bare: str) -> list[_Span]:
        """Return where marks go, in order; what overlaps is one, and has the mark of what begins first."""
        found = self._found(bare)
        if found:
            places = _Places(self._hidden, text)
            found = {_Span(places.of(span.begin), places.of(span.end - 1) + 1, span.mark) for span in found}
        if _ESC in text:
            found |= self._found(text)
        spans = list[_Span]()
        for span in sorted(found, key=lambda span: (span.begin, -span.end, span.mark)):
            if spans and span.begin < spans[-1].end:
                spans[-1] = spans[-1]._replace(end=max(span.end, spans[-1].end))
            else:
                spans.append(span)
        return spans

    def _found(self, text: str) -> set[_Span]:
        return {
            _Span(place, place + len(pattern), mark)
            for pattern, mark in self._marks.items()
            for place in _occurrences(pattern, text)
        }


def _marked(text: str, spans: Iterable[_Span]) -> str:
    parts, place = [], 0
    for span in spans:
        parts += [text[place : span.begin], span.mark]
        place = span.end
    return "".join([*parts, text[place:]])


class _Places:
    """Where the characters of a bare text stand in the whole one."""

    def __init__(self, hidden: str, text: str) -> None:
        self._bare, self._whole = [0], [0]
        for match in re.finditer(hidden, text):
            self._bare.append(self._bare[-1] + match.start() - self._whole[-1])
            self._whole.append(match.end())

    def of(self, place: int) -> int:
        """Return the place in the whole text."""
        section = bisect_right(self._bare, place) - 1
        return self._whole[section] + place - self._bare[section]


def _occurrences(pattern: str, text: str) -> Iterator[int]:
    place = text.find(pattern)
    while place >= 0:
        yield place
        place = text.find(pattern, place + 1)
