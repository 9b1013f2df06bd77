"""Secrets found by their value, wherever they stand, and replaced by ``[redacted:NAME]``.

Found are the value itself and what common tools make of it: escaped for JSON, a shell, a URL or HTML,
in hexadecimal, in base64 at each of the three places that it can begin at. Line breaks, control
characters, escape sequences and characters of no width do not hide it. What else a program does to
a secret (compresses it, turns it round) is not undone: this limits accidents, and is no boundary.
"""

import base64
import json
import os
import re
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from agentctl.profiles import profile_secrets

SHORTEST = 8
"""Characters; a shorter value is looked for nowhere, because too much else looks like it."""

# Patterns are compiled when they are needed: most commands have nothing to hide, and must start fast.
_CUSTOM_HEADERS = "ANTHROPIC_CUSTOM_HEADERS"
_OWN_KEYS = rf"(?:ANTHROPIC|AGENTCTL)_(?:\w+_)?(?:KEY|TOKEN|SECRET|PASSWORD)|{_CUSTOM_HEADERS}"
_TELLING_HEADERS = "(?i)auth|key|token|secret|cookie"
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_FEWEST_DIFFERENT = 4
_PLAIN_WORD = r"[A-Za-z]?[a-z]{0,14}|[A-Z]{0,15}|[0-9]{0,11}|[A-Za-z]{1,12}[0-9!]{0,2}"
_COMMON = (
    r"(?i)1234567890*12|changeme123|qwertyuiop123|p[a@][s5][s5]w[o0]rd.?"
    "|(?:an?[-_ ]|my[-_ ]|your[-_ ]|the[-_ ]|not[-_ ](?:a[-_ ])?)?"
    "(?:default|dummy|example|fake|no|placeholder|real|sample|secret|test)?[-_ ]?"
    "(?:api[-_ ]?)?(?:key|needed|pass(?:word)?|secret|token)(?:[-_ ](?:here|needed))?"
)
_MOST_HELD = 64 * 1024
_CONTROL = dict.fromkeys((*range(9), *range(10, 32), 127))
# Each begins with one set of characters, by which the search for it is fast.
_SEQUENCE = r"(?:\[[0-?]*[ -/]*(?:[@-~]|\Z)|\][^\x07\x1b]*(?:\x07|\x1b\\|\Z)|[ -/]+[0-~]|[78=>])"
_ESCAPE = rf"\x1b{_SEQUENCE}?"
_IN_TEXT = (
    "[\x00-\x08\x0a-\x1f\x7f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
    rf"(?:(?<=\x1b){_SEQUENCE})?"
)
# The same in the bytes of UTF-8, each taken for a character; without NUL ASCII in UTF-16 is ASCII.
_IN_BYTES = (
    "[\x00-\x08\x0a-\x1f\x7f\u00c2\u00e2\u00ef]"
    rf"(?:(?<=\x1b){_SEQUENCE}|(?<=[\x00-\x1f\x7f])|(?<=\u00c2)(?:\Z|\u00ad)"
    "|(?<=\u00e2)(?:\u0080?\\Z|\u0080[\u008b-\u008f\u00a8-\u00ae]|\u0081[\u00a0-\u00af])"
    "|(?<=\u00ef)(?:[\u00b8\u00bb]?\\Z|\u00b8[\u0080-\u008f]|\u00bb\u00bf))"
)


def weakness(value: str) -> str | None:
    """Say why a value is not fit to be a secret; None where it is.

    What is found in ordinary text would be redacted in text that has nothing to do with it.
    """
    if len(value) < SHORTEST:
        return f"is shorter than {SHORTEST} characters"
    if value != value.strip():
        return "begins or ends with white space"
    if len(set(value)) < _FEWEST_DIFFERENT:
        return "is the same few characters again and again"
    if re.fullmatch(_COMMON, value) or re.fullmatch(_PLAIN_WORD, value):
        return "reads like a word or a number"
    return None


def encodings_of(value: str) -> tuple[str, ...]:
    """Return a value and what common tools make of it, each once, the value first."""
    data = value.encode("utf-8", "surrogatepass")
    found = [value, *_escaped(value), data.hex(), data.hex().upper(), *_base64(data)]
    return tuple(dict.fromkeys(found))


def _escaped(value: str) -> Iterator[str]:
    written = json.dumps(value)[1:-1]
    yield from (written, json.dumps(value, ensure_ascii=False)[1:-1], written.replace("/", "\\/"), repr(value)[1:-1])
    yield from (value.replace("'", "'\\''"), value.replace("'", "'\"'\"'"), re.sub(r'([$`"\\!])', r"\\\1", value))
    yield re.sub(r"([^A-Za-z0-9_@%+=:,./\n-])", r"\\\1", value)
    for kept in (b"", b"/"):
        quoted = _quoted(value, kept)
        for written in (quoted, quoted.replace("%20", "+")):
            yield from (written, re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), written))
    safe = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield from (
        safe,
        safe.replace('"', "&quot;").replace("'", "&#x27;"),
        safe.replace('"', "&#34;").replace("'", "&#39;"),
    )


def _quoted(value: str, kept: bytes) -> str:
    """Write a value as in a URL (RFC 3986, 2.1)."""
    safe = _UNRESERVED + kept
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in value.encode("utf-8", "surrogatepass"))


def _base64(data: bytes) -> Iterator[str]:
    """Yield what base64 makes of ``data`` behind 0, 1 and 2 other bytes, without the characters that those change."""
    for before, skipped in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(data)) * 8 // 6
        written = base64.b64encode(bytes(before) + data).decode("ascii")[skipped:whole]
        yield from (written, written.replace("+", "-").replace("/", "_"))


class Redactor:
    """Replaces secrets by value. It can learn more of them while it is used, from any thread; it forgets none."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        """Take secrets, each with its name."""
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._text = self._bytes = Finder({}, _IN_TEXT)
        self.learn(secrets or {})

    def learn(self, secrets: Mapping[str, str]) -> None:
        """Take more secrets, each with its name; the name that one had first stays its name."""
        with self._lock:
            news = {value: name for value, name in secrets.items() if len(value) >= SHORTEST}
            if news.keys() <= self._known.keys():
                return
            self._known = news | self._known
            marked = {
                written: f"[redacted:{name}]" for value, name in self._known.items() for written in encodings_of(value)
            }
            self._text = Finder(marked, _IN_TEXT)
            raw = {written.encode("utf-8", "surrogatepass").decode("latin-1"): mark for written, mark in marked.items()}
            self._bytes = Finder(raw, _IN_BYTES)

    @property
    def is_empty(self) -> bool:
        """Whether it knows no secret."""
        return not self._known

    def text(self, text: str) -> str:
        """Return a text without secrets: the same object where it holds none."""
        return self._text.replaced(text)

    def json(self, value: Any) -> Any:
        """Return a JSON value without secrets in its strings and keys: the same object where it holds none."""
        match value:
            case str():
                return self._text.replaced(value)
            case dict():
                items = {self.json(key): self.json(item) for key, item in value.items()}
                same = len(items) == len(value) and all(
                    key in value and value[key] is item for key, item in items.items()
                )
                return value if same else items
            case list():
                parts = [self.json(item) for item in value]
                return value if all(part is item for part, item in zip(parts, value, strict=True)) else parts
        return value

    def contents(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the bytes of a file without secrets, wherever it is cut into pieces."""
        if self.is_empty:
            yield from pieces
            return
        stream, former = Stream(self, is_text=False), ""
        for piece in pieces:
            if ready := stream.feed(former):
                yield ready.encode("latin-1")
            former = piece.decode("latin-1")
        if ready := stream.end(former):
            yield ready.encode("latin-1")

    def stream(self) -> "Stream":
        """Return what takes a text in pieces."""
        return Stream(self, is_text=True)

    def finder(self, *, is_text: bool) -> "Finder":
        """Return what finds the secrets that are known now."""
        return self._text if is_text else self._bytes


class Stream:
    """A text that comes in pieces. What may be the beginning of a secret waits for what follows it."""

    def __init__(self, redactor: Redactor, *, is_text: bool) -> None:
        self._redactor = redactor
        self._is_text = is_text
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be told of the text now."""
        if not piece:
            return ""
        finder = self._redactor.finder(is_text=self._is_text)
        ready, self._held = finder.split(self._held + piece)
        return ready

    def end(self, piece: str = "") -> str:
        """Return what is left of the text, which ends with this piece; another one may begin."""
        rest, self._held = self._held + piece, ""
        return self._redactor.finder(is_text=self._is_text).replaced(rest)


class _Span(NamedTuple):
    begin: int
    end: int
    mark: str


class Finder:
    """Finds patterns in what is left of a text without the characters that ``hidden`` matches."""

    def __init__(self, marks: Mapping[str, str], hidden: str) -> None:
        self._hidden = hidden
        self._marks = {re.sub(hidden, "", pattern): mark for pattern, mark in marks.items()}
        self._longest = max(map(len, self._marks), default=0)
        self._shortest = min(map(len, self._marks), default=0)
        self._beginnings = {pattern[:length] for pattern in self._marks for length in range(1, len(pattern))}

    def replaced(self, text: str) -> str:
        """Return the text with a mark in place of each pattern."""
        if len(text) < self._shortest or not self._marks:
            return text
        bare = self._bare(text)
        present = [pattern for pattern in self._marks if pattern in bare]
        return self._marked(text, self._spans(text, bare, present)) if present else text

    def split(self, text: str) -> tuple[str, str]:
        """Return what can be told of a text that goes on, with marks, and the rest of it, without."""
        bare = self._bare(text)
        spans = self._spans(text, bare, [pattern for pattern in self._marks if pattern in bare])
        end = self._place_of_tail(text, bare)
        if end < len(text):
            end = min([end, *(span.begin for span in spans if span.begin < end < span.end)])
        if len(text) - end > _MOST_HELD:
            end = len(text)
        return self._marked(text[:end], [span for span in spans if span.end <= end]), text[end:]

    def _bare(self, text: str) -> str:
        if not text.isascii():
            return re.sub(self._hidden, "", text)
        if "\x1b" in text:
            text = re.sub(_ESCAPE, "", text)
        return text.translate(_CONTROL)

    def _place_of_tail(self, text: str, bare: str) -> int:
        """Return where the longest beginning of a pattern stands that the text ends with; its length if none does."""
        for length in range(min(self._longest - 1, len(bare)), 0, -1):
            if bare[-length:] in self._beginnings:
                return _Places(self._hidden, text).of(len(bare) - length)
        return len(text)

    def _spans(self, text: str, bare: str, present: Iterable[str]) -> list[_Span]:
        found = sorted(
            (place, -len(pattern), self._marks[pattern]) for pattern in present for place in _occurrences(pattern, bare)
        )
        if not found:
            return []
        places, spans = _Places(self._hidden, text), list[_Span]()
        for place, length, mark in found:
            begin, end = places.of(place), places.of(place - length - 1) + 1
            if spans and begin < spans[-1].end:
                spans[-1] = _Span(spans[-1].begin, max(end, spans[-1].end), spans[-1].mark)
            else:
                spans.append(_Span(begin, end, mark))
        return spans

    @staticmethod
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


KNOWN = Redactor()
"""What this process knows to be secret: its own keys, and what it has taken out of a vault."""


def learn_own_keys() -> None:
    """Learn the keys that this process was started with, the model's and the vaults', and those of profiles."""
    found = profile_secrets() | {os.environ[name]: name for name in own_keys() if name != _CUSTOM_HEADERS}
    found = {value: name for value, name in found.items() if weakness(value) is None}
    KNOWN.learn(found | dict.fromkeys(_in_custom_headers(), _CUSTOM_HEADERS))


def own_keys() -> list[str]:
    """Name the variables of this process that hold keys; no program that it starts needs them."""
    return [name for name in os.environ if re.fullmatch(_OWN_KEYS, name)]


def environment_of_others() -> dict[str, str]:
    """Return the environment for a program that this process starts: its own, without its keys."""
    kept = os.environ.keys() - own_keys()
    return {name: os.environ[name] for name in kept}


def _in_custom_headers() -> Iterator[str]:
    for line in os.environ.get(_CUSTOM_HEADERS, "").splitlines():
        name, _, value = line.partition(":")
        if re.search(_TELLING_HEADERS, name) and weakness(value.strip()) is None:
            yield value.strip().removeprefix("Bearer ")
