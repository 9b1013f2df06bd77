"""A person wants the turn to stop: said once, heard by whatever is going on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.25


class Stop:
    """A flag that a signal handler can raise: it takes no lock that anybody else holds for long."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.signal: str | None = None

    @property
    def is_asked(self) -> bool:
        """Whether the turn is to stop."""
        return self._asked.is_set()

    def ask(self, signal: str | None = None) -> None:
        """Ask for the turn to stop; ``signal`` is the name of the signal that did."""
        self.signal = signal
        self._asked.set()

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the moment in which the turn is to stop."""
        self._asked.wait(seconds)

    @contextmanager
    def watched(self, look: Callable[[], bool], cancel: Callable[[], None]) -> Iterator[None]:
        """While this lasts, ``look`` now and then whether somebody else asks, and ``cancel`` once it is asked.

        What is going on is cancelled again and again until it has ended: it may only just have begun.
        """
        ended = threading.Event()
        thread = threading.Thread(target=self._watch, args=(ended, look, cancel), name="stop", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _watch(self, ended: threading.Event, look: Callable[[], bool], cancel: Callable[[], None]) -> None:
        while not ended.wait(0.05 if self.is_asked else 0.0):
            if self.is_asked:
                cancel()
            elif self._asked.wait(_LOOK_SECONDS) or look():
                self._asked.set()
