"""A tar archive of the plainest kind (POSIX ustar: regular files alone), the same bytes for the same contents.

Not compressed, so that nothing in it is larger than the file itself; ``gzip`` or ``zstd`` do that as well.
Written and read in order, so a pipe will do. Whatever else a tar may hold (links, folders, devices,
extended headers, sparse files) is refused.
"""

from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from agentctl.errors import UsageError

_BLOCK = 512
_RECORD = 20 * _BLOCK
_PIECE = 1 << 20
_LONGEST_NAME = 100
_MAGIC = b"ustar\x0000"
_CHECKSUM = slice(148, 156)
_REGULAR = (b"0", b"\0")
_SHORT = "the file ends too early: it was cut off"


class Member(NamedTuple):
    """A file in an archive. Its pieces are to be read before the next member is asked for."""

    name: str
    size: int
    pieces: Iterator[bytes]


class Writer:
    """Writes an archive to a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._written = 0

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Write one file. Raises ValueError where the pieces are not ``size`` bytes."""
        self._put(_header(name, size))
        left = size
        for piece in pieces:
            left -= len(piece)
            self._put(piece)
        if left:
            raise ValueError(f"{name} is not {size} bytes long")
        self._put(bytes(-size % _BLOCK))

    def finish(self) -> None:
        """Write the end, as ``tar`` does: two empty blocks, and more up to a whole record."""
        self._put(bytes(2 * _BLOCK))
        self._put(bytes(-self._written % _RECORD))

    def _put(self, data: bytes) -> None:
        self._stream.write(data)
        self._written += len(data)


def members(stream: BinaryIO) -> Iterator[Member]:
    """Yield the files of an archive. Raises UsageError for whatever is not such an archive."""
    while (block := _exactly(stream, _BLOCK)) != bytes(_BLOCK):
        name, size = _read_header(block)
        pieces = _pieces(stream, size)
        yield Member(name, size, pieces)
        for _ in pieces:
            pass
    while rest := stream.read(_PIECE):
        if rest.strip(b"\0"):
            raise UsageError("something follows the end of the archive")


def looks_like_one(beginning: bytes) -> bool:
    """Say whether a file that begins so is a tar archive."""
    return beginning[257:262] == b"ustar"


def _header(name: str, size: int) -> bytes:
    raw = name.encode("ascii")
    if len(raw) > _LONGEST_NAME or size >= 8**11:
        raise ValueError(f"{name} does not fit into the archive")
    fields = [
        raw.ljust(100, b"\0"),
        b"0000600\0" + b"0000000\0" * 2,
        b"%011o\0" % size,
        b"%011o\0" % 0,
        b" " * 8,
        b"0" + bytes(100),
        _MAGIC,
        bytes(_BLOCK - 265),
    ]
    block = bytearray(b"".join(fields))
    block[_CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def _read_header(block: bytes) -> tuple[str, int]:
    plain = bytearray(block)
    plain[_CHECKSUM] = b" " * 8
    if block[257:262] != b"ustar" or _octal(block[_CHECKSUM]) != sum(plain):
        raise UsageError("it is not a tar archive, or damaged")
    name = block[:100].split(b"\0", 1)[0].decode("ascii", "replace")
    if block[156:157] not in _REGULAR or block[345:500].strip(b"\0"):
        raise UsageError(f"{name} in the archive is not a plain file")
    return name, _octal(block[124:136])


def _octal(field: bytes) -> int:
    text = field.strip(b"\0 ")
    if not text or text.strip(b"01234567"):
        raise UsageError("it is not a tar archive, or damaged")
    return int(text, 8)


def _pieces(stream: BinaryIO, size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            raise UsageError(_SHORT)
        left -= len(piece)
        yield piece
    if _exactly(stream, -size % _BLOCK).strip(b"\0"):
        raise UsageError("it is not a tar archive, or damaged")


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise UsageError(_SHORT)
    return data
