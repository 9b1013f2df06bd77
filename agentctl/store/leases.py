"""Who runs a session: a lock file that the kernel releases when its holder ends, however it ends."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from agentctl.errors import BusyError, StoreError
from agentctl.paths import Home

# Somebody who only asks whether a session runs holds its lock for some microseconds.
_PATIENCE_SECONDS = 0.05
_PAUSE_SECONDS = 0.002


@contextlib.contextmanager
def lease(home: Home, session_id: str) -> Iterator[None]:
    """Hold the right to run a session. Raises BusyError, naming the holder's process id, where somebody has it."""
    try:
        home.leases.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(home.leases / session_id, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot write to {home.leases}: {error.strerror}") from error
    try:
        _take(descriptor, session_id)
        yield
    finally:
        os.close(descriptor)


def is_running(home: Home, session_id: str) -> bool:
    """Say whether some process runs the session now."""
    try:
        descriptor = os.open(home.leases / session_id, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _take(descriptor: int, session_id: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _take_now(descriptor):
        if time.monotonic() > deadline:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise BusyError(
                f"session {session_id} is being run by process {holder or '(unknown)'}", hint="wait until it rests"
            )
        time.sleep(_PAUSE_SECONDS)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)


def _take_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
