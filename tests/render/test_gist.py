"""What an event says in a line."""

import pytest

from agentctl.events.local import LocalSandboxStarted
from agentctl.render.gist import gist


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (
            {"files": 2, "isolated": True, "kind": "docker", "packages": {"count": 1300, "sha256": "0"}},
            "docker, files 2, isolated yes, packages 1,300",
        ),
        ({"ready_seconds": 0.131141, "uid_map": {"unknown": 1}}, "ready 0.1s, uid map unknown"),
        ({"ready_seconds": 75}, "ready 1m 15s"),
        ({"ready_seconds": float("inf")}, "ready seconds inf"),
        ({"ready_seconds": "soon"}, "ready seconds soon"),
        ({}, ""),
    ],
)
def test_a_sandbox_is_told_in_words(facts: dict[str, object], told: str) -> None:
    assert gist(LocalSandboxStarted(id="sevt_1", facts=facts)) == told  # type: ignore[arg-type]
