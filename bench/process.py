"""A program run once, with its wall-clock time and its peak memory."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LONGEST_SECONDS = 180.0
_SHOWN_BYTES = 2000

# What would make a run here unlike a run elsewhere: other modules, other servers, other settings.
_FOREIGN = ("PYTHON", "ANTHROPIC_", "AGENTCTL_", "MSWEA_", "LITELLM_", "LLM_", "OPENAI_")


class BenchError(Exception):
    """A program did not do what was to be measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One whole run of a program.

    ``began`` is read from ``time.monotonic`` just before the program is spawned, ``wall`` counts
    seconds from there to its end as ``wait4`` tells it. ``peak_mb`` is ``ru_maxrss`` of the same
    call, in units of 1,000,000 bytes: the largest resident set of any one process among the
    program and the children that it waited for, not their sum.
    """

    began: float
    wall: float
    peak_mb: float


def measure(command: list[str], settings: Mapping[str, str], log: Path) -> Measured:
    """Run a program to its end; what it prints goes to ``log``. Raises BenchError if it fails or hangs."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    environment = environment_of(settings)
    began = time.monotonic()
    pid = os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)
    watchdog = threading.Timer(_LONGEST_SECONDS, os.killpg, (pid, signal.SIGKILL))
    watchdog.start()
    try:
        _, status, usage = os.wait4(pid, 0)
    except BaseException:  # interrupted: a program in a session of its own has heard nothing of it
        os.killpg(pid, signal.SIGKILL)
        raise
    finally:
        wall = time.monotonic() - began
        watchdog.cancel()
    if status != 0:
        raise BenchError(f"{' '.join(command)}\n{_end_of(log)}\nexit code {os.waitstatus_to_exitcode(status)}")
    return Measured(began, wall, usage.ru_maxrss * 1024 / 1e6)


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that a program is run in: ours without what is foreign, with ``settings``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }
    return {**kept, "TERM": "dumb", **settings}


def _end_of(log: Path) -> str:
    return log.read_bytes()[-_SHOWN_BYTES:].decode(errors="replace")
