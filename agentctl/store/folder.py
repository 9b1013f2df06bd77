"""A folder of the person's, written into without ever leaving it.

Every name is walked one step at a time from the folder's own descriptor, and no step may be a link:
whatever lies in the folder, and whatever is put there meanwhile, nothing outside is read or written.
"""

import contextlib
import errno
import os
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agentctl.errors import StoreError, UsageError

MOST_PARTS = 64
"""How deep a name may lead."""

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def parts_of(name: str) -> list[str]:
    """Divide a relative name. Raises StoreError for one that does not stay below the folder."""
    parts = name.split("/")
    if len(parts) > MOST_PARTS or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise StoreError(f"the record names a file that is not inside its folder: {name}")
    return parts


def refuse_clashes(names: Sequence[str], folder: Path) -> None:
    """Raise UsageError for names that would be one file in ``folder``: the same, or alike to the file system."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    plain = _has_case(folder)
    for name in names:
        alike[name if plain else unicodedata.normalize("NFC", name).casefold()].append(name)
    for same in alike.values():
        if len(same) > 1:
            raise UsageError(f"{same[0]} and {same[1]} would be one file in {folder}", hint="name only one of them")


@contextlib.contextmanager
def open_folder(path: Path, *, make: bool = False) -> Iterator[int]:
    """Open a folder that a person named. Raises OSError."""
    if make:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None
    with descriptor(os.open(path, _FOLDER_FLAGS)) as opened:
        yield opened


@contextlib.contextmanager
def inside(root: int, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """Open the folder ``parts`` below ``root``, making it where asked. Raises OSError; a link on the way is one."""
    with contextlib.ExitStack() as held:
        place = root
        for part in parts:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=place)
            inner = os.open(part, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=place)
            held.pop_all().close()
            place = held.enter_context(descriptor(inner))
        yield place


@contextlib.contextmanager
def descriptor(opened: int) -> Iterator[int]:
    """Close a descriptor in the end."""
    try:
        yield opened
    finally:
        os.close(opened)


@dataclass(slots=True)
class Waiting:
    """A file that has no name of its own yet."""

    file: BinaryIO
    place: int
    name: str

    def take(self, name: str, *, replace: bool) -> None:
        """Give it its name, in place of what has it or only if nothing has. Raises OSError."""
        if replace:
            os.rename(self.name, name, src_dir_fd=self.place, dst_dir_fd=self.place)
        else:
            _name_new(self.name, name, self.place)


@contextlib.contextmanager
def waiting_file(place: int, mode: int) -> Iterator[Waiting]:
    """Make a file in an open folder that is gone in the end unless it takes a name. Raises OSError."""
    name = waiting_name()
    opened = os.open(name, _NEW_FILE_FLAGS, mode, dir_fd=place)
    try:
        with open(opened, "wb") as file:
            yield Waiting(file, place, name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=place)


def waiting_name() -> str:
    """Return a name for what has no name of its own yet."""
    return f".agentctl-{os.urandom(8).hex()}"


def open_regular(name: str, place: int) -> BinaryIO:
    """Open a regular file in an open folder to be read. Raises OSError for whatever else it is."""
    opened = os.open(name, _READ_FLAGS, dir_fd=place)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "not a regular file")
    return open(opened, "rb")


def status_of(name: str, place: int) -> os.stat_result | None:
    """Return what has a name in an open folder; a link is not followed. Returns None where nothing has it."""
    try:
        return os.stat(name, dir_fd=place, follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system says of writing to a folder into one line for a person. Raises UsageError."""
    try:
        yield
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", hint="choose another folder") from error
    except NotADirectoryError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint="choose another folder") from error
    except OSError as error:
        reason = "part of it is a link" if error.errno == errno.ELOOP else error.strerror
        raise UsageError(f"cannot write {path}: {reason}") from error


def _name_new(waiting: str, name: str, place: int) -> None:
    """Give a file its name unless there is one of that name; where there are no hard links, a moment apart."""
    try:
        os.link(waiting, name, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if status_of(name, place) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(waiting, name, src_dir_fd=place, dst_dir_fd=place)


def _has_case(folder: Path) -> bool:
    """Say whether a folder tells large letters from small ones, by its own name in the other ones."""
    other = folder.with_name(folder.name.swapcase())
    if other == folder:
        return True
    try:
        return not folder.samefile(other)
    except OSError:
        return True
