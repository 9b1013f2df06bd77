"""Chaos: sessions whose processes, and containers, are killed at random until each has come to its end.

::

    python -m tests.crash.chaos --sessions 200 --minutes 10 [--docker] [--seed N] [--at-once N]

All sessions share one store. Each is started, killed after a random time, resumed, killed again,
and at last left alone; then it must have its answer, and what is in ``invariants`` must hold. Ends
with 1 where something does not, and names the seed, with which the same moments are chosen again.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from agentctl.paths import Home
from tests.agents import TESTER
from tests.cli.program import Outcome, begin
from tests.crash.invariants import check_acknowledged, check_database, check_deeds, check_events, stored_events

SCRIPT = """\
- text: First.
  tools: [{name: bash, input: {command: "sleep 0.1; echo one >> COUNTED"}}]
- tools:
  - {name: bash, input: {command: "sleep 0.2; echo two >> COUNTED"}}
  - {name: glob, input: {pattern: "*"}}
- tools: [{name: bash, input: {command: "yes | head -c 200000; echo three >> COUNTED"}}]
- {text: Finished.}
"""
WORDS = ("one", "two", "three")
MOST_KILLS = 4
LATEST_KILL_SECONDS = 1.6
MOST_SECONDS = 120.0


@dataclass(frozen=True)
class Arena:
    """The folder of one chaos run: a store, and a folder of files for each session."""

    root: Path
    docker: bool
    token: str = field(default_factory=lambda: os.urandom(3).hex())

    def name(self, number: int) -> str:
        """A name that no session of another chaos run has, whose containers may still be there."""
        return f"chaos-{self.token}-{number}"

    @property
    def home(self) -> Home:
        return Home(self.root / "home")

    def folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir()
        counted = "counted" if self.docker else str(folder / "counted")
        (folder / "agent.yaml").write_text(TESTER)
        (folder / "script.yaml").write_text(SCRIPT.replace("COUNTED", counted))
        return folder

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        return begin(*arguments, "-o", "jsonl", stderr=subprocess.PIPE, AGENTCTL_HOME=str(self.home.root))


def run_chaos(arena: Arena, sessions: int, seed: int, *, at_once: int = 3, deadline: float | None = None) -> list[str]:
    """Run the sessions; return what went wrong, a line for each session. None is begun behind ``deadline``."""

    def one(number: int) -> str | None:
        if deadline is not None and time.monotonic() > deadline:
            return None
        name = arena.name(number)
        try:
            _session(arena, name, random.Random(f"{seed}/{number}"))
        except AssertionError as failure:
            return f"{name}: {failure}"
        return None

    with ThreadPoolExecutor(at_once) as pool:
        failures = [failure for failure in pool.map(one, range(sessions)) if failure]
    check_database(arena.home)
    if arena.docker:
        failures += _leftovers(arena, sessions)
    return failures


def _leftovers(arena: Arena, sessions: int) -> list[str]:
    """A container whose harness was killed before it spoke to it is nobody's: it is collected."""
    collected = arena.begin("gc")
    assert collected.communicate(timeout=MOST_SECONDS)[1] is not None
    names = map(arena.name, range(sessions))
    return [f"{name}: left a container" for name in names if _containers(name)]


def _session(arena: Arena, name: str, chance: random.Random) -> None:
    folder = arena.folder(name)
    run = ["run", str(folder / "agent.yaml"), "go", "--session", name, "--model", f"script:{folder / 'script.yaml'}"]
    run += ["--sandbox", "docker" if arena.docker else "none"]
    printed, command = "", run
    for _ in range(chance.randint(1, MOST_KILLS)):
        done = _killed(arena, command, name, chance)
        printed += done.out
        assert done.code in (-9, 0, 2), done
        command = run if done.code == 2 or (command is run and not done.out) else ["resume", name]
    done = _finished(arena, command, run)
    printed += done.out
    assert (done.code, done.json["text"]) == (0, "Finished."), done
    events = stored_events(arena.home, name)
    check_events(events)
    check_acknowledged(printed, events)
    check_deeds(folder / "counted", WORDS)


def _killed(arena: Arena, command: list[str], name: str, chance: random.Random) -> Outcome:
    process = arena.begin(*command)
    time.sleep(chance.uniform(0.0, LATEST_KILL_SECONDS))
    if arena.docker and chance.random() < 0.4 and (found := _containers(name)):
        subprocess.run(["docker", "rm", "--force", *found], capture_output=True, check=False)
        time.sleep(chance.uniform(0.0, 0.5))
    process.kill()
    out, err = process.communicate(timeout=MOST_SECONDS)
    assert "Traceback" not in err, err
    return Outcome(process.returncode, out, err)


def _finished(arena: Arena, command: list[str], run: list[str]) -> Outcome:
    process = arena.begin(*command)
    out, err = process.communicate(timeout=MOST_SECONDS)
    if process.returncode == 2 and "already" in err:  # the session had been made, but nothing was printed
        return _finished(arena, ["resume", run[4]], run)
    if process.returncode == 2 and command is not run:
        return _finished(arena, run, run)
    assert "Traceback" not in err, err
    return Outcome(process.returncode, out, err)


def _containers(name: str) -> list[str]:
    command = ["docker", "ps", "--all", "--quiet", "--filter", f"label=agentctl.session={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill sessions at random until each has come to its end.")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10.0, help="begin no session after this time")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--docker", action="store_true", help="in containers, which are killed too")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory() as root:
        arena = Arena(Path(root), chosen.docker)
        deadline = time.monotonic() + 60 * chosen.minutes
        failures = run_chaos(arena, chosen.sessions, chosen.seed, at_once=chosen.at_once, deadline=deadline)
    print(*failures, f"{len(failures)} of {chosen.sessions} went wrong (seed {chosen.seed})", sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
