# ruff: noqa: PTH103, PTH120
"""Output of any length in bounded memory, as text that any store takes."""

from __future__ import annotations

import os
import re

from agentctl.sandbox.inside.outcome import reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentctl.sandbox.inside.outcome import Message

MOST_CHARACTERS = 100_000
"""A longer output goes to a file, and the model sees its two ends."""

PREVIEW_CHARACTERS = 10_000
"""How much of each end."""

MOST_SPILLED = 64 << 20
"""Bytes of one output that its file takes."""

_MOST_HELD = 512 << 10

_ESCAPES = (  # compiled when it is needed: what runs at the start is waited for
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)"  # titles, links
    r"|[PX^_][^\x1b]{0,4096}\x1b\\"
    r"|[ -/]*[0-~])"
)


class Collector:
    """Takes output: all of it while it is short; then a file, a head and a tail."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.total = 0
        self.head = bytearray()
        self.tail = bytearray()
        self.file = -1
        self.kept = 0
        self.trouble = ""

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        room = _MOST_HELD - len(self.head)
        rest = data[room:]
        self.total += len(data)
        self.head += data[:room]
        if not rest:
            return
        if not self.kept:
            self.spill(bytes(self.head))
        self.spill(rest)
        self.tail += rest
        if len(self.tail) > 2 * _MOST_HELD:
            del self.tail[:-_MOST_HELD]

    def spill(self, data: bytes) -> None:
        """Write to the file, as much as it takes."""
        data = data[: MOST_SPILLED - self.kept]
        if self.trouble or not data:
            return
        try:
            if self.file < 0:
                self.file = self.make_file()
            self.kept += write_all(self.file, data)
        except OSError as error:
            self.trouble = reason_of(error)

    def make_file(self) -> int:
        """Open the file for an output that is too long."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        return os.open(self.path, flags, 0o644)

    def result(self, replacements: dict[str, str] | None = None) -> tuple[str, Message]:
        """Return the text for the model, with ``replacements`` made in it, and facts for the record."""
        whole = self.total <= _MOST_HELD
        text = clean(bytes(self.head), replacements)
        if whole and len(text) <= MOST_CHARACTERS:
            return text, {"output_bytes": self.total}
        if whole:
            self.spill(bytes(self.head))
        end = text if whole else clean(whole_characters(bytes((self.head + self.tail)[-_MOST_HELD:])), replacements)
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        return preview(text, end, self.whereabouts()), self.facts()

    def facts(self) -> Message:
        """Return facts of an output that went to a file."""
        return {"output_bytes": self.total, **({} if self.trouble else {"spilled_to": self.path})}

    def whereabouts(self) -> str:
        """Say where the whole output is."""
        if self.trouble:
            return f"{self.total:,} bytes in all, which could not be kept: {self.trouble}"
        cut = "" if self.kept == self.total else f", which holds only the first {self.kept:,}"
        return f"{self.total:,} bytes in all, kept in {self.path}{cut}: use read with view_range, or grep, on it"


def preview(head: str, tail: str, whereabouts: str) -> str:
    """Show the two ends of a long text."""
    return f"{head[:PREVIEW_CHARACTERS]}\n\n[... left out here: {whereabouts} ...]\n\n{tail[-PREVIEW_CHARACTERS:]}"


def clean(data: bytes, replacements: dict[str, str] | None = None, *, ansi: bool = True) -> str:
    """Turn any bytes into text: what is not UTF-8, and NUL, becomes an escape; ``ansi`` escapes are taken out."""
    text = data.decode("utf-8", "backslashreplace")
    if ansi and "\x1b" in text:
        text = re.sub(_ESCAPES, "", text)
    for old, new in (replacements or {}).items():
        text = text.replace(old, new)
    return text.replace("\0", "\\x00")


def whole_characters(data: bytes) -> bytes:
    """Leave out the rest of a character at the beginning."""
    start = 0
    while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:
        start += 1
    return data[start:]


def write_all(fd: int, data: bytes) -> int:
    """Write everything, waiting as long as it takes; return how much it was."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return len(data)
