"""Room in SQLite's log of writes (the WAL), made before it is needed.

A commit that makes the file longer is durable only when the file system's journal is too, which takes twice as long
and now and then twenty times. So zeros are written ahead, for commits to fill. Nobody takes them for anything:
SQLite reads a log up to the first frame that has not its salts and its checksum (sqlite.org/walformat.html), and
behind the end of the newest round there are mostly the remains of an older one.
"""

import contextlib
import os
from pathlib import Path

_AHEAD = 1 << 20
_LEFT = 256 << 10
"""When so little room is left, more is made: what some commits write, for not each of them looks."""

_FRAME = 24 + 4_096

_MOST = 1_000 * _FRAME
"""How long a log becomes that nobody reads meanwhile: SQLite then begins anew at its front (wal_autocheckpoint)."""

_EVERY = 4
"""Which commits look. Who makes fewer makes no room: there is no reason to believe that many will follow."""


class LogRoom:
    """Keeps room in the log of the database ``path`` for who commits often."""

    def __init__(self, path: Path) -> None:
        self._log = path.with_name(f"{path.name}-wal")
        self._commits = 0

    def make(self) -> None:
        """Make the log longer where its end is near. Raises nothing: without room, commits only take longer.

        To be called once in each transaction that writes, for nobody else may add to the log meanwhile.
        """
        self._commits += 1
        if self._commits % _EVERY == 0:
            with contextlib.suppress(OSError):
                self._lengthen()

    def _lengthen(self) -> None:
        descriptor = os.open(self._log, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            size = os.fstat(descriptor).st_size
            if size < _MOST and _is_used(descriptor, size):
                os.pwrite(descriptor, bytes(_AHEAD), size)
        finally:
            os.close(descriptor)


def _is_used(descriptor: int, size: int) -> bool:
    """Say whether frames have been written where the last room begins: so many bytes hold the head of one."""
    length = _FRAME + 24
    return size <= _LEFT or os.pread(descriptor, length, size - _LEFT).count(0) < length
