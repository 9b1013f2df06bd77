"""The crontab line of the README, as cron runs it: /bin/sh, next to no environment, nobody there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import ROOT, agentctl

LINE = re.search(r"```cron\n(.*?)\n```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def command() -> str:
    """The command of the line: after five fields of time, with ``\\%`` for a percent sign."""
    assert LINE is not None
    *times, words = LINE[1].split(maxsplit=5)
    assert len(times) == 5
    assert not re.search(r"(?<!\\)%", words), "a bare percent sign ends the command"
    return words.replace("\\%", "%")


def install(home: Path, model: str) -> None:
    """Put what the line names where it names it; a script stands in for the model."""
    program = home / "agentctl" / ".venv" / "bin" / "agentctl"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -m agentctl \"$@\"\n")
    program.chmod(0o755)
    reports = home / "reports"
    reports.mkdir()
    (reports / "script.yaml").write_text(model)
    (reports / "agent.yaml").write_text(
        f"name: reporter\nmodel: 'script:{reports / 'script.yaml'}'\ntools: [{{type: agent_toolset_20260401}}]\n"
    )
    (reports / "question.txt").write_text("What happened yesterday?")


def cron(home: Path, *variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", *variables, "/bin/sh", "-c", command()],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=home, timeout=120, check=False,
    )  # fmt: skip


SCRIPT = "- tools: [{name: bash, input: {command: 'echo hello'}}]\n- {expect: {result_text: hello}, text: All is well.}"


@pytest.mark.docker
def test_the_line_of_the_readme_works_as_written_and_a_second_call_costs_nothing(
    tmp_path: Path, docker_answers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "person"
    install(home, SCRIPT)
    for times in (1, 2):
        done = cron(home, f"HOME={home}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (home / "reports" / "answers.txt").read_text() == "All is well.\n" * times
    monkeypatch.setenv("AGENTCTL_HOME", str(home / ".local/share/agentctl"))
    sessions = agentctl("ls", "-o", "json").json["sessions"]
    assert len(sessions) == 1
    assert re.fullmatch(r"report-20\d\d-\d\d-\d\d", sessions[0]["session_id"])


@pytest.mark.docker
def test_what_goes_wrong_is_a_line_for_cron_to_mail_and_an_exit_code(tmp_path: Path, docker_answers: None) -> None:
    home = tmp_path / "person"
    install(home, "- {expect: {user_text: something else}, text: never}")
    done = cron(home, f"HOME={home}")
    assert (done.returncode, done.stdout) == (6, "")
    first, *hint = done.stderr.splitlines()
    assert re.match(r"agentctl: session report-\S+: .*something else", first)
    assert len(hint) <= 2


def test_without_home_the_store_is_found_all_the_same(tmp_path: Path) -> None:
    done = subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", f"PYTHONPATH={ROOT}", sys.executable, "-c",
         "from agentctl.paths import home; print(home().root)"],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    assert Path(done.stdout.strip()).is_absolute()
    assert Path(done.stdout.strip()).name == "agentctl"
