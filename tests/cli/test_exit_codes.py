"""The README's table of exit codes, held to by provoking every one of them."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.paths import Home
from agentctl.store.leases import Lease
from tests.cli.program import ROOT, agentctl
from tests.cli.test_run import ASKS, HELLO, run, script, signalled
from tests.cli.test_run import project as project  # noqa: PLC0414 - a fixture

ROW = re.compile(r"^\| ([\d, ]+) \| (.*) \|$", re.MULTILINE)


def table(page: str) -> dict[int, str]:
    """Read a page's rows: each code, and what it means; a row of several codes has as many meanings."""
    found: dict[int, str] = {}
    for codes, meaning in ROW.findall((ROOT / page).read_text(encoding="utf-8")):
        numbers = [int(code) for code in codes.split(",")]
        meanings = meaning.split(", ") if len(numbers) > 1 else [meaning]
        found |= dict(zip(numbers, meanings, strict=True))
    return found


def busy(project: Path, home: Path) -> int:
    assert run(project, "--session", "mine", "-q").code == 0
    with Lease(Home(home), "mine"):
        return agentctl("resume", "mine").code


def bug(project: Path, home: Path) -> int:
    (project / "sqlite3.py").write_text("raise RuntimeError('trouble')")
    return agentctl("ls", PYTHONPATH=f"{project}:{ROOT}").code


def full(project: Path, home: Path) -> int:
    (project / "file").write_text("")
    return run(project, AGENTCTL_HOME=str(project / "file" / "home")).code


def scripted(text: str, *more: str) -> Callable[[Path, Path], int]:
    return lambda project, home: run(project, *more, model=script(project, text)).code


def no_daemon(project: Path, home: Path) -> int:
    hello = f"script:{project / 'hello.yaml'}"
    return agentctl("run", project / "agent.yaml", "go", "--model", hello, DOCKER_HOST="unix:///nonexistent.sock").code


PROVOKED: dict[int, tuple[str, Callable[[Path, Path], int]]] = {
    0: ("done", scripted(HELLO)),
    1: (
        "the answer is no (`doctor`: something is missing)",
        lambda project, home: agentctl("doctor", AGENTCTL_HOME=str(project / "agent.yaml" / "home")).code,
    ),
    2: (
        "usage, a definition that is not valid, a file or session that is not there",
        lambda project, home: run(project, "--workspace", "/does/not/exist").code,
    ),
    3: ("waits for a person", scripted(ASKS)),
    4: ("a limit was reached", scripted(HELLO, "--max-turns", "1")),
    5: (
        "stuck: the same thing again and again",
        scripted("- tools: [{name: bash, input: {command: 'echo same'}}]\n" * 12),
    ),
    6: (
        "the model's API: unreachable, or it refused the request",
        lambda project, home: run(project, model="claude-opus-5-5").code,
    ),
    7: ("the sandbox or its daemon", no_daemon),
    8: ("the store cannot be read or written", full),
    9: ("the session is being run by somebody else", busy),
    10: ("the model declined", scripted("- {text: No., stop_reason: refusal}")),
    70: ("a bug: one line, and a report file to send", bug),
    129: ("SIGHUP", lambda project, home: signalled(project, signal.SIGHUP)[0]),
    130: ("SIGINT", lambda project, home: signalled(project, signal.SIGINT)[0]),
    143: ("SIGTERM", lambda project, home: signalled(project, signal.SIGTERM)[0]),
}
"""What each code means, in the words of the README, and how to get it."""


def test_the_table_of_the_readme_is_the_codes_that_can_be_provoked() -> None:
    assert table("README.md") == {code: meaning for code, (meaning, _) in PROVOKED.items()}


def test_the_documentation_of_the_output_has_the_same_codes() -> None:
    assert set(table("docs/output.md")) == set(PROVOKED)


@pytest.mark.parametrize("code", PROVOKED)
def test_a_code_is_given_for_what_it_means(project: Path, own_home: Path, code: int) -> None:
    provoke = PROVOKED[code][1]
    assert provoke(project, own_home) == code


def test_scripts_of_a_shell_see_the_same_numbers(project: Path) -> None:
    line = f"'{sys.executable}' -m agentctl show nobody 2>/dev/null; echo $?"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "2\n"
