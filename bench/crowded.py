"""What many sessions at once on one store take: each in a process of its own, as cron jobs are."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from time import monotonic

from bench.process import measure
from bench.programs import AGENTCTL
from bench.rows import Row, interleaved

_AT_ONCE, _STEPS = 32, 20
_ALONE = 4
"""Sessions in turn, each alone: a single one is too short to be measured."""

_MOST_RUNS = 2
_AGENT = "name: stepper\nmodel: script:steps.yaml\ntools: [{type: agent_toolset_20260401}]\n"


def measure_crowded(folder: Path, runs: int) -> list[Row]:
    """Run sessions in turn, and at once, at most twice. Raises BenchError where one of them fails, be it by a lock."""
    store = _Store(folder)
    deeds = {"alone": store.in_turn, "at once": store.at_once}
    taken = interleaved(f"{_AT_ONCE} sessions at once", min(runs, _MOST_RUNS), deeds)
    cores = len(os.sched_getaffinity(0))
    shares = [
        100 * (at_once / _AT_ONCE) / (alone / _ALONE / cores)
        for alone, at_once in zip(taken["alone"], taken["at once"], strict=True)
    ]
    what = f"{_AT_ONCE} sessions of {_STEPS} steps at once on one store: time, of what each core's share takes in turn"
    return [Row(what, "%", shares, most=125.0)]


class _Store:
    """A store, and a script of so many steps, each one call of ``bash``, that is run without isolation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        folder.mkdir()
        (folder / "agent.yaml").write_text(_AGENT)
        steps = (f"- tools: [{{name: bash, input: {{command: echo step {step}}}}}]\n" for step in range(1, _STEPS + 1))
        (folder / "steps.yaml").write_text("".join([*steps, "- text: Done.\n"]))

    def in_turn(self) -> float:
        """Return the seconds that some sessions take, one after another."""
        began = monotonic()
        for _ in range(_ALONE):
            self._run(next(self._numbers))
        return monotonic() - began

    def at_once(self) -> float:
        """Return the seconds until the last of so many sessions has ended that all begin at once."""
        numbers = [next(self._numbers) for _ in range(_AT_ONCE)]
        began = monotonic()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._run, numbers))
        return monotonic() - began

    def _run(self, number: int) -> None:
        command = [AGENTCTL, "run", str(self._folder / "agent.yaml"), "go", "--sandbox", "none"]
        command += ["--model", f"script:{self._folder / 'steps.yaml'}", "--session", f"bench-crowd-{number}"]
        settings = {"AGENTCTL_HOME": str(self._folder / "home"), "HOME": str(self._folder)}
        measure(command, settings, self._folder / f"log-{number}")
