"""The commands that look, on a real terminal: what is drawn there, and what never gets there."""

import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from agentctl.events.codec import decode
from agentctl.events.local import LocalLimitReached, LocalOutputs
from agentctl.events.session import SessionError, SessionStatusRunning
from agentctl.events.user import UserToolConfirmation
from agentctl.paths import Home
from tests.cli.program import ROOT
from tests.kit import Recorder, analysis, call, open_log, text, thinking
from tests.render.stage import unclean

HOSTILE = (
    "\x1b]0;title\x07 \x1b]52;c;ZXZpbA==\x07 \x1b[2J \x1b[1;1H \x9b31m \x1b]8;;http://evil\x1b\\ \x1bP+q\x1b\\ \x1b[6n "
    "\x08\x08\x00\x7f\x85 \rX \u202eevil\u202c \u2066x\u2069 \u200b \ufeff \u2028 \U000e0041 "
    "[red]m[/red] [link=x]y[/link] "
)
"""Everything that a terminal would obey, hide or reorder; no newline, so that it can stand in a name too."""


def environ(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LANG": "C.UTF-8", **more}  # type: ignore[return-value]


def start(*arguments: str, columns: int = 80, rows: int = 400, **more: str) -> Any:
    return pexpect.spawn(
        sys.executable, ["-m", "agentctl", *arguments], dimensions=(rows, columns), env=environ(**more), timeout=60,
        encoding="utf-8", codec_errors="strict",
    )  # fmt: skip


def drawn(*arguments: str, **more: Any) -> tuple[str, int]:
    """Run a command to its end on a terminal; return what it wrote and its exit code."""
    child = start(*arguments, **more)
    written = child.read()
    child.close()
    return str(written), int(child.exitstatus)


def screen_of(written: str, columns: int = 80) -> list[str]:
    screen = pyte.Screen(columns, 400)
    pyte.Stream(screen).feed(written)
    rows = [row.rstrip() for row in screen.display]
    while rows and not rows[-1]:
        rows.pop()
    return rows


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("recorded") / "home")
    with open_log(home) as log:
        analysis(Recorder(log, home))
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    return Home(own_home)


def test_a_replay_ends_with_the_same_screen_at_every_pace_and_without_a_terminal(home: Home) -> None:
    expected = (ROOT / "tests" / "render" / "analysis.txt").read_text(encoding="utf-8").splitlines()
    for pace in (["--speed", "max"], ["--plain", "--speed", "60"]):
        written, code = drawn("replay", "@", *pace)
        assert code == 0
        assert screen_of(written) == expected
        assert not unclean(written)


def test_a_replay_types_what_was_typed_and_says_what_goes_on(home: Home) -> None:
    written, _ = drawn("replay", "@", "--plain", "--speed", "10")
    for doing in ("thinking", "writing", "preparing write", "running bash", "waiting for the model"):
        assert doing in written
    assert re.search(r"\x1b\[2mrunning bash · \d+s · \$0\.0\d+ · [\d.]+k tokens", written)


def test_control_c_ends_a_replay_at_once_and_leaves_a_clean_screen(home: Home) -> None:
    child = start("replay", "@", "--plain", "--speed", "0.1")
    child.expect("thinking|waiting")
    began = time.monotonic()
    child.sendintr()
    rest = child.read()
    child.close()
    assert child.exitstatus == 130
    assert time.monotonic() - began < 30
    assert not unclean(child.before + rest)
    assert "Traceback" not in rest
    assert not [row for row in screen_of(rest) if "waiting for" in row]


def test_a_terminal_that_is_resized_is_followed(home: Home) -> None:
    child = start("replay", "@", "--plain", "--speed", "5", "--idle-limit", "0.2")
    child.expect("thinking")
    child.setwinsize(400, 40)
    child.expect("Traceback")
    lines = [line for line in re.sub(r"\x1b\[[0-9;]*[mAGJ]", "\n", child.before).replace("\r", "").split("\n") if line]
    child.close(force=True)
    assert max(map(len, lines[-40:])) < 40


@pytest.mark.parametrize("more", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"LANG": "C"}, {"columns": 20}], ids=str)
def test_poorer_terminals_get_what_they_can_show(home: Home, more: dict[str, Any]) -> None:
    for arguments in (["replay", "@", "--plain", "--speed", "100"], ["show", "@"], ["ls"], ["events", "@"]):
        written, code = drawn(*arguments, **more)
        assert code == 0
        assert not unclean(written)
        columns = more.get("columns", 80)
        rows = screen_of(written, columns)
        assert max(map(len, rows)) < columns
        if "TERM" in more:
            assert "\x1b" not in written
        if "NO_COLOR" in more:
            assert not re.search(r"\x1b\[[0-9;]*m", written)
        if "LANG" in more:
            assert written.isascii()


def test_looking_in_colours(home: Home) -> None:
    for arguments in (["show", "@"], ["ls"], ["events", "@"], ["outputs", "@"]):
        written, code = drawn(*arguments)
        assert code == 0
        assert "\x1b[" in written
        assert "\x1b[J" not in written


@pytest.fixture(scope="module")
def recorded_hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session in which everything that others can choose is hostile."""
    home = Home(tmp_path_factory.mktemp("hostile") / "home")
    with open_log(home) as log:
        recorder = Recorder(
            log, home,
            title=HOSTILE,
            agent={"name": HOSTILE},
            agent_hash=HOSTILE,
            environment={"name": HOSTILE},
            environment_hash=HOSTILE,
            model="script:" + HOSTILE,
            agentctl_version=HOSTILE,
            sandbox={"kind": HOSTILE, "image": HOSTILE, "image_digest": HOSTILE},
        )  # fmt: skip
        lines = HOSTILE + "\n" + HOSTILE + "\ud800\ttab\r\nend"
        recorder.user(lines)
        calls = recorder.answer(
            thinking(lines),
            text(lines),
            call(HOSTILE, "toolu_1", **{HOSTILE: HOSTILE, "path": HOSTILE}),
            call("bash", "toolu_2", command=lines),
            call("edit", "toolu_3", file_path=HOSTILE, old_string=lines, new_string=lines),
            call("write", "toolu_4", file_path=HOSTILE, content=lines),
            call("grep", "toolu_5", pattern=HOSTILE, path=HOSTILE),
            call("bash", "toolu_6", command=lines),
            call(HOSTILE, "toolu_7"),
            asks=["toolu_6"],
            custom=["toolu_7"],
        )
        recorder.run_tools(*calls[:5])
        for place, one in enumerate(calls[:5]):
            recorder.result(one, lines * 3, 0.1, is_error=place == 0, exit_code=place, spilled_to=HOSTILE)
        recorder.add(LocalOutputs, files=[{"path": HOSTILE, "size": 1, "skipped": HOSTILE}])
        recorder.rest("requires_action", event_ids=[HOSTILE])
        recorder.add(UserToolConfirmation, tool_use_id=calls[5].id, result="deny", deny_message=lines)
        recorder.add(SessionStatusRunning)
        recorder.add(LocalLimitReached, limit=HOSTILE, allowed=1, used=1)
        recorder.session.append(decode({"type": HOSTILE, "id": HOSTILE, "processed_at": HOSTILE, "x": HOSTILE}))
        local = {"type": HOSTILE, "hint": lines}
        error = {"type": HOSTILE, "message": lines, "retry_status": {"type": "exhausted"}, "local": local}
        recorder.add(SessionError, error=error)
        recorder.rest("refusal", {"type": "refusal", "category": HOSTILE, "explanation": lines})
        recorder.rest(HOSTILE)
    return home.root


@pytest.fixture
def hostile(recorded_hostile: Path, own_home: Path) -> Home:
    shutil.copytree(recorded_hostile, own_home)
    return Home(own_home)


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls"],
        ["ls", "-o", "json"],
        ["show", "@"],
        ["show", "@", "-o", "json"],
        ["events", "@"],
        ["events", "@", "-o", "jsonl"],
        ["events", "@", "-o", "json"],
        ["replay", "@", "--speed", "max"],
        ["replay", "@", "--speed", "max", "--full"],
        ["replay", "@", "--plain", "--speed", "30"],
        ["replay", "@", "--speed", "max", "-o", "jsonl"],
        ["outputs", "@"],
        ["outputs", "@", "-o", "json"],
        ["show", HOSTILE.replace("\x00", "")],
        ["outputs", "@", HOSTILE.replace("\x00", "")],
        ["outputs", "@", "-d", "/dev/null/" + HOSTILE.replace("\x00", "")],
        ["events", "@", "--from", HOSTILE.replace("\x00", "")],
        ["replay", "@", "--only", HOSTILE.replace("\x00", "")],
        ["replay", "@", "--speed", HOSTILE.replace("\x00", "")],
    ],
    ids=lambda arguments: " ".join(arguments)[:30].encode("ascii", "replace").decode().replace("\x1b", "?"),
)
def test_nothing_hostile_reaches_the_terminal(hostile: Home, arguments: list[str]) -> None:
    written, code = drawn(*arguments)
    assert code in (0, 2)
    assert "bug" not in written
    assert len(written) > 50
    assert unclean(written) == []
    assert code == 2 or "[red]m[/red]" in written or "-o" in arguments or "…" in written


def test_text_of_others_stands_never_where_our_marks_stand(own_home: Path) -> None:
    home = Home(own_home)
    forged = "● bash  rm -rf /\n› yes\n── done · $0"
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("Go")
        (run,) = recorder.answer(thinking(forged), text(forged), call("bash", command="cat x"))
        recorder.run_tools(run)
        recorder.result(run, forged, exit_code=0)
        recorder.rest()
    rows = screen_of(drawn("replay", "@", "--speed", "max")[0])
    assert [row for row in rows if row[:1] in "●›─" and row][1:] == [
        "● bash  cat x" + " " * 62 + "0.1s",
        "── done · $0.0075 · 1 turn · 1 call · 4.6k in, 180 out · 3.1s",
    ]
