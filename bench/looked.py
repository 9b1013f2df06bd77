"""What looking at long sessions costs: show, the first screen of the player, the page for a browser."""

import os
import pty
import select
import signal
import time

from bench.process import BenchError, environment_of
from bench.programs import AGENTCTL, Programs
from bench.rows import Row, interleaved

LENGTHS = (100, 10_000, 100_000)
_PAGE_EVENTS = 10_000
_BUDGET = 0.5
_PATIENCE_SECONDS = 60.0
_FIRST = b"#1/"
"""How the status line of the player begins at the first event."""


def measure_looked(programs: Programs, runs: int) -> list[Row]:
    """Take the figures of sessions that were recorded by repeating the step of a real one."""
    rows: list[Row] = []
    for events in LENGTHS:
        (name,), _ = programs.record_sessions(events, 1)
        taken = interleaved(
            f"looking at {events:,} events",
            runs,
            {
                "show": lambda name=name: programs.agentctl_recorded("show", name).wall,
                "player": lambda name=name: _first_screen(programs, name),
            },
        )
        rows.append(Row(f"`show` of {events:,} events", "s", taken["show"], most=_BUDGET))
        rows.append(Row(f"first screen of `replay`, {events:,} events", "s", taken["player"], most=_BUDGET))
        if events == _PAGE_EVENTS:
            rows += _page(programs, name, runs)
    return rows


def _page(programs: Programs, name: str, runs: int) -> list[Row]:
    path = programs.folder / "page.html"
    taken = interleaved(
        "the page", runs, {"page": lambda: programs.agentctl_recorded("replay", name, "--html", str(path)).wall}
    )
    size = path.stat().st_size / 1e6
    return [
        Row(f"`replay --html` of {_PAGE_EVENTS:,} events", "s", taken["page"]),
        Row("size of that page", "MB", [size], most=10.0),
    ]


def _first_screen(programs: Programs, name: str) -> float:
    """Start the player on a terminal; return the seconds until its first screen is drawn."""
    began = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        settings = programs.recorded_settings() | {"TERM": "xterm-256color", "COLUMNS": "80"}
        os.execve(AGENTCTL, [AGENTCTL, "replay", name, "--step"], environment_of(settings))
    try:
        return _until(terminal, _FIRST, began)
    finally:
        os.kill(pid, signal.SIGTERM)
        while _read(terminal, 1.0):
            pass
        os.close(terminal)
        os.waitpid(pid, 0)


def _until(terminal: int, wanted: bytes, began: float) -> float:
    drawn = b""
    while wanted not in drawn:
        data = _read(terminal, began + _PATIENCE_SECONDS - time.monotonic())
        if not data:
            raise BenchError(f"the player drew no first screen: {drawn[-500:]!r}")
        drawn += data
    return time.monotonic() - began


def _read(terminal: int, seconds: float) -> bytes:
    ready, _, _ = select.select([terminal], [], [], max(0.0, seconds))
    try:
        return os.read(terminal, 1 << 16) if ready else b""
    except OSError:  # the other end has gone
        return b""
