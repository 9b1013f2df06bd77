"""The rows of the table: what is run for each, in which order, and what is counted."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.environments import environments
from bench.process import Measured
from bench.programs import Programs, SessionRun

T = TypeVar("T")

SHORT, LONG = 10, 50
"""Steps of the two kinds of session; the difference between them is what a step costs."""

_LOOK_STEPS = 5
_LONG_RESUMES = 3
_RERUNS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``unit`` is s, ms, MB or %, and ``most`` the budget in it."""

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float] = ()
    most: float | None = None


def measure_all(programs: Programs, starts: int, sessions: int) -> list[Row]:
    """Take every figure: ``starts`` runs of each short command, ``sessions`` of each session."""
    helped = _help(programs, starts)
    driven = _sessions(programs, sessions)
    looked = _look(programs, starts)  # last, on a store with something in it
    return [
        *helped,
        *looked,
        *driven,
        *_resumes(programs, sessions),
        _diff(programs, sessions),
        _rerun(programs, sessions),
        *_starts(programs, starts),
    ]


def _help(programs: Programs, runs: int) -> list[Row]:
    taken = interleaved("--help", runs, {"ours": lambda: programs.agentctl("--help"), "mini": programs.mini_help})
    return [Row("`agentctl --help`; `mini --help`", "s", _walls(taken["ours"]), _walls(taken["mini"]), 0.12)]


def _look(programs: Programs, runs: int) -> list[Row]:
    programs.agentctl_session(_LOOK_STEPS)
    for number in range(_LOOK_STEPS):
        programs.llm("prompt", "--model", "echo", *(["--continue"] if number else []), f"step {number}")
    taken = interleaved(
        "ls, show, replay",
        runs,
        {
            "ls": lambda: programs.agentctl("ls"),
            "show": lambda: programs.agentctl("show", "@"),
            "replay": lambda: programs.agentctl("replay", "@", "--speed", "max"),
            "llm": lambda: programs.llm("logs"),
        },
    )
    return [
        Row(f"`{command}`; `llm logs`", "s", _walls(taken[name]), _walls(taken["llm"]), 0.20)
        for name, command in (("ls", "ls"), ("show", "show @"), ("replay", "replay @ --speed max"))
    ]


def _sessions(programs: Programs, runs: int) -> list[Row]:
    kinds = {"ours": programs.agentctl_session, "mini": programs.mini_session, "floor": programs.floor_session}
    deeds = {
        f"{name} {steps}": lambda session=session, steps=steps: session(steps)
        for steps in (SHORT, LONG)
        for name, session in kinds.items()
    }
    taken = interleaved(f"sessions of {SHORT} and {LONG} steps", runs, deeds)
    ours, mini, floor = (_Kind(taken[f"{name} {SHORT}"], taken[f"{name} {LONG}"]) for name in kinds)
    return [
        Row("process start to first model request", "s", ours.first_requests, mini.first_requests, 0.9),
        Row("one step, slope between sessions", "ms", ours.slopes, mini.slopes, 6.0),
        Row("one step, between two requests", "ms", ours.gaps, mini.gaps, 6.0),
        Row(f"a session of {LONG} steps", "s", ours.walls, mini.walls, 1.6),
        Row("peak memory of that session", "MB", ours.peaks, mini.peaks, 130.0),
        Row("one step of a bare SDK loop, slope", "ms", floor.slopes),
        Row("one step of a bare SDK loop, between two requests", "ms", floor.gaps),
    ]


def _resumes(programs: Programs, runs: int) -> list[Row]:
    return [_resume(programs, 1_000, runs, 0.3), _resume(programs, 100_000, min(runs, _LONG_RESUMES), 5.0)]


def _resume(programs: Programs, events: int, runs: int, most: float) -> Row:
    """Take up sessions of so many events; what a session takes that begins with nothing is taken out."""
    names, steps = programs.record_sessions(events, runs + 1)
    taken = interleaved(
        f"resume of {events:,} events",
        runs,
        {
            "ours": lambda: programs.agentctl_resume(names.pop(), steps).to_first_request,
            "new": lambda: programs.agentctl_answer().to_first_request,
        },
    )
    added = [resumed - new for resumed, new in zip(taken["ours"], taken["new"], strict=True)]
    return Row(f"resume of {events:,} events: what it adds to the first request", "s", added, most=most)


def _diff(programs: Programs, runs: int) -> Row:
    one, other = programs.record_pair(10_000)
    taken = interleaved("diff of 10,000 events a side", runs, {"ours": lambda: programs.agentctl_diff(one, other)})
    return Row("`diff` of two sessions of 10,000 events", "s", _walls(taken["ours"]), most=1.0)


def _rerun(programs: Programs, runs: int) -> Row:
    """Do a session again from its record alone; one that does not come to the same ends otherwise than with 0."""
    (name,), _ = programs.record_sessions(10_000, 1)
    taken = interleaved(
        "rerun of 10,000 events", min(runs, _RERUNS), {"ours": lambda: programs.agentctl_recorded("rerun", name)}
    )
    return Row("`rerun` of 10,000 events, from the record alone", "s", _walls(taken["ours"]))


def _starts(programs: Programs, runs: int) -> list[Row]:
    with environments(programs.folder / "builds") as starts:
        deeds = {"built": lambda: starts.start(starts.built), "plain": lambda: starts.start(starts.plain)}
        taken = interleaved("starts of containers", runs, deeds)
    return [Row("container ready, built environment; plain image", "s", taken["built"], taken["plain"])]


@dataclass(frozen=True, slots=True)
class _Kind:
    """The sessions of one program, short and long ones in the order they were run in."""

    short: Sequence[SessionRun]
    long: Sequence[SessionRun]

    @property
    def first_requests(self) -> list[float]:
        return [run.to_first_request for run in (*self.short, *self.long)]

    @property
    def slopes(self) -> list[float]:
        pairs = zip(self.short, self.long, strict=True)
        return [1000 * (long.driving_seconds - short.driving_seconds) / (LONG - SHORT) for short, long in pairs]

    @property
    def gaps(self) -> list[float]:
        return [1000 * seconds for run in self.long for seconds in run.step_seconds(SHORT)]

    @property
    def walls(self) -> list[float]:
        return [run.process.wall for run in self.long]

    @property
    def peaks(self) -> list[float]:
        return [run.process.peak_mb for run in self.long]


def interleaved(name: str, runs: int, deeds: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Do every deed in turn, ``runs`` times over, after a first time that warms caches and is not counted."""
    taken: dict[str, list[T]] = {key: [] for key in deeds}
    for number in range(runs + 1):
        print(f"{name}: {'warming up' if number == 0 else f'{number} of {runs}'}", file=sys.stderr)
        for key, deed in deeds.items():
            result = deed()
            if number:
                taken[key].append(result)
    return taken


def _walls(taken: Sequence[Measured]) -> list[float]:
    return [run.wall for run in taken]
