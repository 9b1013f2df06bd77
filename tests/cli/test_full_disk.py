"""Sessions are removed from a disk on which nothing more can be written: that is when somebody wants to."""

import subprocess
import sys
from pathlib import Path

import pytest

from agentctl.paths import Home
from tests.cli.program import ROOT, agentctl
from tests.kit import Recorder, analysis, open_log

FULL = """
set -u
cp -a "$1" /tmp/full/home
cat /dev/zero > /tmp/full/rest 2>/dev/null
export AGENTCTL_HOME=/tmp/full/home
shift
"$@"; code=$?
for each in ls search stats; do
    echo "== $each"; "${@:1:3}" $each $([ $each = search ] && echo wettest)
done
exit $code
"""
"""Runs a command on a copy of a store that fills its disk, then looks at what is left."""


@pytest.fixture
def home(own_home: Path) -> Home:
    home = Home(own_home)
    with open_log(home) as log:
        for session_id in ("first", "second", "third", "fourth"):
            analysis(Recorder(log, home, session_id))
    return home


def on_a_full_disk(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a namespace of mounts where the store is alone on a small disk."""
    disk = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/tmp", "--size", "4000000", "--tmpfs", "/tmp/full"]
    own = ["--ro-bind", str(home.root), "/mnt", "--bind", str(ROOT), str(ROOT), "--setenv", "PYTHONPATH", str(ROOT)]
    python = Path(sys.executable)
    own += ["--ro-bind", str(python.parents[1]), str(python.parents[1])]
    program = [str(python), "-m", "agentctl"]
    return subprocess.run(
        [*disk, *own, "bash", "-c", FULL, "full", "/mnt", *program, *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.bubblewrap
@pytest.mark.parametrize("command", [["rm", "--yes", "first"], ["prune", "--sessions", "--keep", "3"]])
def test_the_index_of_search_makes_room_for_the_removal_of_sessions(home: Home, command: list[str]) -> None:
    assert agentctl("search", "wettest").code == 0
    done = on_a_full_disk(home, *command)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith("removed session first: ")
    listed, found, summed = (part for part in done.stdout.split("== ")[1:])
    assert "first" not in listed + found
    assert "second" in listed
    assert "second" in found
    assert summed.splitlines()[-1].split()[1] == "3"


@pytest.mark.bubblewrap
def test_where_nothing_makes_room_all_stays_and_the_way_out_is_told(home: Home) -> None:
    done = on_a_full_disk(home, "rm", "--yes", "first")
    assert done.returncode == 8
    first, hint = done.stderr.splitlines()[:2]
    assert first.startswith("agentctl: /tmp/full/home/agentctl.db: ")
    assert hint.startswith("  nothing was removed; ")
    assert "first" in done.stdout.split("== ")[1]
