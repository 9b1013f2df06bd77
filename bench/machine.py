"""What the figures were taken on, and with which versions."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench.programs import VENVS

_VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


def describe() -> list[tuple[str, str]]:
    """Return what is to be told of this machine, as names and values."""
    load = os.getloadavg()[0]
    return [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("machine", f"{os.cpu_count()} cores, {_cpu()}, {_memory_gib():.0f} GiB, Linux {platform.release()}"),
        ("Docker", _output("docker", "version", "--format", "{{.Server.Version}}")),
        ("Python", platform.python_version()),
        ("agentctl", f"{_version('agentctl', 'agentctl')}{_commit()}, anthropic {_version('agentctl', 'anthropic')}"),
        (
            "mini-swe-agent",
            f"{_version('mini-swe-agent', 'mini-swe-agent')}, litellm {_version('mini-swe-agent', 'litellm')}",
        ),
        ("llm", _version("llm", "llm")),
        ("load before", f"{load:.1f}{' (the machine was not quiet)' if load > 0.5 else ''}"),
    ]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(venv: str, package: str) -> str:
    return _output(str(VENVS / venv / "bin/python"), "-c", _VERSION, package)


def _commit() -> str:
    root = str(Path(__file__).parents[1])
    commit = _output("git", "-C", root, "rev-parse", "--short", "HEAD")
    changed = _output("git", "-C", root, "status", "--porcelain", "--", "agentctl")
    return f" (commit {commit}{', with changes' if changed else ''})" if commit else ""


def _output(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip()
