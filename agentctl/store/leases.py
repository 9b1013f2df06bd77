"""Who runs a session: a lock file that the kernel releases when its holder ends, however it ends."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from agentctl.errors import BusyError, StoreError
from agentctl.paths import Home

# Somebody who only asks whether a session runs holds its lock for some microseconds; somebody who
# tidies up after it, for as long as Docker takes to remove a container.
_PATIENCE_SECONDS = 0.05
_PATIENCE_WITH_TIDYING_SECONDS = 25.0
_PAUSE_SECONDS = 0.002


@contextlib.contextmanager
def lease(home: Home, session_id: str) -> Iterator[None]:
    """Hold the right to run a session. Raises BusyError, naming the holder's process id, where somebody has it."""
    descriptor = _opened(home, session_id)
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
        return not _lock_now(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def at_rest(home: Home, session_id: str) -> Iterator[bool]:
    """Keep everybody from taking the session up meanwhile; yields False, and keeps nobody, where somebody runs it.

    Whoever wants to run it waits until this ends. Raises StoreError.
    """
    descriptor = _opened(home, session_id)
    try:
        yield _lock_now(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _opened(home: Home, session_id: str) -> int:
    try:
        home.leases.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(home.leases / session_id, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot write to {home.leases}: {error.strerror}") from error


def _take(descriptor: int, session_id: str) -> None:
    began = time.monotonic()
    while not _lock_now(descriptor, fcntl.LOCK_EX):
        is_shared = _lock_now(descriptor, fcntl.LOCK_SH)
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # two that wait must not be in each other's way
        if time.monotonic() - began > (_PATIENCE_WITH_TIDYING_SECONDS if is_shared else _PATIENCE_SECONDS):
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise BusyError(
                f"session {session_id} is being run by process {holder or '(unknown)'}", hint="wait until it rests"
            )
        time.sleep(_PAUSE_SECONDS)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)


def _lock_now(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
