"""The program as its users start it: a process, its two streams, its exit code."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, AnyStr

ROOT = Path(__file__).resolve().parents[2]

BEGUN: "list[subprocess.Popen[Any]]" = []
"""What tests have begun beside themselves; it is ended with the test."""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output, which is the result wherever JSON was asked for."""
        body: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return body

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def agentctl(*arguments: str | Path, stdin: str | None = None, cwd: Path | None = None, **environ: str) -> Outcome:
    """Run a command without a terminal, bounded in time; a traceback fails the test wherever it shows."""
    done = subprocess.run(
        [sys.executable, "-m", "agentctl", *map(str, arguments)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


def begin(*arguments: str | Path, stderr: int = subprocess.DEVNULL, **environ: str) -> "subprocess.Popen[str]":
    """Start a command that goes on beside the test, which can read what it prints."""
    return watched(
        subprocess.Popen(
            [sys.executable, "-m", "agentctl", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        )
    )


def until(process: "subprocess.Popen[str]", kind: str, times: int = 1) -> list[dict[str, Any]]:
    """Read the events that a command prints up to the first of a kind, or a later one; return them all."""
    assert process.stdout is not None
    lines: list[dict[str, Any]] = []
    for line in process.stdout:
        lines.append(json.loads(line))
        times -= lines[-1]["type"] == kind
        if times <= 0:
            return lines
    raise AssertionError(f"it ended without {kind}: {lines[-3:]}")


def watched(process: "subprocess.Popen[AnyStr]") -> "subprocess.Popen[AnyStr]":
    """Let a process end with the test that began it, however that ends: one failure is to make no others."""
    BEGUN.append(process)
    return process


def end_what_was_begun() -> None:
    """Kill what still runs of it, and close its pipes."""
    while BEGUN:
        process = BEGUN.pop()
        process.kill()
        with process:
            pass
