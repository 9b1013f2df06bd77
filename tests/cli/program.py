"""The program as its users start it: a process, its two streams, its exit code."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


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
