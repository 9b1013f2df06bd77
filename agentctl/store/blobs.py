"""Large payloads, each stored once, in a file named by its SHA-256."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from agentctl.errors import StoreError

_PIECE = 1 << 20


class Blobs:
    """A content-addressed folder: ``ab/abcdef…``, files of mode 0600."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Store bytes durably; return their SHA-256 in hexadecimal and their number. Raises StoreError."""
        digest, size = hashlib.sha256(), 0
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            waiting = self._root / f".{os.getpid()}-{os.urandom(8).hex()}"
            descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with open(descriptor, "wb") as file:
                    for piece in pieces:
                        digest.update(piece)
                        size += file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                self._settle(waiting, digest.hexdigest())
            finally:
                waiting.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write to {self._root}: {error.strerror}") from error
        return digest.hexdigest(), size

    def read(self, digest: str) -> bytes:
        """Return a blob whole. Raises StoreError where it is missing or damaged."""
        data = b"".join(self.open(digest))
        if hashlib.sha256(data).hexdigest() != digest:
            raise StoreError(f"blob {digest} is damaged")
        return data

    def open(self, digest: str) -> Iterator[bytes]:
        """Yield a blob in pieces of at most 1 MiB. Raises StoreError where it is missing."""
        try:
            with open(self._path(digest), "rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise StoreError(f"blob {digest} cannot be read: {error.strerror}") from error

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest

    def _settle(self, waiting: Path, digest: str) -> None:
        place = self._path(digest)
        if place.exists():
            return
        place.parent.mkdir(mode=0o700, exist_ok=True)
        waiting.rename(place)
        for folder in (place.parent, self._root):
            _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
