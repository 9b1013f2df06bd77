"""What the kernel tells of folders: inotify(7), called by ctypes, for the standard library has no word for it."""

from __future__ import annotations

import errno
import os
import struct

from agentctl.sandbox.inside.loop import read_some

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_OVERFLOW, _IGNORED, _IS_FOLDER = 0x4000, 0x8000, 0x40000000
_ONLY_FOLDERS, _NO_LINKS, _NO_UNNAMED = 0x1000000, 0x2000000, 0x4000000

# A mapping that is written to shows in CLOSE_WRITE alone, and only when it goes.
_CHANGES = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_MASK = _CHANGES | _ONLY_FOLDERS | _NO_LINKS | _NO_UNNAMED

_EVENT = struct.Struct("iIII")
_MOST_NAMES = 100_000
_MOST_READS = 100

_NO_ROOM = (errno.ENOSPC, errno.ENOMEM, errno.EMFILE)
"""The user has no watches left, which cannot be helped from here."""


class NoWatchesError(Exception):
    """The kernel will not watch: what has changed must be found by looking at everything."""


class Watches:
    """Folders that are watched, and the names in them that something has happened to.

    ``names`` has, by folder, the names that were touched; ``appeared`` the folders that were made or
    moved to where they are; ``missed`` says that there was too much to tell, and that it is lost.
    """

    def __init__(self) -> None:
        import ctypes

        try:
            libc = ctypes.CDLL(None, use_errno=True)
            self._add, self._remove = libc.inotify_add_watch, libc.inotify_rm_watch
            self.fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError) as error:
            raise NoWatchesError from error
        if self.fd < 0:
            raise NoWatchesError
        self._errno = ctypes.get_errno
        self._folders: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self.forget_names()

    def forget_names(self) -> None:
        """Begin anew to collect names."""
        self.names: dict[str, set[str]] = {}
        self.appeared: set[str] = set()
        self.missed = False
        self._count = 0

    def add(self, folder: str) -> None:
        """Watch a folder; one that was moved is known by its new path. Raises NoWatchesError."""
        number = self._add(self.fd, os.fsencode(folder), _MASK)
        if number < 0:
            if self._errno() in _NO_ROOM:
                raise NoWatchesError
            return  # it has gone again, or may not be read
        former = self._folders.get(number)
        if former != folder:
            self.drop(folder)
            if former is not None and self._numbers.get(former) == number:
                del self._numbers[former]
            self._folders[number] = folder
            self._numbers[folder] = number

    def has(self, folder: str) -> bool:
        """Say whether a folder is watched: one that was made anew in the place of another is not."""
        return folder in self._numbers

    def drop(self, folder: str) -> None:
        """Watch a folder no longer that is not there any more, wherever it went."""
        number = self._numbers.pop(folder, None)
        if number is not None and self._folders.get(number) == folder:
            del self._folders[number]
            self._remove(self.fd, number)

    def hear(self) -> None:
        """Take what the kernel has to tell by now."""
        for _ in range(_MOST_READS):  # more than the kernel keeps: somebody may write faster than this reads
            data = read_some(self.fd)
            if not data:
                return
            at = 0
            while at < len(data):
                number, mask, _, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size + length
                self._take(number, mask, data[at - length : at].rstrip(b"\0"))

    def _take(self, number: int, mask: int, name: bytes) -> None:
        if mask & _OVERFLOW:
            self.missed = True
        if mask & _IGNORED:
            folder = self._folders.pop(number, None)
            if folder is not None and self._numbers.get(folder) == number:
                del self._numbers[folder]
        folder = self._folders.get(number)
        if folder is None or not name or self.missed:
            return
        text = os.fsdecode(name)
        names = self.names.setdefault(folder, set())
        if text not in names:
            names.add(text)
            self._count += 1
            self.missed = self._count > _MOST_NAMES
        if mask & _IS_FOLDER and mask & (_CREATE | _MOVED_TO):
            self.appeared.add(folder + "/" + text)

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self.fd)
