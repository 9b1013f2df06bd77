"""Where the body of a request ends: nothing behind it goes upstream."""

import re
from typing import Protocol

from agentctl.network.requests import BadRequestError

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e]*)?")
_MOST_LINE = 4_096


class Body(Protocol):
    """A body that comes piece by piece."""

    @property
    def is_whole(self) -> bool:
        """Whether all of it has been taken."""
        ...

    def take(self, data: bytes) -> bytes:
        """Return what of ``data`` belongs to the body. Raises BadRequestError."""
        ...


class Sized:
    """A body of so many bytes."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def is_whole(self) -> bool:
        """Whether all of it has been taken."""
        return self._left == 0

    def take(self, data: bytes) -> bytes:
        """Return what of ``data`` belongs to the body."""
        taken = data[: self._left]
        self._left -= len(taken)
        return taken


class Chunked:
    """A body in chunks (RFC 9112, 7.1), passed on as it came."""

    def __init__(self) -> None:
        self._data_left = 0
        self._line = b""
        self._expects = "size"

    @property
    def is_whole(self) -> bool:
        """Whether all of it has been taken."""
        return self._expects == "nothing"

    def take(self, data: bytes) -> bytes:
        """Return what of ``data`` belongs to the body. Raises BadRequestError where its end is not sure."""
        place = 0
        while place < len(data) and not self.is_whole:
            place += self._take_data(data[place:]) if self._data_left else self._take_line(data[place:])
        return data[:place]

    def _take_data(self, data: bytes) -> int:
        taken = min(len(data), self._data_left)
        self._data_left -= taken
        return taken

    def _take_line(self, data: bytes) -> int:
        end = data.find(b"\n") + 1
        taken = end or len(data)
        self._line += data[:taken]
        if len(self._line) > _MOST_LINE:
            raise BadRequestError("a line of its body is too long")
        if end:
            line, self._line = self._line, b""
            self._end_line(line)
        return taken

    def _end_line(self, line: bytes) -> None:
        text = line.removesuffix(b"\r\n")
        if len(line) - len(text) != 2 or b"\r" in text:
            raise BadRequestError("a line of its body does not end as it must")
        match self._expects:
            case "size":
                self._begin_chunk(text)
            case "end of chunk":
                self._expects = "size"
                if text:
                    raise BadRequestError("a chunk of its body is longer than it says")
            case "trailer":
                self._expects = "trailer" if text else "nothing"

    def _begin_chunk(self, text: bytes) -> None:
        match = _SIZE.fullmatch(text)
        if match is None:
            raise BadRequestError("the size of a chunk of its body is not a number")
        self._data_left = int(match[1], 16)
        self._expects = "end of chunk" if self._data_left else "trailer"


def body_of(length: int | None) -> Body:
    """Make the body of ``length`` bytes, or the one that comes in chunks for None."""
    return Chunked() if length is None else Sized(length)
