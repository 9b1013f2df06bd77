"""A terminal to draw on, which is looked at like a person looks: as rows of characters."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyte

from agentctl.events.preview import Preview
from agentctl.paths import Home
from agentctl.render.look import Look
from agentctl.render.terminal import TerminalRenderer
from agentctl.session.log import Listener
from tests.kit import FixedClock, Recorder, open_log

OWN_SEQUENCES = re.compile(r"\x1b\[[0-9;]*[mAGJ]")
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)


def unclean(written: str) -> list[str]:
    """Return what a terminal would obey and that is not ours."""
    return FORBIDDEN.findall(OWN_SEQUENCES.sub("", written).replace("\r\n", "\n"))


class Terminal:
    """A terminal that can be resized, long enough that nothing scrolls away."""

    def __init__(self, columns: int = 80, rows: int = 300) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.Stream(self._screen)
        self.written = ""

    def write(self, text: str) -> None:
        self.written += text
        self._stream.feed(text)

    def measure(self) -> tuple[int, int]:
        return self._screen.columns, self._screen.lines

    @property
    def rows(self) -> list[str]:
        rows = [row.rstrip() for row in self._screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    @property
    def status(self) -> str:
        """The line at the bottom."""
        return self.rows[-1] if self.rows else ""


class Stage:
    """A session that is recorded, drawn on a terminal while it happens."""

    def __init__(self, recorder: Recorder, terminal: Terminal, renderer: TerminalRenderer) -> None:
        self.recorder = recorder
        self.terminal = terminal
        self.renderer = renderer

    def type(self, kind: str, text: str, index: int = 0, name: str | None = None, step: int = 7) -> None:
        """Show a text piece by piece, as a model does."""
        for place in range(0, len(text), step):
            piece = Preview(kind, index, text[place : place + step], name)  # type: ignore[arg-type]
            self.recorder.session.show(piece)


@contextmanager
def stage(
    home: Home, columns: int = 80, look: Look | None = None, *, lively: bool = True, full: bool = False
) -> Iterator[Stage]:
    terminal, clock = Terminal(columns), FixedClock()
    look = look or Look(columns=columns, rows=300, colour=True, moves=True, wraps=True)
    renderer = TerminalRenderer(terminal.write, look, terminal.measure, clock, lively=lively, full=full)
    with open_log(home) as log:
        recorder = Recorder(log, home, clock=clock, listeners=[renderer])
        for record in recorder.records():
            renderer.record(record)
        try:
            yield Stage(recorder, terminal, renderer)
        finally:
            renderer.close()


def recorded(home: Home, listeners: Sequence[Listener] = ()) -> Recorder:
    """Make a recorder whose database is closed already when it is read again."""
    with open_log(home) as log:
        return Recorder(log, home, listeners=listeners)
