"""Regular expressions that people write, given up where they take too long.

Some need longer than anybody lives for a short text (``(a+)+$``). Python's engine looks for signals
while it works, so an alarm ends it: that of the clock which goes only while this process
works. Signals are heard in the main thread alone; elsewhere there is no limit.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from agentctl.errors import UsageError

SECONDS = 2.0
"""How long one search of one text may work."""


class TooSlowError(UsageError):
    """A regular expression did not come to an end in time."""

    type = "too_slow_error"


@contextmanager
def patience(expression: str) -> Iterator[None]:
    """Search with an expression within this. Raises TooSlowError after so many seconds of work."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a handler
        raise TooSlowError(
            f"the regular expression {expression[:200]} takes too long",
            hint="repetition inside of repetition, as in (a+)+, can go on for ever; write it without",
        )

    former = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, former)
