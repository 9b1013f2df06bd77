"""How tests run side by side: what uses Docker in one worker, one after the other; all else a file at a time.

Tests with Docker count what the daemon has, and those of the network listen to its bridge, so they
must not see each other. Which these are is known to the workers, who collect the tests with their
marks; who shares the work out knows only names. So each worker writes the names down in a folder.
(pytest-xdist's own groups, which put them into the names, do not hold with this version of pytest.)
"""

import json
import tempfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

FOLDER = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()
APART = "docker"
LONGEST = (
    APART,
    "tests/cli/test_rerun.py",
    "tests/launch/test_again.py",
    "tests/cli/test_long_sessions.py",
    "tests/crash/test_inject.py",
    "tests/test_scripts.py",
    "tests/cli/test_fork.py",
    "tests/cli/test_run.py",
    "tests/store/test_faults.py",
    "tests/crash/test_kill.py",
    "tests/store/test_snapshots.py",
    "tests/test_debugging.py",
    "tests/test_evil_session.py",
    "tests/mutations/test_mutations.py",
    "tests/network/test_gateway.py",
    "tests/test_examples.py",
    "tests/cli/test_exchange.py",
    "tests/cli/test_vault.py",
    "tests/definitions/test_schema.py",
    "tests/store/test_many_processes.py",
    "tests/crash/test_chaos.py",
)
"""What takes longest is begun first, so that no worker is left alone with it at the end."""


class DockerApart(LoadScopeScheduling):
    """Gives each worker a file at a time; what is apart is as one file, and the first."""

    @cached_property
    def _apart(self) -> frozenset[str]:
        written = sorted(Path(self.config.stash[FOLDER].name).iterdir())
        return frozenset(json.loads(written[0].read_text()))

    def _split_scope(self, nodeid: str) -> str:
        return APART if nodeid in self._apart else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = next((scope for scope in LONGEST if scope in self.workqueue), None)
        if longest is not None:
            self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


def tell_where(node: WorkerController) -> None:
    """Tell a worker that begins where it writes what is apart."""
    if FOLDER not in node.config.stash:
        node.config.stash[FOLDER] = folder = tempfile.TemporaryDirectory(prefix="agentctl-tests-")
        node.config.add_cleanup(folder.cleanup)
    node.workerinput["apart"] = f"{node.config.stash[FOLDER].name}/{node.gateway.id}"


def write_apart(items: Iterable[pytest.Item], workerinput: dict[str, object]) -> None:
    """Write down, in a worker, which of its tests are apart: those marked ``docker`` or ``bridge``."""
    apart = [item.nodeid for item in items if any(map(item.get_closest_marker, ("docker", "bridge")))]
    Path(str(workerinput["apart"])).write_text(json.dumps(apart))
