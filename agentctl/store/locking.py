"""Waiting for a lock file, but not for ever."""

import fcntl
import time
from pathlib import Path

from agentctl.errors import StoreError


def lock_within(descriptor: int, seconds: float, path: Path, lock: Path) -> None:
    """Take the lock file ``lock``, opened as ``descriptor``, which guards ``path``. Raises StoreError.

    Asked for again and again, not waited for: a waiting flock cannot be given a time limit, and a
    holder that was stopped (SIGSTOP) would hang everybody.
    """
    deadline = time.monotonic() + seconds
    pause = 0.0002
    while not _lock_now(descriptor):
        if time.monotonic() > deadline:
            raise StoreError(
                f"another process has kept {path} locked for {seconds:.0f} s", hint=f"find it with: fuser {lock}"
            )
        time.sleep(pause)
        pause = min(pause * 1.3, 0.005)


def _lock_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
