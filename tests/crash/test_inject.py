"""A run that is killed at a write, a sync, a rename or an unlink of the store is taken up again.

``strace`` kills the process right before the system call. A first run counts the calls; then each
of them, or an even sample of them, is where another run is killed, in a store of its own.

AGENTCTL_TEST_ALL=1 kills at every single one (some minutes).
"""

import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentctl.paths import Home
from tests.agents import TESTER
from tests.amount import amount
from tests.cli.program import ROOT, agentctl
from tests.crash.invariants import (
    check_acknowledged,
    check_database,
    check_deeds,
    check_events,
    check_files,
    stored_events,
)

MOST_OF_EACH = 6
CALLS = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "rename")

SCRIPT = """\
- text: First.
  tools: [{name: bash, input: {command: "echo one >> COUNTED; echo one > made"}}]
- tools: [{name: bash, input: {command: "echo two >> COUNTED; echo two > too"}}, {name: glob, input: {pattern: "*"}}]
- {text: Finished.}
"""


@dataclass(frozen=True)
class Place:
    """A folder with a store and the files of one session."""

    root: Path

    def __post_init__(self) -> None:
        self.root.mkdir()
        (self.root / "agent.yaml").write_text(TESTER)
        (self.root / "script.yaml").write_text(SCRIPT.replace("COUNTED", str(self.root / "counted")))

    @property
    def home(self) -> Home:
        return Home(self.root / "home")

    @property
    def command(self) -> list[str]:
        return [
            "run", str(self.root / "agent.yaml"), "go", "--session", "killed", "--sandbox", "none",
            "--model", f"script:{self.root / 'script.yaml'}",
        ]  # fmt: skip

    def traced(self, *options: str) -> subprocess.CompletedProcess[str]:
        # Without -f only the first thread is traced, which is the one that writes to the store.
        program = [sys.executable, "-m", "agentctl", *self.command, "-o", "jsonl"]
        environ = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "AGENTCTL_HOME": str(self.home.root)}
        return subprocess.run(
            ["strace", "-o", str(self.root / "trace"), *options, *program],
            capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environ},
        )  # fmt: skip


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How often each call is made in a run that nobody kills."""
    place = Place(tmp_path_factory.mktemp("clean") / "place")
    done = place.traced("-e", f"trace={','.join(CALLS)}")
    assert done.returncode == 0, done.stderr
    return Counter(re.findall(r"^(\w+)\(", (place.root / "trace").read_text(), re.MULTILINE))


def sample(count: int) -> list[int]:
    """Numbers from 1 to ``count``: all of them, or some evenly, the first and the last among them."""
    most = min(count, amount(MOST_OF_EACH, count))
    return sorted({1 + round(index * (count - 1) / max(1, most - 1)) for index in range(most)})


def kill_and_resume(place: Place, call: str, number: int) -> None:
    killed = place.traced("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
    assert killed.returncode == -9, killed.stderr
    done = agentctl("resume", "killed", "-o", "json", AGENTCTL_HOME=str(place.home.root))
    if done.code == 2:  # killed before there was a session: nothing was acknowledged
        assert not killed.stdout
        done = agentctl(*place.command, "-o", "json", AGENTCTL_HOME=str(place.home.root))
    assert (done.code, done.json["text"]) == (0, "Finished."), done
    check_database(place.home)
    events = stored_events(place.home, "killed")
    check_events(events)
    check_acknowledged(killed.stdout, events)
    check_files(place.home, events)
    check_deeds(place.root / "counted", ("one", "two"))


@pytest.mark.parametrize("call", CALLS)
def test_a_run_that_is_killed_at_a_system_call_of_the_store_ends_with_the_same_answer(
    tmp_path: Path, counts: Counter[str], call: str
) -> None:
    assert counts[call]
    numbers = sample(counts[call])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        attempts = {
            number: pool.submit(kill_and_resume, Place(tmp_path / f"{call}-{number}"), call, number)
            for number in numbers
        }
    failures = {number: attempt.exception() for number, attempt in attempts.items() if attempt.exception()}
    assert not failures
