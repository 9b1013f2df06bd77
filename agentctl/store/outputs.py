"""Files that a session made, written out of the store into a folder of the person's.

Names and modes come from a sandbox, so they are worth nothing as they are. Whatever the record
says: only regular files are made, only inside the folder, never through a link; no file is
replaced unless that is wanted; a name stands for the whole file or for none.
"""

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentctl.canonical import JsonObject
from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.store.blobs import Blobs

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIGEST = re.compile("[0-9a-f]{64}")
_MODE_BITS = 0o755
_OWNER_BITS = 0o600
_MOST_PARTS = 64
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file as the record has it. ``digest`` is None where its bytes were not kept, and ``skipped`` says why."""

    path: str
    size: int
    mode: int
    digest: str | None
    skipped: str | None = None


def kept_files(files: Sequence[JsonObject]) -> list[KeptFile]:
    """Read the files of a ``local.outputs`` event."""
    return [_kept(file) for file in files]


def choose(files: Sequence[KeptFile], paths: Sequence[str]) -> list[KeptFile]:
    """Return the files of these paths, all where none is named. Raises NotFoundError."""
    by_path = {file.path: file for file in files}
    for path in paths:
        if path not in by_path:
            raise NotFoundError(f"the session made no file {path}", hint="list them with: agentctl outputs SESSION")
    return [by_path[path] for path in paths] if paths else list(files)


def write_files(files: Sequence[KeptFile], blobs: Blobs, folder: Path, *, replace: bool = False) -> None:
    """Write files into ``folder``, making it where needed.

    All names are checked before the first file is written. Raises UsageError for a folder or a
    name that cannot be used and for a file that is there already, unless it is to be replaced;
    StoreError for a record that lies and for bytes that are missing or damaged.
    """
    wanted = [(_parts(file.path), file) for file in files]
    with _explained(folder), _open_folder(folder) as root:
        if not replace:
            for parts, file in wanted:
                _refuse_existing(folder, parts, file)
        for parts, file in wanted:
            with _explained(folder / file.path), _inside(root, parts[:-1]) as place:
                _write(file, blobs, place, parts[-1], replace=replace)


def _kept(file: JsonObject) -> KeptFile:
    match file:
        case {"path": str(path), "size": int(size), "sha256": str(digest)} if _DIGEST.fullmatch(digest):
            return KeptFile(path, size, _mode(file), digest)
        case {"path": str(path), "size": int(size)} if "sha256" not in file:
            return KeptFile(path, size, _mode(file), None, str(file.get("skipped") or "it was not kept"))
        case _:
            raise StoreError("the record of the output files is damaged")


def _mode(file: JsonObject) -> int:
    mode = file.get("mode")
    return (mode if isinstance(mode, int) else 0o644) & _MODE_BITS | _OWNER_BITS


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if len(parts) > _MOST_PARTS or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise StoreError(f"the record names a file that is not inside the outputs folder: {path}")
    return parts


@contextlib.contextmanager
def _open_folder(folder: Path) -> Iterator[int]:
    folder.mkdir(parents=True, exist_ok=True)
    with _descriptor(os.open(folder, _FOLDER_FLAGS)) as root:
        yield root


@contextlib.contextmanager
def _inside(root: int, parts: Sequence[str]) -> Iterator[int]:
    """Open the folder ``parts`` below ``root`` one step at a time, making it; no step may be a link."""
    with contextlib.ExitStack() as held:
        place = root
        for part in parts:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=place)
            place = held.enter_context(_descriptor(os.open(part, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=place)))
        yield place


@contextlib.contextmanager
def _descriptor(opened: int) -> Iterator[int]:
    try:
        yield opened
    finally:
        os.close(opened)


def _write(file: KeptFile, blobs: Blobs, place: int, name: str, *, replace: bool) -> None:
    waiting = f".agentctl-{os.urandom(8).hex()}"
    descriptor = os.open(waiting, _FILE_FLAGS, 0o600, dir_fd=place)
    try:
        with open(descriptor, "wb") as opened:
            digest = hashlib.sha256()
            for piece in blobs.open(file.digest or ""):
                digest.update(piece)
                opened.write(piece)
            if digest.hexdigest() != file.digest:
                raise StoreError(f"the kept bytes of {file.path} are damaged")
            os.fchmod(opened.fileno(), file.mode)
        if replace:
            os.rename(waiting, name, src_dir_fd=place, dst_dir_fd=place)
        else:
            _name_new(waiting, name, place)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(waiting, dir_fd=place)


def _name_new(waiting: str, name: str, place: int) -> None:
    """Give a file its name unless there is one of that name; where there are no hard links, a moment apart."""
    try:
        os.link(waiting, name, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if _is_there(name, place):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(waiting, name, src_dir_fd=place, dst_dir_fd=place)


def _is_there(name: str, place: int) -> bool:
    try:
        os.stat(name, dir_fd=place, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _refuse_existing(folder: Path, parts: Sequence[str], file: KeptFile) -> None:
    if os.path.lexists(folder.joinpath(*parts)):
        hint = "replace it with --force, or choose another folder"
        raise UsageError(f"{folder / file.path} is there already", hint=hint)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", hint="choose another folder") from error
    except OSError as error:
        reason = "part of it is a link" if error.errno == errno.ELOOP else error.strerror
        raise UsageError(f"cannot write {path}: {reason}") from error
