"""The loop: waits for descriptors and children, and calls who asked."""

from __future__ import annotations

import os
import select
import signal
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Loop:
    """Descriptors and what is to be done when they are ready."""

    def __init__(self, on_child: Callable[[], None], on_trouble: Callable[[Exception], None]) -> None:
        self.poll = select.poll()
        self.handlers: dict[int, Callable[[], None]] = {}
        self.later: deque[Callable[[], None]] = deque()
        self.on_child = on_child
        self.on_trouble = on_trouble

    def watch(self, fd: int, handler: Callable[[], None], events: int = select.POLLIN) -> None:
        """Call ``handler`` whenever ``fd`` is ready."""
        self.handlers[fd] = handler
        self.poll.register(fd, events)

    def forget(self, fd: int) -> None:
        """Watch ``fd`` no longer."""
        if self.handlers.pop(fd, None) is not None:
            self.poll.unregister(fd)

    def soon(self, task: Callable[[], None]) -> None:
        """Call ``task`` once, after what there is to do at once."""
        self.later.append(task)

    def watch_children(self) -> None:
        """Hear of children that end."""
        inside, outside = os.pipe()
        for fd in (inside, outside):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(outside, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

        def heard() -> None:
            read_some(inside)
            self.on_child()

        self.watch(inside, heard)

    def turn(self, seconds: float) -> None:
        """Wait for something to happen, at most so long, and see to it."""
        for fd, _ in self.poll.poll(0 if self.later else int(seconds * 1000) + 1):
            handler = self.handlers.get(fd)
            if handler is not None:
                self.guard(handler)
        if self.later:
            self.guard(self.later.popleft())

    def guard(self, task: Callable[[], None]) -> None:
        """Do something whose failure must not end everything."""
        try:
            task()
        except Exception as error:  # noqa: BLE001 - a fault in one call leaves the others their supervisor
            self.on_trouble(error)

    def drain(self, fd: int) -> None:
        """Read and throw away what still comes from ``fd``, so that who writes to it never blocks."""

        def throw_away() -> None:
            if read_some(fd) == b"":
                self.forget(fd)
                os.close(fd)

        self.watch(fd, throw_away)


def read_some(fd: int, most: int = 1 << 16) -> bytes | None:
    """Read what is there: None when there is nothing now, no bytes at the end."""
    try:
        return os.read(fd, most)
    except BlockingIOError:
        return None
    except OSError:
        return b""
