"""The first message of a TLS client (RFC 8446, 4.1.2): which server does it want to speak to?"""

import struct
from dataclasses import dataclass

MOST_BYTES = 64 * 1024
"""How long a hello may be, its records' headers included."""

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_MOST_RECORD = 1 << 14
_SERVER_NAME = 0
_HOST_NAME = 0
_ENCRYPTED = 0xFE0D
_EXTENSION = struct.Struct(">HH")
_EARLY = "its hello ends early"


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
    return _hello(message)


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


def _hello(message: bytes) -> Hello:
    place = 2 + 32  # behind the version and what is random
    for size in (1, 2, 1):  # session, cipher suites, compression
        _, place = _vector(message, place, size)
    extensions: dict[int, bytes] = {}
    if place < len(message):
        listed, place = _vector(message, place, 2)
        extensions = _extensions(listed)
    if place < len(message):
        raise BadHelloError("there is something behind its hello's extensions")
    name = _server_name(extensions[_SERVER_NAME]) if _SERVER_NAME in extensions else None
    return Hello(name, _ENCRYPTED in extensions)


def _extensions(data: bytes) -> dict[int, bytes]:
    # Every hello has a dozen of them, and its connection waits: so no function is called for each.
    found: dict[int, bytes] = {}
    place = 0
    while place < len(data):
        begin = place + _EXTENSION.size
        if begin > len(data):
            raise BadHelloError(_EARLY)
        kind, length = _EXTENSION.unpack_from(data, place)
        place = begin + length
        if place > len(data):
            raise BadHelloError(_EARLY)
        if kind in found:
            raise BadHelloError("its hello says a thing twice")
        found[kind] = data[begin:place]
    return found


def _server_name(data: bytes) -> str:
    names, end = _vector(data, 0, 2)
    name, end_of_name = _vector(names, 1, 2)
    if end < len(data) or end_of_name < len(names) or names[0] != _HOST_NAME or not name:
        raise BadHelloError("the server's name in its hello cannot be read")
    try:
        return name.decode("ascii")
    except UnicodeDecodeError:
        raise BadHelloError("the server's name in its hello cannot be read") from None


def _vector(data: bytes, place: int, size: int) -> tuple[bytes, int]:
    """Read a length of ``size`` bytes and as many bytes as it says; return these, and the place behind them."""
    begin = place + size
    end = begin + int.from_bytes(data[place:begin], "big")
    if begin > len(data) or end > len(data):
        raise BadHelloError(_EARLY)
    return data[begin:end], end
