"""The first message of a TLS client (RFC 8446, 4.1.2): which server does it want to speak to?"""

from dataclasses import dataclass

MOST_BYTES = 64 * 1024
"""How long a hello may be, its records' headers included."""

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_MOST_RECORD = 1 << 14
_SERVER_NAME = 0
_ENCRYPTED = 0xFE0D


class BadHelloError(ValueError):
    """What came is not the hello of a TLS client; says what is wrong."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client said: ``server_name`` as it was written, None where there is none.

    ``encrypted`` says that it holds a second hello which cannot be read (RFC 9849), and so perhaps
    another name.
    """

    server_name: str | None
    encrypted: bool


def may_be_tls(data: bytes) -> bool:
    """Say whether what came, at least a byte, can be the beginning of a hello."""
    return data[0] == _HANDSHAKE and (len(data) < 2 or data[1] == 3)


def read_hello(data: bytes) -> Hello | None:
    """Read the hello that ``data`` begins with, from however many records; None while some of it is missing.

    Raises BadHelloError, also for a hello of more than 64 KiB.
    """
    message = _message(data)
    if message is None:
        if len(data) >= MOST_BYTES:
            raise BadHelloError("its hello is too long")
        return None
    return _hello(_Reader(message))


def _message(data: bytes) -> bytes | None:
    """Put the records of the first handshake message together; None while some are missing."""
    message, place = b"", 0
    while len(data) - place >= 5:
        length = _length_of_record(data[place : place + 5])
        message += data[place + 5 : place + 5 + length]
        if message and message[0] != _CLIENT_HELLO:
            raise BadHelloError("it does not begin with a hello")
        whole = int.from_bytes(message[1:4], "big") if len(message) >= 4 else MOST_BYTES
        if whole > MOST_BYTES:
            raise BadHelloError("its hello is too long")
        if len(message) >= 4 + whole:
            return message[4 : 4 + whole]
        place += 5 + length
    if data and not may_be_tls(data[place:] or data):
        raise BadHelloError("it does not speak TLS")
    return None


def _length_of_record(header: bytes) -> int:
    length = int.from_bytes(header[3:5], "big")
    if not may_be_tls(header) or not 0 < length <= _MOST_RECORD:
        raise BadHelloError("it does not speak TLS")
    return length


def _hello(reader: "_Reader") -> Hello:
    reader.take(2 + 32)  # version, random
    reader.vector(1)  # session
    reader.vector(2)  # cipher suites
    reader.vector(1)  # compression
    extensions = _extensions(reader.vector(2)) if reader.left else {}
    if reader.left:
        raise BadHelloError("there is something behind its hello's extensions")
    name = _server_name(extensions[_SERVER_NAME]) if _SERVER_NAME in extensions else None
    return Hello(name, _ENCRYPTED in extensions)


def _extensions(data: bytes) -> dict[int, bytes]:
    reader, found = _Reader(data), dict[int, bytes]()
    while reader.left:
        kind = int.from_bytes(reader.take(2), "big")
        if kind in found:
            raise BadHelloError("its hello says a thing twice")
        found[kind] = reader.vector(2)
    return found


def _server_name(data: bytes) -> str:
    reader = _Reader(data)
    names = _Reader(reader.vector(2))
    kind, name = names.take(1), names.vector(2)
    if reader.left or names.left or kind != b"\0" or not name:
        raise BadHelloError("the server's name in its hello cannot be read")
    try:
        return name.decode("ascii")
    except UnicodeDecodeError:
        raise BadHelloError("the server's name in its hello cannot be read") from None


class _Reader:
    """Takes bytes from the front. Raises BadHelloError where they are missing."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._place

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise BadHelloError("its hello ends early")
        self._place += count
        return self._data[self._place - count : self._place]

    def vector(self, size: int) -> bytes:
        """Take a length of ``size`` bytes and as many bytes as it says."""
        return self.take(int.from_bytes(self.take(size), "big"))
