"""The outputs folder, for whoever fetches what was made: regular files only, no link followed."""

from __future__ import annotations

import os
import stat

from agentctl.sandbox.inside.files import open_regular
from agentctl.sandbox.inside.outcome import ToolError
from agentctl.sandbox.inside.put import checked
from agentctl.sandbox.inside.search import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_FILES = 10_000
MOST_NAMES = 4 << 20
"""Characters of all paths together."""


def list_files(root: str) -> tuple[list[list[Any]], bool]:
    """List regular files as path, size and mode; say whether these are all."""
    found: list[list[Any]] = []
    names = 0
    try:
        for path, entry in walk(root, into_git=True):
            if len(found) >= MOST_FILES or names > MOST_NAMES:
                return found, False
            if entry.is_file(follow_symlinks=False):
                names += len(path)
                status = os.lstat(entry.path)
                found.append([path, status.st_size, stat.S_IMODE(status.st_mode) & 0o777])
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
