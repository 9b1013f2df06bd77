"""The outputs folder, for whoever fetches what was made: regular files only, no link followed."""

from __future__ import annotations

import os
import stat

from agentctl.sandbox.inside.files import open_regular
from agentctl.sandbox.inside.frames import CREDIT, END, RESET, WINDOW, control, frames_of
from agentctl.sandbox.inside.loop import read_some
from agentctl.sandbox.inside.outcome import ToolError
from agentctl.sandbox.inside.pipe import PIECE
from agentctl.sandbox.inside.put import checked
from agentctl.sandbox.inside.search import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Any

    DigestOf = Callable[[str, os.stat_result], str | None]

    from agentctl.sandbox.inside.supervisor import Supervisor

MOST_FILES = 10_000
MOST_NAMES = 4 << 20
"""Characters of all paths together."""


def list_files(root: str, digest_of: DigestOf) -> tuple[list[list[Any]], bool]:
    """List regular files as path, size, mode and SHA-256 where that was told; say whether these are all."""
    found: list[list[Any]] = []
    names = 0
    try:
        for path, entry in walk(root, into_git=True):
            if len(found) >= MOST_FILES or names > MOST_NAMES:
                return found, False
            if entry.is_file(follow_symlinks=False):
                names += len(path)
                status = os.lstat(entry.path)
                mode = stat.S_IMODE(status.st_mode) & 0o777
                found.append([path, status.st_size, mode, digest_of(entry.path, status)])
    except (OSError, ToolError):
        return found, False
    return found, True


def open_beneath(root: str, path: str) -> int:
    """Open a regular file under ``root``. Raises ToolError, OSError, ValueError."""
    *folders, name = path.split("/")
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(checked(folder), flags, dir_fd=fd)
            os.close(fd)
            fd = inner
        return open_regular(checked(name), path, os.O_NOFOLLOW, fd)
    finally:
        os.close(fd)


class Fetched:
    """The first ``size`` bytes of a file on their way out, no further ahead of their reader than the window."""

    def __init__(self, supervisor: Supervisor, channel: int, fd: int, size: int) -> None:
        self.supervisor, self.channel, self.fd, self.left = supervisor, channel, fd, size
        self.room = WINDOW
        self.waits = False
        supervisor.channels[channel] = self
        supervisor.pipe.serve(self)

    def fill(self, unsent: deque[memoryview]) -> bool:
        """Queue the next piece, or the end; say whether there may be more at once."""
        if self.fd < 0:
            return False
        self.waits = bool(self.left) and not self.room
        if self.waits:
            return False
        piece = read_some(self.fd, min(PIECE, self.left, self.room)) or b""
        self.left -= len(piece)
        self.room -= len(piece)
        if piece:
            unsent.extend(frames_of(self.channel, piece))
            return True
        unsent.append(control(self.channel, END))
        self.drop()
        return False

    def take(self, flags: int, payload: bytes) -> None:
        """Go on, or leave off, as the reader says."""
        if flags == CREDIT:
            self.room += int.from_bytes(payload, "big")
            if self.waits:
                self.waits = False
                self.supervisor.pipe.serve(self)
        elif flags == RESET:
            self.supervisor.pipe.tell(control(self.channel, RESET))
            self.drop()

    def drop(self) -> None:
        """Send no more of it."""
        os.close(self.fd)
        self.fd = -1
        del self.supervisor.channels[self.channel]
