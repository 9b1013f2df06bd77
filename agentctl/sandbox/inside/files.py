# ruff: noqa: PTH103, PTH104, PTH108, PTH110, PTH116, PTH118, PTH120
"""The tools ``read``, ``write`` and ``edit``."""

from __future__ import annotations

import binascii
import os
import stat

from agentctl.sandbox.inside.outcome import ToolError, text_block, utf8
from agentctl.sandbox.inside.output import MOST_CHARACTERS, clean, preview, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from agentctl.sandbox.inside.outcome import Message

    Answer = tuple[list[Message], Message]

MOST_TEXT = 256 << 10
MOST_EDITED = 10 << 20
MOST_IMAGE = 5 << 20
"""Characters of base64."""
MOST_PDF = 20 << 20


def seconds_of(nanoseconds: int) -> float:
    """Write a file's time as a record has it: seconds, to the microsecond that a float holds; whole ones as an int."""
    seconds, rest = divmod(nanoseconds // 1000, 1_000_000)
    return (nanoseconds // 1000) / 1_000_000 if rest else seconds


def nanoseconds_of(seconds: float) -> int:
    """Return the time that ``seconds_of`` wrote, as ``os.utime`` takes it; as a float it would lose the last digit."""
    return round(seconds * 1_000_000) * 1000


class Tools:
    """What the tools work with: where relative paths begin, where too long an output goes, what they may start."""

    def __init__(self, workspace: str, spill_path: str, environment: dict[str, str]) -> None:
        self.workspace = workspace
        self.spill_path = spill_path
        self.environment = environment

    def find(self, path: str) -> str:
        """Make a path absolute."""
        utf8(path, "the path")
        if not path or "\0" in path:
            raise ToolError("the path holds a NUL character" if path else "the path is empty")
        return os.path.join(self.workspace, path)


def read(tools: Tools, arguments: Message) -> Answer:
    """Return a file, or some of its lines, or what can be looked at."""
    name: str = arguments["file_path"]
    view_range: list[int] | None = arguments.get("view_range")
    fd = open_regular(tools.find(name), name)
    with os.fdopen(fd, "rb") as file:
        size = os.fstat(fd).st_size
        media_type = media_type_of(file.read(16))
        file.seek(0)
        if media_type and view_range:
            raise ToolError("view_range is not supported for image/PDF files")
        if media_type:
            return [media_block(file, name, size, media_type)], {"output_bytes": size}
        data = read_lines(file, name, *view_range) if view_range else read_whole(file, name, size)
    text = clean(data, ansi=False)
    if len(text) > MOST_CHARACTERS:
        text = preview(text, text, f"{len(data):,} bytes in all; use view_range to see a part of {name}")
    empty = "(empty)" if size else "(the file is empty)"
    return [text_block(text or empty)], {"output_bytes": len(data)}


def read_whole(file: IO[bytes], name: str, size: int) -> bytes:
    """Read a text file that is not too long."""
    data = file.read(MOST_TEXT + 1)
    if len(data) > MOST_TEXT:
        raise ToolError(
            f"{name} is {max(size, len(data))} bytes, exceeds {MOST_TEXT}-byte limit. "
            "Use the view_range parameter to read specific line ranges, e.g. view_range: [1, 500]."
        )
    return data


def read_lines(file: IO[bytes], name: str, first: int, last: int) -> bytes:
    """Read lines ``first`` to ``last``, whatever the size of the file; a last of 0 or less is the end."""
    first = max(first, 1)
    if 0 < last < first:
        raise ToolError(f"view_range [{first}, {last}] is empty: it is [first line, last line]")
    found = bytearray()
    number, fresh = 1, True  # the line that comes next, and whether it comes from its beginning
    while last <= 0 or number <= last:
        piece = file.readline(1 << 16)
        if not piece:
            break
        if number >= first:
            found += piece
            check_range(len(found), name, first, last)
        fresh = piece.endswith(b"\n")
        number += fresh
    if fresh and number <= first and not found:
        raise ToolError(f"{name} has {number - 1} lines")
    return bytes(found[:-1] if found.endswith(b"\n") else found)


def check_range(size: int, name: str, first: int, last: int) -> None:
    """Refuse a range that is too long."""
    if size > MOST_TEXT:
        raise ToolError(
            f"view_range [{first}, {last}] of {name} exceeds {MOST_TEXT}-byte limit. "
            "Narrow the view_range to read a smaller portion."
        )


def media_type_of(start: bytes) -> str | None:
    """Recognise what the API can look at by its first bytes."""
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "image/webp"
    return "application/pdf" if start.startswith(b"%PDF-") else None


def media_block(file: IO[bytes], name: str, size: int, media_type: str) -> Message:
    """Return an image or a document as a content block."""
    is_pdf = media_type == "application/pdf"
    most = MOST_PDF if is_pdf else MOST_IMAGE // 4 * 3
    data = file.read(most + 1)
    if len(data) > most:
        raise ToolError(f"{name} is {size} bytes, exceeds {most}-byte limit for image/PDF files.")
    written = binascii.b2a_base64(data, newline=False).decode()
    source = {"type": "base64", "media_type": media_type, "data": written}
    return {"type": "document" if is_pdf else "image", "source": source}


def write(tools: Tools, arguments: Message) -> Answer:
    """Replace a file as a whole."""
    name: str = arguments["file_path"]
    content = utf8(arguments["content"], "the content")
    target = os.path.realpath(tools.find(name))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    replace(target, content, mode_of(target, name))
    return [text_block(f"wrote {len(content)} bytes to {name}")], {}


def edit(tools: Tools, arguments: Message) -> Answer:
    """Replace a text in a file; every other byte stays as it is."""
    name: str = arguments["file_path"]
    old, new = utf8(arguments["old_string"], "old_string"), utf8(arguments["new_string"], "new_string")
    target = os.path.realpath(tools.find(name))
    with os.fdopen(open_regular(target, name), "rb") as file:
        data = file.read(MOST_EDITED + 1)
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    if len(data) > MOST_EDITED:
        raise ToolError(f"{name} exceeds {MOST_EDITED}-byte limit. Change a file this large with bash.")
    count = count_of(old, data, name)
    if count > 1 and not arguments.get("replace_all"):
        raise ToolError(f"old_string appears {count} times in {name} (must be unique)")
    replace(target, data.replace(old, new), mode)
    return [text_block(f"edited {name} ({count} replacement(s))")], {}


def count_of(old: bytes, data: bytes, name: str) -> int:
    """Count how often the text is there, at least once."""
    if not old:
        raise ToolError("old_string is empty")
    count = data.count(old)
    if not count:
        crlf = old.replace(b"\n", b"\r\n") in data
        raise ToolError(f"old_string not found in {name}{' (its lines end in CRLF)' if crlf else ''}")
    return count


def mode_of(target: str, name: str) -> int:
    """Return the mode that a file keeps, or that a new one gets."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
    check_regular(status.st_mode, name)
    return stat.S_IMODE(status.st_mode)


def replace(target: str, content: bytes, mode: int) -> None:
    """Put ``content`` in the place of a file, so that a reader sees the old or the new, never a part."""
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise PermissionError(13, "Permission denied", target)
    temporary = os.path.join(os.path.dirname(target), f".agentctl-{os.getpid()}-{os.urandom(4).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, content)
        os.fchmod(fd, mode)
        os.rename(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)


def open_regular(path: str, name: str, flags: int = 0, folder: int | None = None) -> int:
    """Open a regular file to read it; anything else is refused, and never waited for. Raises ToolError, OSError."""
    flags |= os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(path, flags, dir_fd=folder)
    try:
        check_regular(os.fstat(fd).st_mode, name)
    except ToolError:
        os.close(fd)
        raise
    return fd


def check_regular(mode: int, name: str) -> None:
    """Refuse what is not a regular file."""
    if stat.S_ISDIR(mode):
        raise ToolError(f"{name}: is a directory")
    if not stat.S_ISREG(mode):
        raise ToolError(f"{name}: not a regular file")
