"""What is told, and what is begun, is durable before: the order of a run's system calls stands in for a power cut."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.agents import TESTER
from tests.cli.program import ROOT

SCRIPT = "- tools: [{name: bash, input: {command: echo one}}]\n- {text: Finished.}\n"

BEGUN = re.compile(r"^\d+ +(pwrite64|fdatasync|write|writev)\((\d+)<([^>]*)>")
RESUMED = re.compile(r"^(\d+) +<\.\.\. fdatasync resumed>.* = 0$")
ID = re.compile(r"sevt_[0-9a-z]{26}")
TOLD = re.compile(r'\\"id\\": \\"(sevt_[0-9a-z]{26})\\"')


def traced(folder: Path) -> Iterator[str]:
    """The lines of a run's trace; what it prints is in ``out``."""
    (folder / "agent.yaml").write_text(TESTER)
    (folder / "script.yaml").write_text(SCRIPT)
    command = [
        "strace", "-f", "-y", "-s", "6000", "-o", str(folder / "trace"), "-e", "trace=pwrite64,fdatasync,write,writev",
        sys.executable, "-m", "agentctl", "run", str(folder / "agent.yaml"), "go", "--sandbox", "none",
        "--model", f"script:{folder / 'script.yaml'}", "-o", "jsonl",
    ]  # fmt: skip
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "out").open("w") as out:
        subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=120, check=True, env=environ)
    with (folder / "trace").open(encoding="utf-8", errors="replace") as trace:
        yield from trace


def test_every_event_is_synced_before_it_is_told_and_before_its_call_begins(tmp_path: Path) -> None:  # H11
    written: set[str] = set()
    durable: set[str] = set()
    told: list[str] = []
    calls: set[str] = set()
    for line in traced(tmp_path):
        if RESUMED.match(line.rstrip()):
            durable |= written
            continue
        match = BEGUN.match(line)
        if match is None:
            continue
        name, descriptor, path = match.groups()
        if name == "pwrite64" and path.endswith("agentctl.db-wal"):
            written |= set(ID.findall(line)) | ({"a call is begun"} if "local.tool_started" in line else set())
        elif name == "fdatasync" and path.endswith("agentctl.db-wal") and line.rstrip().endswith("= 0"):
            durable |= written
        elif descriptor == "1" and path == str(tmp_path / "out"):
            told += TOLD.findall(line)[:1]
            assert set(told) <= durable
        elif path.startswith("pipe:") and r"\"type\": \"call\"" in line:
            calls |= set(TOLD.findall(line))
            assert calls | {"a call is begun"} <= durable
            assert written <= durable
    printed = (tmp_path / "out").read_text().splitlines()
    assert len(told) == len(printed) - 1 >= 12
    assert len(calls) == 1
