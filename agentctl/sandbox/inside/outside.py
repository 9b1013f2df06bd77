"""Outside of the folders whose files are recorded: where the agent can write, and whether anything did.

Run as a program when an image is built, as root, it prints the places that a user can write, one path
a line. The supervisor looks at these when a session comes to rest: what has a change time after its own
start was written in this sandbox, and a change time cannot be set. Whatever is made in the sandbox at its
start is made before that moment.
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_SYSTEM = ("/dev", "/proc", "/sys")
_MOST_LIST = 1 << 20


def places_of(user: int, root: str = "/") -> Iterator[str]:
    """Yield what a user (and the group of the same number) can write under ``root``, nothing inside of it."""
    waiting = [root]
    while waiting:
        for path, status in _entries(waiting.pop()):
            if stat.S_ISLNK(status.st_mode) or path in _SYSTEM:
                continue
            if user in (status.st_uid, status.st_gid) or status.st_mode & stat.S_IWOTH:
                yield path
            elif stat.S_ISDIR(status.st_mode):
                waiting.append(path)


def read_places(path: str) -> list[str] | None:
    """Read the list of an image; None where it has none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(_MOST_LIST)
    except OSError:
        return None
    return text.split("\0") if len(text) < _MOST_LIST else None


def changed_since(began: float, places: Iterable[str], apart: Collection[str]) -> str | None:
    """Return a path at or under ``places`` that was written after ``began``, in seconds, or None.

    Looks neither into what is ``apart`` nor into other file systems; follows no link.
    """
    device = os.lstat("/").st_dev
    for place in places:
        try:
            status = os.lstat(place)
        except OSError:
            continue  # something is mounted over it: nobody can take it away who cannot write where it is
        if place not in apart and not any(place.startswith(one + "/") for one in apart):
            found = _changed(place, status, began, apart, device)
            if found is not None:
                return found
    return None


def _changed(place: str, status: os.stat_result, began: float, apart: Collection[str], device: int) -> str | None:
    waiting = [(place, status)]
    while waiting:
        path, status = waiting.pop()
        is_folder = stat.S_ISDIR(status.st_mode)
        if path in apart or path in _SYSTEM or (is_folder and status.st_dev != device):
            continue
        if status.st_ctime > began:
            return path
        if is_folder:
            waiting += _entries(path)
    return None


def _entries(folder: str) -> list[tuple[str, os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            looked_at = [(entry.path, _status(entry)) for entry in entries]
    except OSError:
        return []
    return [(path, status) for path, status in looked_at if status is not None]


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:  # it went meanwhile
        return None


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    sys.stdout.write("\0".join(sorted(places_of(int(sys.argv[1])))))
