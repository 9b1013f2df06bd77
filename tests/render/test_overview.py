"""One session on one screen: it fits, and what matters most is on it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agentctl.events.local import LocalEgress
from agentctl.events.session import SessionError
from agentctl.paths import Home
from agentctl.render.facts import Known
from agentctl.render.lines import paint, width
from agentctl.render.look import Look
from agentctl.render.overview import Overview
from agentctl.session.glance import Glance
from tests.kit import Recorder, call, open_log, text
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOOLS = ("bash", "read", "write", "edit", "glob", "grep", "find")


def drawn(recorder: Recorder, columns: int, rows: int) -> list[str]:
    glance = Glance()
    for record in recorder.records():
        glance.add(record)
    look = Look(columns, rows, moves=True, wraps=True)
    lines = Overview(glance, Known("idle"), glance.completeness.aspects(under_way=False), NOW, look).lines()
    assert max(map(width, lines)) < columns
    return [paint(line, look) for line in lines]


def busy(recorder: Recorder) -> None:
    """A session that used many tools and was refused a connection."""
    recorder.user("Go")
    calls = recorder.answer(text("Now.\n" * 30), *(call(name, f"toolu_{name}", path=name) for name in TOOLS))
    recorder.run_tools(*calls)
    for each in calls:
        recorder.result(each, "fine")
    recorder.add(
        LocalEgress, host="pypi.example", port=443, scheme="https", allowed=False, reason="not among the hosts",
        duration_seconds=0.1, bytes_sent=0, bytes_received=0,
    )  # fmt: skip


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (60, 24), (120, 40)])
def test_a_session_with_all_there_is_fits_on_the_screen(own_home: Path, columns: int, rows: int) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(
            log, home, title="A title", limits={"max_turns": 40, "timeout_seconds": 1800.0, "max_active_seconds": 5400}
        )
        busy(recorder)
        recorder.rest()
        lines = drawn(recorder, columns, rows)
    assert len(lines) < rows
    assert lines[1] == "A title"
    assert lines[2].startswith("── done")
    assert any(" of 1h 30m at work · 40 turns" in line for line in lines)
    assert any(line.startswith("  network     1 refused: pypi.example:443") for line in lines)
    assert any(line.endswith("more tools") for line in lines) == (rows < 30)


def test_what_went_wrong_goes_before_the_last_message(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home)
        busy(recorder)
        recorder.add(
            SessionError, error={"type": "api_error", "message": "It went wrong. " * 60, "local": {"hint": "wait"}}
        )
        recorder.rest("retries_exhausted")
        lines = drawn(recorder, 80, 24)
    assert len(lines) < 24
    assert lines[1].startswith("── failed (retries_exhausted, exit 6)")
    assert lines[3].startswith("  It went wrong. It went wrong.")
    assert any("more lines: agentctl replay" in line for line in lines)
    assert "  wait" in lines
    assert any("agentctl resume" in line for line in lines)


def test_files_are_named_and_so_is_the_command_that_shows_them_where_there_is_room(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = FilesRecorder(log, home)
        recorder.begin({"old.txt": Node(b"old\n")})
        recorder.act("make", {f"{name}.txt": Node(b"new\n") for name in "abcdefgh"})
        recorder.rest()
        wide, narrow = ([line for line in drawn(recorder, columns, 24) if "~0" in line] for columns in (160, 90))
        name = recorder.records()[0].event.session_id  # type: ignore[attr-defined]
    told = "  files       +8 ~0 -1: old.txt, a.txt, b.txt, c.txt, d.txt, e.txt and 3 more"
    assert wide == [f"{told} · see: agentctl files {name}"]
    assert narrow == [told]
