"""A store on a medium that nobody can write to is read like any other."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.paths import Home
from tests.cli.program import ROOT
from tests.kit import Recorder, analysis, open_log

_BOUND = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def as_who_cannot_write(home: Path) -> list[str]:
    """Return what begins a command that cannot write to a folder; root can, unless it is mounted so."""
    if os.geteuid():
        home.chmod(0o500)
        return []
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("root without the right to mount can write everywhere")
    return ["unshare", "-m", "sh", "-c", _BOUND, str(home)]


@pytest.fixture
def home(own_home: Path) -> Iterator[Path]:
    with open_log(Home(own_home)) as log:
        analysis(Recorder(log, Home(own_home), "one"))
        analysis(Recorder(log, Home(own_home), "two"))
    yield own_home
    own_home.chmod(0o700)


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*as_who_cannot_write(home), sys.executable, "-m", "agentctl", *arguments],
        env={**os.environ, "AGENTCTL_HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "code"),
    [("ls", 0), ("show one", 0), ("replay one --speed max", 0), ("events one", 0), ("diff one two", 0),
     ("verify one -o json", 1), ("search wettest", 0), ("send one more", 8), ("baseline set b one", 8)],
)  # fmt: skip
def test_whoever_looks_needs_nothing_that_can_be_written(home: Path, command: str, code: int) -> None:
    for name in ("agentctl.db-wal", "agentctl.db-shm"):
        (home / name).unlink(missing_ok=True)
    done = run(home, *command.split())
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr
    if command.startswith("verify"):
        assert '"intact": true' in done.stdout


def test_what_was_not_yet_brought_into_the_file_is_said_to_be_missing(home: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(home / "agentctl.db", isolation_level=None)
    connection.execute("INSERT INTO baselines VALUES ('x', 1, '2026')")
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    connection.close()
    (copy / "agentctl.db-shm").unlink()
    done = run(copy, "ls")
    assert done.returncode == 8
    assert done.stderr.startswith(f"agentctl: what was written last is still in {copy}/agentctl.db-wal")
    assert len(done.stderr.splitlines()) == 2
    copy.chmod(0o700)
