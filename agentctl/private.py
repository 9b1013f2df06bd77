"""Files that only this user can read: keys, and what they lock.

One that others can read or change is refused, and so is a link: whoever could put it there could
choose what is in it.
"""

import contextlib
import os
import stat
from pathlib import Path

from agentctl.errors import StoreError, UsageError

_MOST_BYTES = 16 << 20


def read_private(path: Path) -> bytes:
    """Read a file that only this user can read or change.

    Raises FileNotFoundError, and UsageError for a file that others could read, write or have put there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = "is a symbolic link" if path.is_symlink() else f"cannot be read: {error.strerror}"
        raise UsageError(f"{path} {why}; it holds secrets and was not opened") from error
    with open(descriptor, "rb") as file:
        _refuse_unsafe(os.fstat(descriptor), path)
        return file.read(_MOST_BYTES)


def write_private(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write a file of mode 0600 durably, whole or not at all.

    Raises StoreError, and UsageError for one that is there and may not be replaced.
    """
    waiting = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            waiting.rename(path)
        else:
            os.link(waiting, path)
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already") from error
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):  # where nothing can be written, nothing can be removed either
            waiting.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_unsafe(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is not a regular file; it was not read")
    if status.st_uid != os.geteuid():
        raise UsageError(f"{path} belongs to somebody else; it was not read")
    if status.st_mode & 0o077:
        raise UsageError(
            f"{path} can be read or written by others (mode {stat.S_IMODE(status.st_mode):04o})",
            hint=f"others may know what is in it; if they do not: chmod 600 {path}",
        )
