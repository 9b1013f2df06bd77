"""What a sandbox takes of the disk, watched from outside and bounded.

File systems that can hold a container to a size of its own are rare, so somebody looks: often at how
much is free, which costs next to nothing, and at what the sandbox itself takes when that has fallen,
or now and then. The sandbox is stopped at its limit, and before the disk of the machine is full,
whoever fills it.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agentctl.errors import SandboxError, SandboxLimitError

DEFAULT_DISK = 10 << 30

LOOK_SECONDS = 0.25
"""How often is looked at what is free."""

AGAIN_SECONDS = 5.0
"""After how long a sandbox that was to be stopped is stopped once more: a daemon may have been too busy to hear."""

MEASURE_SECONDS = 15.0
"""How often at least is measured what the sandbox takes."""

RESERVE_BYTES, RESERVE_FILES, RESERVE_SHARE = 1 << 30, 100_000, 0.05
"""What is kept free of the disk: so much of bytes and of files, or this share, whichever is less."""

_BLIND_SECONDS = 2.0
_GOODBYE_SECONDS = 1.0
_REST = 20
_STEPS = 32


@dataclass(frozen=True, slots=True)
class Space:
    """What is free of a file system, as bytes and as files, and what has to stay free."""

    free_bytes: int
    free_files: int
    reserve_bytes: int
    reserve_files: int

    @classmethod
    def of(cls, folder: Path) -> "Space":
        """Look. Raises OSError."""
        found = os.statvfs(folder)
        return cls(
            found.f_bavail * found.f_frsize,
            found.f_favail,
            int(min(RESERVE_BYTES, RESERVE_SHARE * found.f_blocks * found.f_frsize)),
            int(min(RESERVE_FILES, RESERVE_SHARE * found.f_files)),
        )

    @property
    def shortage(self) -> str | None:
        """Say what there is too little of, if there is."""
        if self.free_bytes < self.reserve_bytes:
            return f"{size_of(self.free_bytes)} are free, of which {size_of(self.reserve_bytes)} are kept"
        if self.free_files < self.reserve_files:
            return f"{self.free_files:,} more files can be made, of which {self.reserve_files:,} are kept"
        return None


def refuse_full(folder: Path) -> None:
    """Raise SandboxError where the disk is too full for another sandbox."""
    shortage = Space.of(folder).shortage
    if shortage:
        raise SandboxError(f"the disk that holds {folder} is nearly full: {shortage}", hint="free some space")


class DiskWatch:
    """A thread that watches one sandbox.

    ``folder`` is on the disk that it fills, None where that is another machine's. ``measure``
    returns the bytes that it takes, None where they are not known now; ``end`` stops it.
    """

    def __init__(
        self, limit: int, folder: Path | None, measure: Callable[[], int | None], end: Callable[[], None]
    ) -> None:
        self._limit = limit
        self._folder = folder
        self._measure = measure
        self._end = end
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="disk-watch", daemon=True)
        self._free = 0
        self._used = 0
        self._measured = 0.0
        self._rest_until = 0.0
        self._reached: str | None = None

    def start(self) -> None:
        """Begin to watch, before anything is written: what is free now is what later looks are held against."""
        self._measured = time.monotonic()
        if self._folder is not None:
            with contextlib.suppress(OSError):  # told by what looks next
                self._free = Space.of(self._folder).free_bytes
        self._thread.start()

    def stop(self) -> None:
        """Watch no more; may be called twice."""
        self._stopping.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(_GOODBYE_SECONDS)  # it may be in the middle of a measurement, which nobody needs now

    def raise_reached(self) -> None:
        """Raise SandboxLimitError if the sandbox was stopped for what it took."""
        if self._reached:
            raise SandboxLimitError(self._reached, limit="disk", allowed=self._limit, used=self._used)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS if self._reached is None else AGAIN_SECONDS):
            self._reached = self._reached or self._look()
            if self._reached:
                self._end()

    def _look(self) -> str | None:
        now = time.monotonic()
        try:
            space = Space.of(self._folder) if self._folder is not None else None
        except OSError:
            space = None  # it is not there any more, and the sandbox neither
        if space is not None and space.shortage:
            return f"stopped, for the disk of this machine is nearly full: {space.shortage}"
        if now < self._rest_until or not self._is_due(now, space):
            return None
        used = self._measure()
        self._free = space.free_bytes if space is not None else 0
        self._measured = time.monotonic()
        # A tree of many files takes long to measure, and that must not be what the machine does.
        self._rest_until = self._measured + _REST * (self._measured - now)
        self._used = self._used if used is None else used
        return f"disk limit of {size_of(self._limit)} reached" if self._used > self._limit else None

    def _is_due(self, now: float, space: Space | None) -> bool:
        if space is None:
            return now - self._measured >= _BLIND_SECONDS
        self._free = max(self._free, space.free_bytes)
        return self._free - space.free_bytes >= self._limit // _STEPS or now - self._measured >= MEASURE_SECONDS


def used_by(folder: Path) -> int:
    """Return the bytes that a folder takes of the disk; what cannot be read is not counted."""
    used, waiting = 0, [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):  # it went meanwhile, and those beside it did not
                        used += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
        except OSError:
            continue
    return used


def size_of(count: int) -> str:
    """Write a number of bytes as people write limits: 10 GiB, 512 MiB."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << power:
            return f"{count / (1 << power):.3g} {unit}"
    return f"{count} bytes"
