"""Our patches in the hands of git: applied to what was, they give what is, whatever the files are."""

import os
import subprocess
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from agentctl.patch.write import patch, patchable
from tests.patch.trees import TREES, Held, Node, effects_of, make, read


def git_apply(folder: Path, data: bytes, *options: str) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(
        ["git", "apply", *options], input=data, cwd=folder, env=environ, capture_output=True, check=False
    )
    assert done.returncode == 0, (done.stderr.decode(errors="replace"), data.decode(errors="replace"))


def patch_between(before: dict[str, Node], after: dict[str, Node]) -> bytes:
    contents = Held()
    found = patchable(effects_of(before, after, contents))
    assert not found.not_kept
    assert not found.gits_own
    return b"".join(patch(found.held, contents))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES, TREES)
def test_git_makes_of_what_was_what_is_and_back(before: dict[str, Node], after: dict[str, Node]) -> None:
    data = patch_between(before, after)
    if not data:
        assert before == after
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "tree"
        make(folder, before)
        git_apply(folder, data)
        assert read(folder) == after
        git_apply(folder, data, "--reverse")
        assert read(folder) == before
