"""Files of the host on their way into a sandbox: looked at first, then sent as one tar stream each.

Symbolic links stay links, hidden files come along, and what is neither file nor folder nor link is
left out and told. A source that changes meanwhile may give old or new contents, or a file filled up
with zeros, but never a broken stream.
"""

import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agentctl.errors import NotFoundError, UsageError
from agentctl.sandbox.base import Progress, Upload
from agentctl.visible import visible_line

MOST_BYTES = 1 << 30
"""All uploads of a session together."""

MOST_FILES = 100_000
"""Files, folders and links, all uploads of a session together."""

_PIECE = 256 << 10
_TOLD_EVERY = 64 << 20
_BLOCK = tarfile.BLOCKSIZE


@dataclass(slots=True)
class Cargo:
    """One upload, looked at: the folder it goes to, and the paths that go there by their names.

    ``size`` counts bytes of regular files; ``skipped`` names what cannot be copied.
    """

    folder: str
    paths: list[tuple[str, Path]] = field(default_factory=list)
    size: int = 0
    skipped: list[str] = field(default_factory=list)


def load(uploads: Sequence[Upload], *, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> list[Cargo]:
    """Look at everything that is to be copied.

    Raises NotFoundError where there is nothing, UsageError for what cannot be read and for more
    than the limits allow.
    """
    cargoes = [_looked_at(upload) for upload in uploads]
    files, size = sum(len(cargo.paths) for cargo in cargoes), sum(cargo.size for cargo in cargoes)
    if files > most_files or size > most_bytes:
        raise UsageError(
            f"there is too much to copy into the sandbox: {files:,} files, {_mib(size)} MiB",
            hint=f"at most {most_files:,} files and {_mib(most_bytes)} MiB are copied",
        )
    return cargoes


def tar_stream(cargo: Cargo, progress: Progress) -> Iterator[bytes]:
    """Yield a tar archive in pieces. Raises UsageError for a file that can no longer be read."""
    piece = bytearray()
    sent = told = 0
    for number, (name, path) in enumerate(cargo.paths, 1):
        for part in _member(name, path, progress):
            piece += part
            if len(piece) >= _PIECE:
                sent += len(piece)
                yield bytes(piece)
                piece.clear()
        if sent - told >= _TOLD_EVERY:
            told = sent
            progress(f"copied {number:,} of {len(cargo.paths):,} files, {sent >> 20:,} MiB")
    yield bytes(piece + bytes(2 * _BLOCK))


def _looked_at(upload: Upload) -> Cargo:
    source = upload.source
    try:
        mode = source.stat().st_mode
    except OSError as error:
        raise NotFoundError(f"cannot copy {_shown(source)}: {_reason(error)}") from error
    if stat.S_ISDIR(mode):
        cargo = Cargo(upload.target)
        _walk(source, cargo)
        return cargo
    if not stat.S_ISREG(mode):
        raise UsageError(f"cannot copy {_shown(source)}: neither a file nor a folder")
    target = upload.target + source.name if upload.target.endswith("/") else upload.target
    folder, _, name = target.rpartition("/")
    cargo = Cargo(folder or ("/" if target.startswith("/") else "."))
    _add(name, source.resolve(), source.stat(), cargo)
    return cargo


def _walk(source: Path, cargo: Cargo) -> None:
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(source / folder), key=lambda entry: entry.name)
        except OSError as error:
            raise UsageError(f"cannot copy {_shown(source / folder)}: {_reason(error)}") from error
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            status = entry.stat(follow_symlinks=False)
            _add(name, Path(entry.path), status, cargo)
            if stat.S_ISDIR(status.st_mode):
                folders.append(name)


def _add(name: str, path: Path, status: os.stat_result, cargo: Cargo) -> None:
    if stat.S_ISREG(status.st_mode):
        cargo.size += status.st_size
        if not os.access(path, os.R_OK):
            raise UsageError(f"cannot copy {_shown(path)}: permission denied")
    elif not (stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        cargo.skipped.append(name)
        return
    cargo.paths.append((name, path))


def _member(name: str, path: Path, progress: Progress) -> Iterator[bytes]:
    try:
        status = path.lstat()
        info = tarfile.TarInfo(name)
        info.mode, info.mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
        if stat.S_ISDIR(status.st_mode):
            info.type = tarfile.DIRTYPE
        elif stat.S_ISLNK(status.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            yield from _file(info, path, progress)
            return
        else:
            return
    except FileNotFoundError:
        progress(f"{visible_line(name)} went away while it was to be copied")
        return
    yield _header(info)


def _file(info: tarfile.TarInfo, path: Path, progress: Progress) -> Iterator[bytes]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError as error:
        raise UsageError(f"cannot copy {_shown(path)}: {_reason(error)}") from error
    with os.fdopen(fd, "rb", buffering=0) as file:
        info.size = left = os.fstat(fd).st_size
        yield _header(info)
        while left:
            data = file.read(min(left, _PIECE))
            if not data:
                break
            left -= len(data)
            yield data
    if left:
        progress(f"{_shown(path)} became shorter while it was copied")
    while left:
        filling = bytes(min(left, _PIECE))
        left -= len(filling)
        yield filling
    yield bytes(-info.size % _BLOCK)


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f}"


def _shown(path: Path) -> str:
    return visible_line(str(path))


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
