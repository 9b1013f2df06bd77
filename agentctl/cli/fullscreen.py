"""A terminal that is drawn on as a whole and whose keys are read one by one, and that is given back as it was."""

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, TypeAlias

from agentctl.cli.keys import Keys
from agentctl.render.lines import Line, paint
from agentctl.render.look import Look, size_of
from agentctl.signals import Interrupted

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_ESCAPE_SECONDS = 0.05
_MOST_BYTES = 1024

_Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None


class FullScreen:
    """The terminal on standard input and output, while ``with`` holds it.

    It is left as it was found at the end, whatever ends it, and while the process is stopped (^Z). To
    be used in the main thread, within ``interruptible``. SIGQUIT is an Interrupted here too.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._input = sys.stdin.fileno()
        self._keys = Keys()
        self._drawn: list[str] = []
        self._size = (0, 0)
        self._former = termios.tcgetattr(self._input)
        self._handlers: dict[int, _Handler] = {}
        self._is_ours = False

    def __enter__(self) -> "FullScreen":
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._former_waker = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        try:
            for number, handler in self._own_handlers().items():
                self._handlers[number] = signal.signal(number, handler)
            self._take()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former_waker)
        os.close(self._wake)
        os.close(self._waker)

    def measured(self) -> tuple[int, int]:
        """Return its columns and rows now."""
        return size_of(sys.stdout)

    def draw(self, rows: Sequence[Line], look: Look) -> None:
        """Put rows in place of what is there; writes only those that differ."""
        painted = [paint(row, look) for row in rows]
        if (look.columns, len(painted)) != self._size:
            self._write("\x1b[2J")
            self._size, self._drawn = (look.columns, len(painted)), [""] * len(painted)
        changed = [
            f"\x1b[{number};1H{new}\x1b[K"
            for number, (new, old) in enumerate(zip(painted, self._drawn, strict=True), 1)
            if new != old
        ]
        self._drawn = painted
        if changed:
            self._write("".join(changed))

    def keys(self, seconds: float | None) -> list[str] | None:
        """Wait for keys, at most so long; return them. None where the terminal has gone.

        Comes back early, with none, where the terminal was resized or the process went on after a stop.
        """
        ready = self._wait(seconds)
        if self._input not in ready:
            return []
        try:
            data = os.read(self._input, _MOST_BYTES)
        except OSError:
            return None
        keys = self._keys.take(data)
        if self._keys.is_begun and self._input not in self._wait(_ESCAPE_SECONDS):
            keys += self._keys.end()
        return keys if data else None

    def _wait(self, seconds: float | None) -> list[int]:
        ready, _, _ = select.select([self._input, self._wake], [], [], seconds)
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, _MOST_BYTES)
        return ready

    def _take(self) -> None:
        self._is_ours = True
        tty.setcbreak(self._input, termios.TCSADRAIN)
        self._write(_ENTER)
        self._size = (0, 0)

    def _give_back(self) -> None:
        if not self._is_ours:
            return
        self._is_ours = False
        self._write(_LEAVE)
        with contextlib.suppress(termios.error):  # a terminal that has gone
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._former)

    def _own_handlers(self) -> dict[int, Callable[[int, FrameType | None], None]]:
        return {
            signal.SIGWINCH: _come_back,
            signal.SIGTSTP: self._stop,
            signal.SIGCONT: self._go_on,
            signal.SIGQUIT: _quit,
        }

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the shape of a handler
        self._give_back()
        handler = signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, handler)
        self._go_on(signal.SIGCONT, None)

    def _go_on(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # After SIGSTOP, which nobody hears, the shell has set the terminal as it likes it.
        self._take()


def _come_back(number: int, frame: FrameType | None) -> None:
    """Do nothing: that there is a handler brings whoever waits for keys back."""


def _quit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise Interrupted(number)


@contextlib.contextmanager
def full_screen(write: Callable[[str], None]) -> Iterator[FullScreen]:
    """Take the terminal; it is given back at the end."""
    with FullScreen(write) as taken:
        yield taken
