"""How tests run side by side: a file at a time, and all files that use Docker one after the other.

Tests with Docker count what the daemon has, and those of the network listen to its bridge, so they
must not see each other. pytest-xdist's own groups do not hold with this version of pytest.
"""

from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent


class DockerApart(LoadScopeScheduling):
    """Gives each worker a file at a time; what uses Docker is as one file."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, name = nodeid.partition("::")
        if path.endswith("test_network.py"):
            return "docker"
        elsewhere = next((kind for kind in ("[bubblewrap", "[none") if kind in name), None)
        if elsewhere is not None:
            return path + elsewhere
        return "docker" if "[docker" in name or uses_docker(path) else path


@cache
def uses_docker(path: str) -> bool:
    """Say whether a file of tests has any that are marked so, itself or through the kinds of sandbox it takes."""
    text = (ROOT / path).read_text()
    return "mark.docker" in text or "tests.sandbox.boxes" in text


def make_scheduler(config: pytest.Config, log: object) -> DockerApart:
    """Make the scheduler that pytest-xdist asks for."""
    return DockerApart(config, log)  # type: ignore[arg-type]
