"""What a fork takes: its share of the store that its parent with a thousand files already takes, and its time."""

import sqlite3
from contextlib import closing
from pathlib import Path

from agentctl.paths import Home
from bench.process import Measured, measure
from bench.programs import AGENTCTL
from bench.rows import Row

_FILES, _FOLDERS = 1_000, 20
_AGENT = "name: counter\nmodel: script:steps.yaml\ntools: [{type: agent_toolset_20260401}]\n"
_STEPS = "- tools: [{name: bash, input: {command: 'ls | wc -l'}}]\n- text: Counted.\n"


def measure_forked(folder: Path, runs: int) -> list[Row]:
    """Fork a session of so many files ``runs`` times, each time the first one, at its end."""
    parent = _Parent(folder)
    shares, seconds = [], []
    for _ in range(runs):
        before = parent.stored()
        seconds.append(parent.agentctl("fork", "parent", "--no-run").wall)
        shares.append(100 * (parent.stored() - before) / before)
    return [
        Row(f"`fork` of a session with {_FILES:,} files: what it adds to the store", "%", shares, most=1.0),
        Row("`fork` of that session", "s", seconds),
    ]


class _Parent:
    """A store with one session, whose workspace had a thousand files of some kilobytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = folder / "home"
        for number in range(_FILES):
            path = folder / "workspace" / str(number % _FOLDERS) / f"file-{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%d\n" % number * 500)
        agent = folder / "agent.yaml"
        agent.write_text(_AGENT)
        steps = folder / "steps.yaml"
        steps.write_text(_STEPS)
        self.agentctl(
            "run", str(agent), "count", "--sandbox", "none", "--session", "parent",
            "--workspace", str(folder / "workspace"), "--model", f"script:{steps}",
        )  # fmt: skip

    def agentctl(self, *arguments: str) -> Measured:
        """Run the program on this store."""
        settings = {"AGENTCTL_HOME": str(self._home), "HOME": str(self._folder)}
        return measure([AGENTCTL, *arguments], settings, self._folder / "log")

    def stored(self) -> int:
        """Return the bytes that the store takes, once what was written last is in its place."""
        self.agentctl("ls")
        with closing(sqlite3.connect(Home(self._home).database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return sum(path.stat().st_blocks * 512 for path in self._home.rglob("*") if path.is_file())
