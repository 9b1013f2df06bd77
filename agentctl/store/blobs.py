"""Large payloads, each stored once, in a file named by its SHA-256."""

import errno
import hashlib
import itertools
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from agentctl.errors import StoreError
from agentctl.store.syncing import sync, sync_file_system

_PIECE = 1 << 20
_MOST_PIECES = 1 << 10
"""Of what is read whole: large strings, and lists of files."""

_MOST_SINGLY = 16
"""Files that are made durable one by one; where there are more, the whole file system is, which takes as long as
some of them do."""

_UNSURE_SECONDS = 10.0
"""How long after it was named another process may still be about to make a blob durable."""

TOUCH_SECONDS = 60.0
"""How old the time of a blob may be when it is put once more: who sweeps takes what is old for unused."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_WAITING = re.compile(r"\.(?:[0-9]+-[0-9a-f]{16}|swept-[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the folder, its bytes, and when it was put last (seconds of the clock).

    ``digest`` is None for what a killed process has left without a name.
    """

    path: Path
    digest: str | None
    size: int
    seconds: float


class Blobs:
    """A content-addressed folder: ``ab/abcdef…``, files of mode 0600.

    What is stored goes through ``clean`` first, and is named by what comes out of it.
    """

    def __init__(self, root: Path, clean: Callable[[Iterable[bytes]], Iterator[bytes]] = iter) -> None:
        self._root = root
        self._clean = clean

    def put(self, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Store bytes durably; return their SHA-256 in hexadecimal and their number. Raises StoreError."""
        return self.put_many([pieces])[0]

    def put_many(self, payloads: Iterable[Iterable[bytes]]) -> list[tuple[str, int]]:
        """Store many at once, durably; return the SHA-256 and the number of bytes of each. Raises StoreError.

        What is there already is not written again. A process that dies in the middle leaves files
        that nobody knows of and, if the machine does as well, files that are shorter than they should
        be, which are written again when they are stored the next time.
        """
        named: dict[Path, bool] = {}
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = [self._settle(pieces, named) for pieces in payloads]
            self._make_durable(named)
        except OSError as error:
            for place in (place for place, is_ours in named.items() if is_ours):
                place.unlink(missing_ok=True)  # nobody knows what of it is on the disk: nobody shall rely on it
            raise StoreError(f"cannot write to {self._root}: {error.strerror}") from error
        return found

    def read(self, digest: str) -> bytes:
        """Return a blob whole. Raises StoreError where it is missing or damaged."""
        pieces = list(itertools.islice(self.open(digest), _MOST_PIECES + 1))
        if len(pieces) > _MOST_PIECES:
            raise StoreError(f"blob {digest} is damaged: it is larger than anything that was put")
        data = b"".join(pieces)
        if hashlib.sha256(data).hexdigest() != digest:
            raise StoreError(f"blob {digest} is damaged")
        return data

    def open(self, digest: str) -> Iterator[bytes]:
        """Yield a blob in pieces of at most 1 MiB. Raises StoreError where it is missing."""
        try:
            with open(_opened(self._path(digest)), "rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise StoreError(f"blob {digest} cannot be read: {error.strerror}") from error

    def stored(self) -> Iterator[Stored]:
        """Yield every file there is, in no order. Raises StoreError."""
        try:
            for entry in _entries(self._root):
                if _WAITING.fullmatch(entry.name):
                    yield _seen(entry, None)
                elif entry.is_dir(follow_symlinks=False):
                    yield from (_seen(each, each.name) for each in _entries(entry.path) if _DIGEST.fullmatch(each.name))
        except FileNotFoundError:
            return  # removed while it was looked at, or never there
        except OSError as error:
            raise StoreError(f"cannot read {self._root}: {error.strerror}") from error

    def discard(self, found: Stored, before: float) -> bool:
        """Remove a file that was last put before a moment (seconds of the clock). Returns False where it was not.

        Whoever puts the same bytes meanwhile keeps them: they find nothing and write it anew, or what they have
        touched is given its name back. Raises StoreError.
        """
        aside = self._root / f".swept-{found.digest}" if found.digest else found.path
        try:
            if found.path.stat().st_mtime >= before:
                return False
            found.path.rename(aside)
            if aside.stat().st_mtime >= before:
                aside.rename(found.path)
                return False
            aside.unlink()
        except FileNotFoundError:
            return False  # somebody else sweeps
        except OSError as error:
            raise StoreError(f"cannot remove {found.path}: {error.strerror}") from error
        return True

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest

    def _settle(self, pieces: Iterable[bytes], named: dict[Path, bool]) -> tuple[str, int]:
        """Put one under its name, if it is not there; note what is to be made durable, and whether it is ours."""
        coming = self._clean(pieces)
        first, second = next(coming, b""), next(coming, b"")
        if not second:  # the usual case: nothing is written before it is known to be new
            digest = hashlib.sha256(first).hexdigest()
            if not self._has(digest, len(first), named):
                self._name(self._written([first])[0], digest, named)
            return digest, len(first)
        waiting, digest, size = self._written([first, second], coming)
        if self._has(digest, size, named):
            waiting.unlink()
        else:
            self._name(waiting, digest, named)
        return digest, size

    def _has(self, digest: str, size: int, named: dict[Path, bool]) -> bool:
        place = self._path(digest)
        try:
            status = place.stat()
        except FileNotFoundError:
            return False
        age = abs(time.time() - status.st_mtime)
        if age < _UNSURE_SECONDS:
            named.setdefault(place, False)
        elif age > TOUCH_SECONDS and not _touched(place):
            return False
        return status.st_size == size

    def _written(self, *pieces: Iterable[bytes]) -> tuple[Path, str, int]:
        """Write a file that has no name yet that means something."""
        digest, size = hashlib.sha256(), 0
        waiting = self._root / f".{os.getpid()}-{os.urandom(8).hex()}"
        descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb", buffering=0) as file:
                for piece in itertools.chain(*pieces):
                    digest.update(piece)
                    size += len(piece)
                    _write_all(file, piece)
        except BaseException:
            waiting.unlink(missing_ok=True)
            raise
        return waiting, digest.hexdigest(), size

    def _name(self, waiting: Path, digest: str, named: dict[Path, bool]) -> None:
        place = self._path(digest)
        try:
            waiting.rename(place)
        except FileNotFoundError:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            named[self._root] = False
            waiting.rename(place)
        named[place] = True

    def _make_durable(self, named: Collection[Path]) -> None:
        if len(named) > _MOST_SINGLY:
            sync_file_system(self._root)
            return
        for place in dict.fromkeys([*named, *(place.parent for place in named if place != self._root)]):
            sync(place)


def _opened(place: Path) -> int:
    """Open a blob to be read. Raises OSError for what is no regular file, without waiting for anybody."""
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


def _touched(place: Path) -> bool:
    """Say that a blob is in use. Returns False where it was swept away meanwhile."""
    try:
        os.utime(place)
    except FileNotFoundError:
        return False
    except PermissionError:
        pass  # whoever cannot touch it cannot sweep it
    return True


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries


def _seen(entry: os.DirEntry[str], digest: str | None) -> Stored:
    status = entry.stat(follow_symlinks=False)
    return Stored(Path(entry.path), digest, status.st_size, status.st_mtime)


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
