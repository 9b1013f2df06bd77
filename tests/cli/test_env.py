"""``agentctl env``: environments become images ahead of time, are listed with their use, and are removed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from agentctl.paths import Home
from agentctl.sandbox.docker.containers import owner_of
from tests.cli.program import ROOT, agentctl
from tests.cli.test_output_docs import members

PAGE = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8")
OBJECTS = {body["schema"]: body for body in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))}
HELLO = "- tools: [{name: bash, input: {command: 'echo hello'}}]\n- {text: Done.}\n"

pytestmark = pytest.mark.docker


@pytest.fixture
def project(tmp_path: Path, docker_answers: None) -> Iterator[Path]:
    folder = tmp_path / "project"
    folder.mkdir()
    setup = f"echo what setup prints; test ! -e /fails # {os.getpid()} {tmp_path.name}"
    environment = {"name": "tiny", "config": {"type": "docker", "setup": setup}}
    (folder / "environment.yaml").write_text(json.dumps(environment))
    environment["config"]["setup"] = f"echo before; exit 3 # {os.getpid()}"
    (folder / "failing.yaml").write_text(json.dumps(environment))
    (folder / "agent.yaml").write_text("name: a\nmodel: claude-opus-5-5\ntools: [{type: agent_toolset_20260401}]\n")
    (folder / "script.yaml").write_text(HELLO)
    yield folder
    agentctl("env", "rm", "--unused", "--older-than", "0s", "-o", "json")


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()


def described(printed: dict[str, Any]) -> None:
    """The page has every member of the object, and no other."""
    assert members(OBJECTS[printed["schema"]]) == members(printed)


def test_an_image_is_built_used_listed_and_removed(project: Path, own_home: Path) -> None:
    file = project / "environment.yaml"
    built = agentctl("env", "build", file, "-o", "json")
    assert built.code == 0
    described(built.json)
    assert built.json["built"]
    assert "· step 1 of" in built.err
    assert "run setup" in built.err
    assert "\x1b" not in built.err, "no terminal, so nothing moves"
    again = agentctl("env", "build", file, "--log", "-q")
    assert again.err == ""
    assert again.out.splitlines()[0].endswith("is there already")
    assert "  what setup prints" in again.out.splitlines()
    assert again.out.splitlines()[-1].startswith("the whole log: ")

    (listed,) = agentctl("env", "ls", "-o", "json").json["images"]
    assert (listed["tag"], listed["sessions"], listed["environments"]) == (built.json["tag"], 0, ["tiny"])
    run = ("run", project / "agent.yaml", "go", "-e", file, "--model", f"script:{project / 'script.yaml'}", "-q")
    assert agentctl(*run).out == "Done.\n"
    after = agentctl("env", "ls", "-o", "json").json
    described(after | {"unfinished": [{"recipe": "", "size": 0}]})
    (used,) = after["images"]
    assert used["sessions"] == 1
    assert used["last_used_at"] > listed["last_used_at"]
    head, row = agentctl("env", "ls").out.splitlines()
    assert head.split() == ["ENVIRONMENT", "IMAGE", "SIZE", "BUILT", "LAST", "USE", "SESSIONS"]
    assert row.split()[:2] == ["tiny", used["tag"]]

    assert agentctl("env", "rm", "--unused", "-o", "json").json["removed"] == [], "it was used a moment ago"
    seen = agentctl("env", "rm", "tiny", "--dry-run", "-o", "json")
    described(seen.json)
    assert docker("image", "inspect", "--format", "{{.Id}}", used["tag"]) == used["image"]
    container = docker("create", used["tag"])
    busy = agentctl("env", "rm", used["tag"])
    assert busy.code == 7
    assert busy.out.startswith(f"cannot remove image {used['tag']}: ")
    docker("rm", container)
    gone = agentctl("env", "rm", file, "-o", "json")
    assert gone.json["removed"] == seen.json["removed"]
    assert "1 session began with it" in gone.json["removed"][0]["note"]
    assert agentctl("env", "ls").out == "no environment has become an image yet; agentctl env build FILE makes one\n"
    assert not list((own_home / "builds").glob("*.log"))

    # The session is locked to what is gone now.
    send = ("send", "@", "more", "-q")
    (project / "script.yaml").write_text(HELLO + HELLO)
    refused = agentctl(*send)
    assert refused.code == 7
    assert used["image"] in refused.err
    allowed = agentctl(*send, "--rebuild")
    assert allowed.code == 0, allowed.err
    told = agentctl("events", "@", "-o", "jsonl").out
    assert '"rebuilt": true' in told
    assert "made anew from the same recipe" in told


def test_what_is_not_ours_is_neither_listed_nor_removed(project: Path, own_home: Path) -> None:
    labels = {"mine": owner_of(Home(own_home).builds), "theirs": "somebody-else"}
    names = {who: f"agentctl-env:{who[:1] * 16}{os.getpid():08d}" for who in labels}
    for who, owner in labels.items():
        name, recipe = names[who], names[who].partition(":")[2]
        file = f"FROM agentctl-base:bookworm\nLABEL agentctl.environment={recipe} agentctl.owner={owner}\n"
        subprocess.run(
            ["docker", "build", "-q", "-t", name, "-"], input=file, text=True, check=True, capture_output=True
        )
    try:
        listed = agentctl("env", "ls", "-o", "json").json["images"]
        assert [image["tag"] for image in listed] == [names["mine"]]
        missing = agentctl("env", "rm", names["theirs"], "-o", "json")
        assert (missing.code, missing.json["error"]["type"]) == (2, "not_found_error")
        assert agentctl("env", "rm", "agentctl-base:bookworm").code == 2
        done = agentctl("env", "rm", "--unused", "--older-than", "0s", "-o", "json").json
        assert [one["name"] for one in done["removed"]] == [names["mine"]]
    finally:
        subprocess.run(["docker", "rmi", *names.values()], capture_output=True, check=False)


def test_a_build_that_fails_says_why_and_what_it_left_can_go(project: Path) -> None:
    failed = agentctl("env", "build", project / "failing.yaml", "-q", "-o", "json")
    assert failed.code == 7
    assert failed.json["error"]["message"] == "the image cannot be built: run setup: exit code 3"
    assert "before" in failed.json["error"]["hint"].splitlines()
    (left,) = agentctl("env", "ls", "-o", "json").json["unfinished"]
    assert "1 failed build left" in agentctl("env", "ls").out
    (removed,) = agentctl("env", "rm", "--unused", "-o", "json").json["removed"]
    assert (removed["kind"], removed["name"]) == ("unfinished", f"agentctl-env:{left['recipe']}")
    assert agentctl("env", "rm", "--unused").out == "there is nothing to remove\n"


def test_on_a_terminal_the_steps_stay_and_what_they_print_goes_by(project: Path) -> None:
    command = [sys.executable, "-m", "agentctl", "env", "build", str(project / "environment.yaml")]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    child = pexpect.spawn(command[0], command[1:], env=env, dimensions=(24, 100), encoding="utf-8", timeout=60)
    said = child.read()
    child.close()
    assert child.exitstatus == 0
    assert "step 1 of" in said
    assert "\x1b[" in said, "something moved"
    assert said.rstrip().splitlines()[-1].endswith("built")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["rm"], "name images, or say --unused"),
        (["rm", "x", "--unused"], "name images, or say --unused"),
        (["rm", "--unused", "--older-than", "soon"], "--older-than soon: must be a duration"),
        (["rm", "abc"], "there is no image of abc"),
    ],
)
def test_what_makes_no_sense_is_exit_2(docker_answers: None, words: list[str], says: str) -> None:
    done = agentctl("env", *words)
    assert done.code == 2
    assert says in done.err


def test_an_environment_without_an_image_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("name: e\nconfig: {type: bubblewrap}\n")
    done = agentctl("env", "build", tmp_path / "e.yaml")
    assert (done.code, "type bubblewrap has no image" in done.err) == (2, True)
