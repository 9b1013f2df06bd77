"""What has changed under some folders: every file, folder and link as it was last seen, and how that differs.

The kernel tells which names were touched, so that a comparison costs what was touched and not what
there is. Where it cannot tell, or has told too much, everything is looked at. What it tells is taken
for a hint only: what a name is now is always asked of the file system, and compared with what was
known of it.
"""

from __future__ import annotations

import os
import stat
import struct
import time

from agentctl.sandbox.inside.watches import NoWatchesError, Watches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    Folder = dict[str, bytes]

MOST_KNOWN = 200_000
"""Files, folders and links that are kept in mind; where there are more, changes are no longer noticed."""

_SEEN = struct.Struct("=IQQqq")
_INODE = slice(4, 12)

_RECENT_NS = 100_000_000
"""A file may be written twice within one tick of the clock that its times are taken from."""


class Changes:
    """What is known of the folders under ``roots``, and what was found to differ from it.

    ``found`` has, by path, what was known of each thing that has changed: no bytes for what is new.
    """

    def __init__(self, roots: list[str]) -> None:
        self.roots = roots
        self.found: dict[str, bytes] = {}
        self.unseen: list[str] = []
        self.too_many = False
        self.watches: Watches | None = None
        self._folders: dict[str, Folder] = {}
        self._count = 0
        self._device = 0
        self._links: set[bytes] = set()
        self._looked_at = 0

    def begin(self) -> None:
        """Know everything as it is now."""
        try:
            self.watches = Watches()
        except NoWatchesError:
            self.watches = None
        self._looked_at = time.time_ns()
        self._look_at_all()
        self.forget()

    def forget(self) -> None:
        """Forget what was found."""
        self.found, self.unseen = {}, []

    def look(self) -> None:
        """Find what has changed since the last time."""
        began = time.time_ns()
        if self.watches is not None:
            self.watches.hear()
        if self.too_many:
            return
        if self.watches is None or self.watches.missed:
            self._look_at_all()
        else:
            self._look_at_names(self.watches)
        self._looked_at = began

    def now(self, path: str) -> bytes:
        """Say what is known of a path: no bytes if it is not there."""
        folder, _, name = path.rpartition("/")
        return self._folders.get(folder, {}).get(name, b"")

    def is_as_seen(self, path: str, status: os.stat_result) -> bool:
        """Say whether a file is what was last seen of it."""
        if self.watches is None:
            untouched = not self._is_recent(status)
        else:
            self.watches.hear()
            folder, _, name = path.rpartition("/")
            untouched = not self.watches.missed and name not in self.watches.names.get(folder, ())
        return untouched and path not in self.found and self.now(path) == seen(status)

    # Looking.

    def _look_at_all(self) -> None:
        if self.watches is not None:
            self.watches.forget_names()
        for root in self.roots:
            self._look_at_root(root, anew=True)

    def _look_at_names(self, watches: Watches) -> None:
        names, appeared = watches.names, watches.appeared
        if names:
            watches.forget_names()
        for root in self.roots:
            self._look_at_root(root, anew=False)
        for folder in names:
            for name in names[folder]:
                self._look_at_name(folder, name, appeared)
        if self._links:
            self._look_at_other_names()

    def _look_at_root(self, root: str, *, anew: bool) -> None:
        """See whether a root is the folder that it was; a link in its place is not followed."""
        status = _status_if_any(root)
        known = self._folders.get("", {}).get(root, b"")
        now = seen(status) if status is not None and stat.S_ISDIR(status.st_mode) else b""
        if not now:
            self._forget_folder(root)
        elif status is not None and (anew or now[_INODE] != known[_INODE] or not self._is_watched(root)):
            self._device = status.st_dev
            self._look_into(root)
        self._folders.setdefault("", {})[root] = now

    def _look_at_name(self, folder: str, name: str, appeared: Container[str]) -> None:
        known = self._folders.get(folder)
        if known is None:
            return  # it is not there any more, or was moved and is looked into where it is now
        path = folder + "/" + name
        try:
            status = status_of(path)
        except OSError:
            self.unseen.append(path)
            return
        before, now = known.get(name, b""), seen(status)
        if before == now and not self._is_recent(status) and path not in appeared:
            return
        self._count += bool(now) - bool(before)
        if now:
            known[name] = now
        else:
            known.pop(name, None)
        self._note(path, before, now)
        if status is None:
            return
        if stat.S_ISDIR(status.st_mode):
            if (before[_INODE] != now[_INODE] or path in appeared) and status.st_dev == self._device_of(folder):
                self._look_into(path)
        elif status.st_nlink > 1:
            self._links.add(now[_INODE])

    def _look_at_other_names(self) -> None:
        """Look at every other name of the files with several names that were touched by one of them."""
        links, self._links = self._links, set()
        others = [
            (folder, name)
            for folder, known in self._folders.items()
            for name, was in known.items()
            if was[_INODE] in links and folder and folder + "/" + name not in self.found
        ]
        for folder, name in others:
            self._look_at_name(folder, name, ())
        self._links = set()

    def _look_into(self, root: str) -> None:
        """Compare a folder, with all that is in it, with what was known."""
        folders = [root]
        while folders and not self.too_many:
            folder = folders.pop()
            self._watch(folder)
            try:
                now, inner = self._listed(folder)
            except OSError:
                self.unseen.append(folder)
                continue
            known = self._folders.get(folder, {})
            self._folders[folder] = now
            if known != now:
                for name in known.keys() - now.keys():
                    self._note(folder + "/" + name, known[name], b"")
                for name, status in now.items():
                    before = known.get(name, b"")
                    if before != status:
                        self._note(folder + "/" + name, before, status)
            folders += inner
            self._count += len(now) - len(known)
            self.too_many = self._count > MOST_KNOWN
        if self.too_many:
            self._give_up()

    def _listed(self, folder: str) -> tuple[Folder, list[str]]:
        """List a folder: what is in it, and the folders that are to be looked into. Raises OSError."""
        now: Folder = {}
        inner: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # it has just gone
                now[entry.name] = seen(status)
                if stat.S_ISDIR(status.st_mode):
                    if status.st_dev == self._device:
                        inner.append(entry.path)
                elif status.st_nlink > 1 and self.watches is not None:
                    self._links.add(now[entry.name][_INODE])
        return now, inner

    def _device_of(self, folder: str) -> int:
        status = _status_if_any(folder)
        self._device = status.st_dev if status is not None else -1
        return self._device

    def _note(self, path: str, before: bytes, now: bytes) -> None:
        """Remember that something has changed, and what it was when it was last told of."""
        self.found.setdefault(path, before)
        if is_folder(before) and not is_folder(now):
            self._forget_folder(path)

    def _forget_folder(self, root: str) -> None:
        """Note that everything in a folder is gone, and the folder with it."""
        folders = [root]
        while folders:
            folder = folders.pop()
            if self.watches is not None:
                self.watches.drop(folder)
            for name, before in self._folders.pop(folder, {}).items():
                path = folder + "/" + name
                self._count -= 1
                self.found.setdefault(path, before)
                if is_folder(before):
                    folders.append(path)

    def _is_watched(self, folder: str) -> bool:
        return self.watches is None or self.watches.has(folder)

    def _watch(self, folder: str) -> None:
        if self.watches is not None:
            try:
                self.watches.add(folder)
            except NoWatchesError:
                self.stop_watching()

    def stop_watching(self) -> None:
        """Do without the kernel: from here on everything is looked at each time."""
        if self.watches is not None:
            self.watches.close()
            self.watches = None

    def _give_up(self) -> None:
        self._folders.clear()
        self.found.clear()
        self.stop_watching()

    def _is_recent(self, status: os.stat_result | None) -> bool:
        return status is not None and stat.S_ISREG(status.st_mode) and status.st_ctime_ns > self._looked_at - _RECENT_NS


def seen(status: os.stat_result | None) -> bytes:
    """Write down what there is to see of a path; of a folder, only which one it is and who may use it."""
    if status is None:
        return b""
    if stat.S_ISDIR(status.st_mode):
        return _SEEN.pack(status.st_mode, status.st_ino, 0, 0, 0)
    return _SEEN.pack(status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def mode_of(was: bytes) -> int:
    """Return the mode, with the kind, of what was seen; 0 for nothing."""
    return int(_SEEN.unpack(was)[0]) if was else 0


def is_folder(was: bytes) -> bool:
    """Say whether what was seen was a folder."""
    return stat.S_ISDIR(mode_of(was))


def status_of(path: str) -> os.stat_result | None:
    """Return the status of a path, of a link itself; None where there is nothing. Raises OSError."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _status_if_any(path: str) -> os.stat_result | None:
    try:
        return status_of(path)
    except OSError:
        return None
