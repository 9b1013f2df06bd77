"""A person wants the turn to stop: said once, heard by whatever is going on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.25
_CANCEL_SECONDS = 0.05


class Stop:
    """A flag that a signal handler can raise: it takes no lock that anybody else holds for long."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._moved = threading.Event()  # asked for, or no longer watched: whoever watches looks at once
        self.signal: str | None = None

    @property
    def is_asked(self) -> bool:
        """Whether the turn is to stop."""
        return self._asked.is_set()

    def ask(self, signal: str | None = None) -> None:
        """Ask for the turn to stop; ``signal`` is the name of the signal that did."""
        self.signal = signal
        self._asked.set()
        self._moved.set()

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the moment in which the turn is to stop."""
        self._asked.wait(seconds)

    @contextmanager
    def watched(self, look: Callable[[], bool], cancel: Callable[[], None]) -> Iterator[None]:
        """While this lasts, ``look`` now and then whether somebody else asks, and ``cancel`` once it is asked.

        What is going on is cancelled again and again until it has ended: it may only just have begun.
        """
        ended = threading.Event()
        self._moved.clear()
        thread = threading.Thread(target=self._watch, args=(ended, look, cancel), name="stop", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            self._moved.set()
            thread.join()

    def _watch(self, ended: threading.Event, look: Callable[[], bool], cancel: Callable[[], None]) -> None:
        while not ended.is_set():
            if self.is_asked:
                cancel()
                ended.wait(_CANCEL_SECONDS)
            elif not self._moved.wait(_LOOK_SECONDS) and look():
                self._asked.set()
