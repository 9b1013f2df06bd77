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
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentctl.profiles import profile_secrets
from agentctl.unseen import IN_BYTES, IN_TEXT, Finder

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
        self._text = self._bytes = Finder({}, IN_TEXT)
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
            self._text = Finder(marked, IN_TEXT)
            raw = {written.encode("utf-8", "surrogatepass").decode("latin-1"): mark for written, mark in marked.items()}
            self._bytes = Finder(raw, IN_BYTES)

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
