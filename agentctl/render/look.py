"""What a stream can show: its width, whether it takes colours and a moving cursor, and which characters."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from agentctl.visible import AS_EMOJI

_LEAST_COLUMNS = 20
_WITHOUT_TERMINAL = 100
_UNKNOWN_TERMINAL = (80, 24)
_PLAIN_TERMINALS = ("", "dumb", "unknown")
_POSIX_LOCALES = ("C", "POSIX")


@dataclass(frozen=True, slots=True)
class Symbols:
    """The few characters that are not ASCII, or what stands for them."""

    bullet: str = "●"
    prompt: str = "›"
    dot: str = "·"
    rule: str = "─"
    done: str = "━"
    ellipsis: str = "…"
    bar: str = "│"
    dashes: str = "┊"
    cross: str = "✗"
    play: str = "▶"
    pause: str = "■"
    shades: str = "█▓▒░·"
    spinner: str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


UNICODE = Symbols()
ASCII = Symbols("*", ">", "-", "-", "=", "...", "|", ":", "x", ">", "=", "#=~.-", "|/-\\")


@dataclass(frozen=True, slots=True)
class Look:
    """How to write to one stream.

    ``columns`` is its width in character cells, and ``rows`` its height, when it was asked. A
    stream that ``wraps`` has that width; for another it is only a good length for what is cut to
    one line. ``encoding`` is None where every character can be written.
    """

    columns: int = _WITHOUT_TERMINAL
    rows: int = 24
    colour: bool = False
    moves: bool = False
    wraps: bool = False
    symbols: Symbols = UNICODE
    encoding: str | None = None

    def writable(self, text: str) -> str:
        """Return ``text`` as it can be written so that widths are right: what the encoding lacks becomes escapes.

        Where it moves, nothing asks for emoji: terminals disagree on whether ``⚠`` needs two cells then.
        """
        if text.isascii():
            return text
        if self.moves:
            text = text.replace(AS_EMOJI, "")
        if self.encoding is None:
            return text
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)


def look_of(stream: TextIO | None, environment: Mapping[str, str] = os.environ) -> Look:
    """Find out how to write to a stream."""
    if stream is None:
        return Look()
    is_terminal = stream.isatty() and environment.get("TERM", "") not in _PLAIN_TERMINALS
    columns, rows = size_of(stream, environment)
    encoding = None if _takes(stream, "".join(chr(code) for code in (0xE9, 0x4E2D, 0x1F600))) else stream.encoding
    return Look(
        columns=columns,
        rows=rows,
        colour=is_terminal and not environment.get("NO_COLOR"),
        moves=is_terminal,
        wraps=stream.isatty() or "COLUMNS" in environment,
        symbols=UNICODE if _takes_symbols(stream, environment) else ASCII,
        encoding=encoding,
    )


def size_of(stream: TextIO, environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Return the columns and rows of a stream now; a terminal may have been resized since it was asked last."""
    columns, rows = _UNKNOWN_TERMINAL if stream.isatty() else (_WITHOUT_TERMINAL, _UNKNOWN_TERMINAL[1])
    wanted = environment.get("COLUMNS", "")
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 5:
        columns = int(wanted) or columns
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return max(columns, _LEAST_COLUMNS), rows
    return max(size.columns or columns, _LEAST_COLUMNS), size.lines or rows


def _takes_symbols(stream: TextIO, environment: Mapping[str, str]) -> bool:
    # Python reads and writes UTF-8 in the C locale, and tells its children LC_CTYPE=C.UTF-8 (PEP 538, 540), so
    # neither shows any more that somebody asked for plain ASCII.
    character_type = environment.get("LC_CTYPE", "")
    kind = character_type if character_type != "C.UTF-8" else ""
    said = environment.get("LC_ALL") or kind or environment.get("LANG")
    return said not in _POSIX_LOCALES and _takes(stream, "".join(UNICODE.spinner + UNICODE.bullet + UNICODE.cross))


def _takes(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
