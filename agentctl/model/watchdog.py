"""An alarm that one thread keeps for many requests, set anew for each.

Starting a thread costs more than a third of a millisecond, so there is one for all of them; it is
woken only when an alarm is due earlier than it would wake by itself.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watchdog:
    """Calls ``bite`` in its own thread when something takes too long, or is silent for too long.

    One thing is watched at a time; watching another one within it ends watching the first.
    """

    def __init__(self, bite: Callable[[], None]) -> None:
        self._bite = bite
        self._changed = threading.Condition()
        self._end = self._silence = self._due = self._wakes = math.inf
        self._is_closed = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, seconds: float, silence_seconds: float = math.inf) -> Iterator[None]:
        """Bite if this block takes longer than ``seconds``, or so long to be heard of again."""
        self._end, self._silence = time.monotonic() + seconds, silence_seconds
        self.heard()
        try:
            yield
        finally:
            self._set(math.inf)

    def heard(self) -> None:
        """Begin to count the silence anew."""
        self._set(min(self._end, time.monotonic() + self._silence))

    def close(self) -> None:
        """End the thread; may be called twice."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _set(self, due: float) -> None:
        with self._changed:
            self._due = due
            if due < self._wakes:
                self._wake()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._is_closed:
                if self._due <= time.monotonic():
                    self._due = math.inf
                    self._bite()
                self._wakes = self._due
                left = self._due - time.monotonic()
                self._changed.wait(None if left == math.inf else max(0.0, left))
