"""``agentctl run`` on a terminal: what a person sees, and what they are asked."""

import os
import re
import sys
from pathlib import Path

import pexpect
import pyte
import pytest

from tests.cli.program import ROOT, agentctl

AGENT = """\
name: tester
model: claude-opus-5-5
tools:
  - type: agent_toolset_20260401
    configs: [{name: write, permission_policy: {type: always_ask}}]
"""

SCRIPT = """\
- thinking: What is there?
  text: I write a file.
  typing_seconds: 0.6
  tools: [{name: write, input: {file_path: "a\\e]0;owned\\a.txt", content: secret-plan}}]
- {expect: {result_text: "RESULT"}, text: "The end\\e[2J of it.", typing_seconds: 0.3}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "agent.yaml").write_text(AGENT)
    return tmp_path


def spawn(project: Path, result: str, *more: str, columns: int = 80, **environ: str) -> pexpect.spawn:
    (project / "script.yaml").write_text(SCRIPT.replace("RESULT", result))
    return pexpect.spawn(
        sys.executable,
        ["-m", "agentctl", "run", "agent.yaml", "go", "--sandbox", "none", "--model", "script:script.yaml", *more],
        cwd=str(project),
        dimensions=(40, columns),
        encoding="utf-8",
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LANG": "C.UTF-8", **environ},
    )


def finish(child: pexpect.spawn, before: str = "") -> tuple[str, int]:
    text = before + child.read()
    child.close()
    return text, child.exitstatus if child.exitstatus is not None else -1


def screen(text: str, columns: int = 80) -> str:
    """What is left on a terminal of that width."""
    shown = pyte.Screen(columns, 200)
    pyte.Stream(shown).feed(text)
    return "\n".join(line.rstrip() for line in shown.display).rstrip()


def test_a_person_is_asked_with_the_whole_call_and_the_session_goes_on(project: Path) -> None:
    child = spawn(project, "wrote 11 bytes")
    child.expect("Allow it")
    asked = child.before
    child.sendline("y")
    text, code = finish(child, asked + child.after)
    assert code == 0
    shown = screen(text)
    assert "secret-plan" in shown
    assert "I write a file." in shown
    assert "The end" in shown
    assert shown.count("I write a file.") == 1  # typed, then recorded, and still there once


def test_a_no_with_a_reason_reaches_the_model(project: Path) -> None:
    child = spawn(project, "has been denied: not on Friday")
    child.expect("Allow it")
    child.sendline("r")
    child.expect("Reason")
    child.sendline("not on Friday")
    assert finish(child)[1] == 0


def test_leaving_the_question_open_rests_with_exit_3(project: Path) -> None:
    child = spawn(project, "x")
    child.expect("Allow it")
    child.sendline("l")
    assert finish(child)[1] == 3


def test_nothing_hostile_is_obeyed_by_the_terminal(project: Path) -> None:
    text, code = finish(spawn(project, "wrote 11 bytes", "--approve", "allow"))
    assert code == 0
    assert "\\x1b]0;owned" in screen(text)
    assert "\x1b]" not in text
    assert "\x1b[2J" not in text
    # What is left of the control characters is ours: colours, the cursor's column and rows, and erasing below.
    without_ours = re.sub(r"\x1b\[[0-9;]*[mAGJK]|\x1b\[\?25[lh]", "", text)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", without_ours)


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"LANG": "C", "LC_ALL": "C"}])
def test_plainer_terminals_get_plainer_output(project: Path, environ: dict[str, str]) -> None:
    text, code = finish(spawn(project, "wrote 11 bytes", "--approve", "allow", **environ))
    assert code == 0
    assert "The end" in screen(text)
    if environ.get("TERM") == "dumb":
        assert "\x1b" not in text
    if "NO_COLOR" in environ:
        assert not re.search(r"\x1b\[[0-9;]*[1-9][0-9;]*m", re.sub(r"\x1b\[[12]m|\x1b\[2?2m", "", text))
    if "LANG" in environ:
        assert text.isascii()


def test_twenty_columns_are_enough(project: Path) -> None:
    text, code = finish(spawn(project, "wrote 11 bytes", "--approve", "allow", columns=20))
    assert code == 0
    assert "The end" in screen(text, 20)


def test_control_c_ends_the_run_and_what_was_done_is_kept(project: Path) -> None:
    (project / "agent.yaml").write_text(AGENT)
    child = spawn(project, "x")
    child.expect("Allow it")
    child.sendintr()
    text, code = finish(child, child.before + child.after)
    assert code == 130
    assert "Traceback" not in text
    assert agentctl("ls", "-o", "json").json["sessions"][0]["status"] == "interrupted"
