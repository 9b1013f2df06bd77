"""The player on a terminal that is looked at like a person looks: keys go in, rows of characters come out."""

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pexpect
import pyte

from tests.cli.program import ROOT

KEYS = {
    "right": "\x1b[C", "left": "\x1b[D", "up": "\x1b[A", "down": "\x1b[B", "enter": "\r", "pageup": "\x1b[5~",
    "escape": "\x1b",
}  # fmt: skip

OWN_SEQUENCES = re.compile(r"\x1b\[(?:\?1049[hl]|\?25[hl]|2J|\d+;1H|K|[0-9;]*m)")


class Played:
    """A player that runs; ``rows`` is its screen."""

    def __init__(self, child: Any, columns: int, rows: int) -> None:
        self.child = child
        self.written = ""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)

    @property
    def rows(self) -> list[str]:
        return [row.rstrip() for row in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    @property
    def at(self) -> int:
        """The number of the event that the player is at, by its status line."""
        found = re.search(r"[▶■>=] #(\d+)/", self.rows[-1])
        return int(found[1]) if found else 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.child.send(KEYS.get(key, key))

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def wait(self, until: Callable[["Played"], object], what: str = "") -> None:
        """Read what is drawn until something is there, and the drawing that it is in is whole."""
        deadline = time.monotonic() + 60
        while not (until(self) and self._is_whole()):
            assert time.monotonic() < deadline, f"waited for {what}, and there is:\n{self.text}"
            self._read(0.05)

    def goes_to(self, seq: int, *keys: str) -> None:
        self.press(*keys)
        self.wait(lambda played: played.at == seq, f"#{seq}")

    def end(self) -> str:
        """Read to the end of the program; return what was written after the player had left the screen."""
        self.wait(lambda played: not played.child.isalive() and not played._read(0.05), "the end")
        self.child.close()
        return self.written.rpartition("\x1b[?25h\x1b[?1049l")[2]

    def _is_whole(self) -> bool:
        """Say whether nothing is missing of what was drawn last: each row ends so, and the last row comes last."""
        is_drawing = self.written.rfind("\x1b[?1049h") > self.written.rfind("\x1b[?1049l")
        return not is_drawing or self.written.endswith("\x1b[K")

    def _read(self, seconds: float) -> bool:
        try:
            data = self.child.read_nonblocking(65536, timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return False
        self.written += data
        self._stream.feed(data)
        return True


def environ(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LANG": "C.UTF-8", **more}


def spawn(command: list[str], columns: int, rows: int, **more: str) -> Played:
    child = pexpect.spawn(
        command[0], command[1:], dimensions=(rows, columns), env=environ(**more), timeout=60,
        encoding="utf-8", codec_errors="strict",
    )  # type: ignore[arg-type]  # fmt: skip
    return Played(child, columns, rows)


@contextmanager
def played(*arguments: str, columns: int = 80, rows: int = 24, **more: str) -> Iterator[Played]:
    """Start ``agentctl replay``, and end it."""
    player = spawn([sys.executable, "-m", "agentctl", "replay", *arguments], columns, rows, **more)
    try:
        yield player
    finally:
        player.child.close(force=True)


@contextmanager
def in_a_shell(*arguments: str, then: str) -> Iterator[Played]:
    """Start ``agentctl replay`` from a shell that says how it ended and goes on; its process id is told first."""
    replay = shlex.join([sys.executable, "-m", "agentctl", "replay", *arguments])
    script = f"set -m; sh -c 'echo pid=$$; exec {replay}'; echo code=$?; {then}; stty -a; echo over"
    player = spawn(["bash", "--norc", "-c", script], 80, 24)
    try:
        yield player
    finally:
        player.child.close(force=True)


def tell(player: Played, number: signal.Signals) -> None:
    """Send a signal to the player, whose number the shell has told."""
    found = re.search(r"pid=(\d+)", player.written)
    assert found
    os.kill(int(found[1]), number)
