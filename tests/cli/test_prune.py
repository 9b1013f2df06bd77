"""Kept states of sandboxes: made when a session rests, taken up again, and removed when their time is over."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentctl.harness.keeping import unkept_line
from agentctl.paths import Home
from agentctl.sandbox.docker.checkpoints import Checkpoints
from tests.cli.program import agentctl
from tests.cli.store_page import described

SCRIPT = """\
- tools: [{name: bash, input: {command: "echo by hand >~/tool; echo recorded >file"}}]
- {text: One.}
- tools: [{name: bash, input: {command: "cat ~/tool file; echo changed >~/tool"}}]
- {text: Two.}
- tools: [{name: bash, input: {command: "cat ~/tool file"}}]
- {text: Three.}
"""

pytestmark = pytest.mark.docker


@pytest.fixture
def project(tmp_path: Path, own_home: Path, docker_answers: None) -> Iterator[Path]:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "script.yaml").write_text(SCRIPT)
    yield folder
    checkpoints = Checkpoints(Home(own_home).builds)
    for left in checkpoints.list():
        checkpoints.remove(left)
    checkpoints.close()


def begin(project: Path, session: str, keep: str = "30d") -> None:
    agent = {
        "name": "a",
        "model": "claude-opus-5-5",
        "tools": [{"type": "agent_toolset_20260401"}],
        "local": {"keep": keep},
    }
    (project / "agent.yaml").write_text(json.dumps(agent))
    run = (
        "run",
        project / "agent.yaml",
        "go",
        "--session",
        session,
        "--model",
        f"script:{project / 'script.yaml'}",
        "-q",
    )
    assert agentctl(*run).out == "One.\n"


def events(session: str, kind: str) -> list[dict[str, Any]]:
    lines = agentctl("events", session, "-o", "jsonl").out.splitlines()
    return [event for event in map(json.loads, lines) if event["type"] == kind]


def result_text(session: str) -> str:
    return "\n".join(block["text"] for block in events(session, "agent.tool_result")[-1]["content"])


def images() -> list[str]:
    found = ["docker", "images", "--no-trunc", "-q", "--filter", "label=agentctl.checkpoint"]
    return subprocess.run(found, capture_output=True, text=True, check=True).stdout.split()


def test_what_was_installed_by_hand_is_there_again_and_only_the_newest_is_kept(project: Path) -> None:
    session = f"kept{os.getpid()}"
    begin(project, session)
    (first,) = events(session, "local.checkpoint")
    assert first["image"] in images()
    assert agentctl("send", session, "more", "-q").out == "Two.\n"
    assert "as it was when the session came to rest" in result_text(session)
    assert result_text(session).endswith("by hand\nrecorded")
    _, second = events(session, "local.checkpoint")
    assert first["image"] not in images()
    assert second["image"] in images()

    assert agentctl("prune", "--dry-run").out == "there is nothing to remove\n"
    assert agentctl("gc", "-o", "json").json["expired_checkpoints"] == 0
    seen = agentctl("prune", "--older-than", "0s", "--dry-run", "-o", "json")
    described(seen.json)
    assert [one["name"] for one in seen.json["removed"]] == [second["image"]]
    assert second["image"] in images()
    assert agentctl("prune", "--older-than", "0s", "-o", "json").json["removed"] == seen.json["removed"]
    assert second["image"] not in images()

    # Without it the files of the record are what there is, and the model is told so.
    assert agentctl("send", session, "more", "-q").out == "Three.\n"
    assert "Files elsewhere, what was installed" in result_text(session)
    assert result_text(session).endswith("No such file or directory\nrecorded\n[exit code 1]")


def test_a_state_whose_time_is_over_goes_and_gc_mentions_it(project: Path, own_home: Path) -> None:
    session = f"over{os.getpid()}"
    begin(project, session, keep="0.1s")
    (kept,) = events(session, "local.checkpoint")
    assert agentctl("gc").out == "nothing is left behind\n1 kept state of sandboxes can go: agentctl prune\n"
    other = agentctl("prune", "-o", "json", AGENTCTL_HOME=str(own_home / "other"))
    assert (other.code, other.json["removed"]) == (0, []), "another store has no say in it"
    said = agentctl("prune", "--checkpoints").out
    assert said.startswith(f"removed checkpoint {kept['image']}: {session}; ")
    assert said.endswith("its time is over\n")
    assert kept["image"] not in images()


def test_a_state_that_cannot_be_kept_is_known_to_show_fork_and_resume(project: Path) -> None:
    (project / "script.yaml").write_text(
        '- tools: [{name: bash, input: {command: "truncate -s 4T ~/holes"}}]\n- {text: One.}\n'
        '- tools: [{name: bash, input: {command: "ls ~/holes"}}]\n- {text: Two.}\n'
    )
    begin(project, "full")
    [failed] = events("full", "local.checkpoint_failed")
    assert "its disk limit is" in failed["reason"]
    assert events("full", "local.checkpoint") == []
    assert failed["reason"] in agentctl("show", "full").out.replace("\n", " ")
    assert agentctl("show", "full", "-o", "json").json["checkpoints"]["reason"] == failed["reason"]
    assert failed["reason"] in agentctl("replay", "full", "--speed", "max").out
    forked = agentctl("fork", "full", "--no-run", "-o", "json").json
    assert [loss["kind"] for loss in forked["not_restored"]] == ["kept_state", "elsewhere", "processes"]
    assert failed["reason"] in forked["not_restored"][0]["line"]
    assert f"not restored: {unkept_line(failed['reason'])}" in agentctl("send", "full", "again").err
    assert "No such file" in result_text("full")


def test_prune_needs_no_daemon_where_none_was_ever_used(own_home: Path) -> None:
    done = agentctl("prune", "-o", "json", DOCKER_HOST="unix:///nonexistent.sock")
    assert (done.code, done.json["removed"]) == (0, [])
