"""Files of this machine become files of a session's record, from which its sandbox is filled."""

import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agentctl.canonical import JsonObject
from agentctl.errors import UsageError
from agentctl.harness.hands import Supplied
from agentctl.sandbox.base import Layout, Progress, Upload
from agentctl.sandbox.inside.files import seconds_of
from agentctl.sandbox.transfer import load
from agentctl.session.files import File, FilesRecord, Restoring, manifest_of
from agentctl.store.blobs import Blobs
from agentctl.visible import visible_line

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What a session begins with: its files, and the members of ``local.files_uploaded``."""

    files: tuple[File, ...]
    event: JsonObject


def upload(uploads: Sequence[Upload], blobs: Blobs, progress: Progress) -> Uploaded:
    """Read everything that is to be copied in, once, and keep it.

    What changes meanwhile is kept as it was read. Raises NotFoundError, UsageError for what cannot be
    read and for more than the limits allow, StoreError.
    """
    if not uploads:
        return Uploaded((), {})
    cargoes = load(uploads)
    skipped = [name for cargo in cargoes for name in cargo.skipped]
    for name in skipped:
        progress(f"not copied, for it is neither file nor folder nor link: {visible_line(name)}")
    sources = [
        _Source(_usual_path(cargo.folder, name), path, progress) for cargo in cargoes for name, path in cargo.paths
    ]
    return _uploaded([file for file in _kept(sources, blobs) if file is not None], skipped, blobs)


def supplier(
    uploads: Sequence[Upload], blobs: Blobs, progress: Progress, record: Callable[[], FilesRecord]
) -> Callable[[JsonObject, bool], Supplied]:
    """Make what supplies the sandboxes of a session with the files of its record, at its beginning with uploads."""

    def supply(prepared: JsonObject, attached: bool) -> Supplied:
        files = record()
        if not files.is_recorded:
            uploaded = upload(uploads, blobs, progress)
            return Supplied(Restoring(uploaded.files), blobs, uploaded.event if uploads else None)
        if attached:
            return Supplied(Restoring(()), blobs)
        return Supplied(files.restoring(blobs, prepared.get("checkpoint")), blobs)

    return supply


class _Source:
    """A file, folder or link of this machine, and where it goes."""

    def __init__(self, path: str, source: Path, progress: Progress) -> None:
        self._path, self._source, self._progress = path, source, progress
        self.file: File | None = None

    def look(self) -> bool:
        """Say whether there are contents to be read; if not, ``file`` is known, or None for what went away."""
        try:
            status = self._source.lstat()
            if stat.S_ISREG(status.st_mode):
                return True
            mode, mtime = stat.S_IMODE(status.st_mode) & 0o777, seconds_of(status.st_mtime_ns)
            if stat.S_ISDIR(status.st_mode):
                self.file = File(self._path, "folder", mode, mtime=mtime)
            elif stat.S_ISLNK(status.st_mode):
                self.file = File(self._path, "link", 0o777, target=os.readlink(self._source), mtime=mtime)  # noqa: PTH115 - to the letter
        except FileNotFoundError:
            self._went_away()
        return False

    def read(self) -> Iterator[bytes]:
        """Yield the contents; afterwards ``file`` is known but for their size and name."""
        try:
            descriptor = os.open(self._source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            self._went_away()
            return
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"cannot copy {visible_line(str(self._source))}: {reason}") from error
        with open(descriptor, "rb", buffering=0) as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                self._went_away()
                return
            mode, mtime = stat.S_IMODE(status.st_mode) & 0o777, seconds_of(status.st_mtime_ns)
            self.file = File(self._path, "file", mode, mtime=mtime)
            left = status.st_size
            while left and (piece := opened.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece

    def _went_away(self) -> None:
        self._progress(f"{visible_line(self._path)} went away while it was to be copied")


def _kept(sources: Sequence[_Source], blobs: Blobs) -> Iterator[File | None]:
    with_contents = {source for source in sources if source.look()}
    found = iter(blobs.put_many(source.read() for source in sources if source in with_contents))
    for source in sources:
        file = source.file
        if source in with_contents:
            digest, size = next(found)
            file = file and replace(file, size=size, digest=digest)
        yield file


def _uploaded(found: Sequence[File], skipped: list[str], blobs: Blobs) -> Uploaded:
    files = list({file.path: file for file in found}.values())
    manifest, _ = blobs.put([manifest_of(files)])
    event = {
        "manifest": manifest,
        "files": len(files),
        "bytes": sum(file.size for file in files),
        "skipped": [visible_line(name) for name in skipped],
    }
    return Uploaded(tuple(files), event)


def _usual_path(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(Layout().workspace, folder, name))
