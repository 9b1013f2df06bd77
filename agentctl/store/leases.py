"""Who runs a session: a lock file that the kernel releases when its holder ends, however it ends.

A holder may be stopped for hours, and somebody may have removed the file meanwhile to run the session
elsewhere. So whoever holds a lease asks, before each thing that it writes, whether it still does.
"""

import contextlib
import fcntl
import math
import os
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from agentctl.errors import BusyError, StoreError
from agentctl.paths import Home

# Somebody who only asks whether a session runs holds its lock for some microseconds; somebody who
# tidies up after it, for as long as Docker takes to remove a container.
_PATIENCE_SECONDS = 0.05
_PATIENCE_WITH_TIDYING_SECONDS = 25.0
_PAUSE_SECONDS = 0.002


class Lease:
    """The right to run a session, for as long as it is held by ``with``: a locked file, and its name.

    ``with`` raises BusyError, naming the holder's process id, where somebody has it.
    """

    def __init__(self, home: Home, session_id: str) -> None:
        self._home = home
        self._session_id = session_id
        self._path = home.leases / session_id
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        descriptor = _opened(self._home, self._session_id)
        try:
            _take(descriptor, self._session_id)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def forget(self) -> None:
        """Remove the file, of a session that is no more. To be called while it is held."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def check(self) -> None:
        """Raise BusyError where it was held, and somebody else runs the session now."""
        if self._descriptor is None or self._has_its_name(self._descriptor):
            return
        holder = self._path.read_text(errors="replace").strip() if self._path.exists() else ""
        raise BusyError(
            f"session {self._session_id} was taken over by {f'process {holder}' if holder else 'somebody else'}",
            hint=f"nothing more was done here; see: agentctl events {self._session_id} --follow",
        )

    def _has_its_name(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False


def is_running(home: Home, session_id: str) -> bool:
    """Say whether some process runs the session now."""
    try:
        descriptor = os.open(home.leases / session_id, os.O_RDWR | os.O_CLOEXEC)
    except (OSError, ValueError):  # the latter: somebody has written a NUL into the row
        return False
    try:
        return not _lock_now(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def running_since(home: Home) -> float:
    """Return when the first session of those that run now was taken up, in seconds of the clock; infinity if none."""
    try:
        names = [entry.name for entry in os.scandir(home.leases)]
    except OSError:
        return math.inf
    began = math.inf
    for name in names:
        if is_running(home, name):
            with contextlib.suppress(FileNotFoundError):
                began = min(began, (home.leases / name).stat().st_mtime)
    return began


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
    with contextlib.suppress(OSError):  # on a full disk nobody is told who holds it; it is held all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)


def _lock_now(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
