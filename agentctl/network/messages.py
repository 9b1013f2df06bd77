"""Messages of HTTP/1.1 (RFC 9112) as they come out of TLS, read strictly.

What could be understood in two ways is refused: where a message ends decides which bytes are the next
one's header, and so where a secret may go.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

_MOST_HEAD = 64 * 1024
_MOST_LINE = 8 * 1024
_MOST_TRAILERS = 64
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST = re.compile(rf"({_NAME}) (/[\x21-\x7e\x80-\xff]*|\*) HTTP/1\.([01])")
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_FIELD = re.compile(rf"({_NAME}):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_CHUNK = re.compile(r"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_DIGITS = re.compile(r"[0-9]{1,15}")

Framing: TypeAlias = int | Literal["chunked", "to the end"]
"""How long a body is: bytes, or by what its end is known."""


class BadMessageError(ValueError):
    """What came cannot be understood in one way only; says why."""


class Source(Protocol):
    """Where bytes come from."""

    def read(self, timeout_seconds: float) -> bytes:
        """Return what has come; no bytes at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a message and its fields, in order."""

    first: str
    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Return every value of a field, by its name in lower case."""
        return [value for given, value in self.fields if given.lower() == name]

    def words(self, name: str) -> set[str]:
        """Return the elements of a field that is a list, in lower case."""
        return {word.strip().lower() for value in self.all(name) for word in value.split(",")} - {""}

    def having(self, name: str, value: str | None) -> "Head":
        """Return the head with a field once, or not at all."""
        fields = tuple(field for field in self.fields if field[0].lower() != name.lower())
        return replace(self, fields=fields if value is None else (*fields, (name, value)))

    def written(self) -> bytes:
        """Write it as it is sent."""
        lines = [self.first, *(f"{name}: {value}" for name, value in self.fields)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head, understood."""

    head: Head
    method: str
    is_http_1_0: bool
    framing: Framing


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's head, understood. ``framing`` is for a request whose answer has a body."""

    head: Head
    status: int
    is_http_1_0: bool
    framing: Framing


def read_request(head: Head) -> Request:
    """Understand a request to the server itself, not to a proxy. Raises BadMessageError."""
    match = _REQUEST.fullmatch(head.first)
    if match is None:
        raise BadMessageError("it does not begin with a line of HTTP/1.1")
    framing = _framing(head, is_http_1_0=match[3] == "0")
    return Request(head, match[1], match[3] == "0", 0 if framing == "to the end" else framing)


def read_answer(head: Head) -> Answer:
    """Understand an answer. Raises BadMessageError."""
    match = _STATUS.fullmatch(head.first)
    if match is None:
        raise BadMessageError("it does not begin with a status of HTTP/1.1")
    return Answer(head, int(match[2]), match[1] == "0", _framing(head, is_http_1_0=match[1] == "0"))


def _framing(head: Head, *, is_http_1_0: bool) -> Framing:
    lengths, codings = head.all("content-length"), head.all("transfer-encoding")
    if codings:
        if lengths or is_http_1_0 or [coding.strip().lower() for coding in codings] != ["chunked"]:
            raise BadMessageError("where its body ends is not sure")
        return "chunked"
    if not lengths:
        return "to the end"
    if len(lengths) > 1 or not _DIGITS.fullmatch(lengths[0]):
        raise BadMessageError("its content-length is not one number")
    return int(lengths[0])


class Incoming:
    """Messages that come from one side. Raises BadMessageError, and what its source raises."""

    def __init__(self, source: Source, timeout_seconds: float) -> None:
        self._source = source
        self._timeout_seconds = timeout_seconds
        self._data = b""
        self.trailers: tuple[tuple[str, str], ...] = ()

    def head(self) -> Head | None:
        """Read the head of the next message; None at the end."""
        while (end := self._data.find(b"\r\n\r\n")) < 0:
            if len(self._data) > _MOST_HEAD:
                raise BadMessageError("its head is too long")
            if not self._fill():
                if self._data:
                    raise BadMessageError("its head was cut off")
                return None
        if end > _MOST_HEAD:
            raise BadMessageError("its head is too long")
        text, self._data = self._data[:end].decode("latin-1"), self._data[end + 4 :]
        first, *lines = text.split("\r\n")
        return Head(first, tuple(map(_field, lines)))

    def body(self, framing: Framing) -> Iterator[bytes]:
        """Yield a body as it comes, without the marks between chunks; its trailers are there afterwards."""
        self.trailers = ()
        if framing == "chunked":
            while size := self._chunk_size():
                yield from self._exactly(size)
                if self._line():
                    raise BadMessageError("a chunk of its body is longer than it says")
            self.trailers = tuple(self._trailers())
        elif framing == "to the end":
            while self._data or self._fill():
                data, self._data = self._data, b""
                yield data
        else:
            yield from self._exactly(framing)

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            if not self._data and not self._fill():
                raise BadMessageError("its body was cut off")
            data, self._data = self._data[:size], self._data[size:]
            size -= len(data)
            yield data

    def _chunk_size(self) -> int:
        match = _CHUNK.fullmatch(self._line())
        if match is None:
            raise BadMessageError("the size of a chunk of its body is not a number")
        return int(match[1], 16)

    def _trailers(self) -> Iterator[tuple[str, str]]:
        for _ in range(_MOST_TRAILERS):
            line = self._line()
            if not line:
                return
            yield _field(line)
        raise BadMessageError("it has too many trailers")

    def _line(self) -> str:
        while (end := self._data.find(b"\r\n")) < 0:
            if len(self._data) > _MOST_LINE:
                raise BadMessageError("a line of its body is too long")
            if not self._fill():
                raise BadMessageError("its body was cut off")
        line, self._data = self._data[:end].decode("latin-1"), self._data[end + 2 :]
        return line

    def _fill(self) -> bool:
        data = self._source.read(self._timeout_seconds)
        self._data += data
        return bool(data)


def _field(line: str) -> tuple[str, str]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise BadMessageError("a line of its header is not a name, a colon and a value")
    return match[1], match[2].rstrip(" \t")


def chunk(data: bytes) -> bytes:
    """Write a piece of a body that goes in chunks; nothing for no bytes, which would end it."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def last_chunk(trailers: tuple[tuple[str, str], ...]) -> bytes:
    """Write the end of a body that goes in chunks."""
    return b"0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers).encode("latin-1") + b"\r\n"
