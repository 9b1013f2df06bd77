"""Files of a record on their way into a sandbox, as one tar stream."""

import hashlib
import tarfile
import time
from collections.abc import Iterator, Sequence

from agentctl.errors import StoreError
from agentctl.sandbox.base import Progress
from agentctl.sandbox.inside.files import nanoseconds_of
from agentctl.sandbox.places import Places
from agentctl.session.files import Contents, File
from agentctl.visible import visible_line

_PIECE = 256 << 10
_TOLD_EVERY = 64 << 20
_BLOCK = tarfile.BLOCKSIZE
_TYPES = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


def tar_stream(files: Sequence[File], contents: Contents, places: Places, progress: Progress) -> Iterator[bytes]:
    """Yield a tar archive of the files in pieces, to be unpacked at the root; what was not kept is left out.

    The number of a file's owner is what its time has of microseconds beyond the second.

    Raises StoreError for contents that are missing, or are not what they should be.
    """
    piece = bytearray()
    sent = told = 0
    for number, file in enumerate(sorted(files, key=lambda file: file.path), 1):
        for part in _member(file, contents, places):
            piece += part
            if len(piece) >= _PIECE:
                sent += len(piece)
                yield bytes(piece)
                piece.clear()
        if sent - told >= _TOLD_EVERY:
            told = sent
            progress(f"copied {number:,} of {len(files):,} files, {sent >> 20:,} MiB")
    yield bytes(piece + bytes(2 * _BLOCK))


def _member(file: File, contents: Contents, places: Places) -> Iterator[bytes]:
    if file.kind == "file" and file.digest is None:
        return
    info = tarfile.TarInfo(places.inside(file.path).lstrip("/"))
    info.type, info.mode = _TYPES[file.kind], file.mode
    changed = int(time.time()) if file.mtime is None else file.mtime
    # Nobody's number is in it, so microseconds go there: as a record of PAX they would take twice as long to unpack.
    info.mtime, info.uid = divmod(nanoseconds_of(changed) // 1000, 1_000_000)
    if file.kind == "file":
        info.size = file.size
    info.linkname = file.target or ""
    yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    if file.digest is not None:
        yield from _data(file, file.digest, contents)
        yield bytes(-file.size % _BLOCK)


def _data(file: File, name: str, contents: Contents) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for piece in contents.open(name):
        digest.update(piece)
        size += len(piece)
        yield piece
    if size != file.size or digest.hexdigest() != name:
        raise StoreError(f"the kept contents of {visible_line(file.path)} are damaged")
