"""Being told to stop: signals become one exception, so that what is held is given back in order."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that tell a process to stop."""


def name_of(number: int) -> str:
    """Return what a signal is called; one without a name, such as those of real time, by its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Interrupted(BaseException):
    """The process was told to stop by a signal; its exit code is 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted in the main thread on SIGINT, SIGTERM and SIGHUP; a second one ends the process at once.

    A signal that was ignored when the process began (``nohup``) stays ignored.
    """
    former = {number: signal.getsignal(number) for number in STOPPING}
    told = [number for number, handler in former.items() if handler is not signal.SIG_IGN]
    for number in told:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in told:
            signal.signal(number, former[number])


@contextlib.contextmanager
def first_interrupt(ask: Callable[[str], None]) -> Iterator[None]:
    """Within ``interruptible``: let the first SIGINT only ``ask`` (with its name); the second one is an Interrupted."""
    former = signal.getsignal(signal.SIGINT)
    if former is not _interrupt:
        yield
        return

    def hear(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a handler
        signal.signal(signal.SIGINT, _interrupt)
        ask(signal.Signals(number).name)

    signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a handler
    for other in STOPPING:
        signal.signal(other, _leave)
    raise Interrupted(number)


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    os._exit(128 + number)
