"""What is kept of a container when its session comes to rest: all of it, but only where that is needed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.api import APIClient

from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError
from agentctl.ids import moment
from agentctl.sandbox.base import Origin, ToolCall
from agentctl.sandbox.docker.checkpoints import Checkpoints
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.sandbox.process import ProcessSandbox
from agentctl.store.blobs import Blobs

UNTIL = "2099-12-31T00:00:00.000000Z"

pytestmark = pytest.mark.docker


class Kept:
    """A session in one store, with its containers one after another."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self.session = f"sesn_kept{os.getpid()}"
        self.environment = Environment.model_validate({"name": "x", "config": {"type": "docker", **config}})
        self.generation = 0
        self.facts: dict[str, Any] = {}

    def start(self, checkpoint: str | None = None) -> DockerSandbox:
        self.generation += 1
        origin = Origin(self.facts, checkpoint)
        sandbox = DockerSandbox(self.environment, self.folder, generation=self.generation, origin=origin)
        self.facts = self.facts or sandbox.prepare(print)
        self.started = sandbox.start(self.session, [], Blobs(self.folder), print).facts
        return sandbox


def bash(sandbox: DockerSandbox, command: str) -> str:
    [(_, outcome)] = sandbox.call([ToolCall(f"{command}{os.urandom(4).hex()}", "bash", {"command": command})])
    return str(outcome.content[0]["text"])


@pytest.fixture
def checkpoints(tmp_path: Path) -> Iterator[Checkpoints]:
    opened = Checkpoints(tmp_path)
    yield opened
    for left in opened.list():
        opened.remove(left)
    opened.close()


def test_only_what_no_record_has_makes_a_checkpoint_and_it_all_comes_back(
    tmp_path: Path, checkpoints: Checkpoints
) -> None:
    session = Kept(tmp_path)
    sandbox = session.start()
    try:
        assert sandbox.keep(UNTIL) is None
        bash(sandbox, "echo x >file; git init -q here; echo y >/tmp/scratch; echo z >/mnt/session/outputs/out")
        assert sandbox.keep(UNTIL) is None
        assert checkpoints.list() == []

        bash(
            sandbox,
            "mkdir -p ~/.local/bin; printf '#!/bin/sh\\necho installed' >~/.local/bin/tool; chmod +x ~/.local/bin/tool",
        )
        kept = sandbox.keep(UNTIL)
        assert kept is not None
        assert kept["keep_until"] == UNTIL
        assert 0 < kept["size"] < 1 << 20
        again = sandbox.keep(UNTIL)
        assert again is not None
        assert again["image"] != kept["image"]
    finally:
        sandbox.close()
    newest, former = checkpoints.list(session.session)
    assert (newest.image, former.image) == (again["image"], kept["image"])
    assert newest.keep_until == UNTIL
    assert moment(newest.created_at) >= moment(former.created_at)
    assert checkpoints.remove(former)

    sandbox = session.start(newest.image)
    try:
        assert session.started["checkpoint"] == newest.image
        assert session.started["image_digest"] == session.facts["image_digest"]
        assert bash(sandbox, "~/.local/bin/tool; cat file") == "installed\nx"
        # Nothing was written since: it stays what it was.
        assert sandbox.keep(UNTIL) == again | {"keep_until": UNTIL}
        bash(sandbox, "rm ~/.local/bin/tool; head -c 100000 /dev/zero >~/more")
        third = sandbox.keep(UNTIL)
        assert third is not None
        assert third["image"] != newest.image
    finally:
        sandbox.close()
    # What the third was made from is a part of it.
    assert [(one.image, one.size) for one in checkpoints.list()] == [(third["image"], third["size"])]
    assert third["size"] > 100_000
    assert checkpoints.remove(checkpoints.list()[0])
    client = APIClient(version="auto")
    assert newest.image not in str(client.images(all=True))
    client.close()


def test_a_checkpoint_is_ours_by_its_labels_and_holds_no_variable_of_the_session(
    tmp_path: Path, checkpoints: Checkpoints
) -> None:  # K2
    session = Kept(tmp_path, env={"TOKEN": "canary-in-the-definition"}, user="root")
    sandbox = session.start()
    try:
        bash(sandbox, "echo installed >/etc/by-hand")
        kept = sandbox.keep(UNTIL)
    finally:
        sandbox.close()
    assert kept is not None, "root may write everywhere, and everywhere is looked at"
    client = APIClient(version="auto")
    inspected = client.inspect_image(kept["image"])
    labels = inspected["Config"]["Labels"]
    assert labels["agentctl.checkpoint"] == session.session
    assert labels["agentctl.keep_until"] == UNTIL
    assert {name.partition("=")[0] for name in inspected["Config"]["Env"]} <= {"HOME", "LANG", "PATH"}
    assert "canary" not in str(inspected) + str(client.history(kept["image"]))
    client.close()

    # Another store sees nothing of it, and a session that was begun with it gone begins without it.
    others = Checkpoints(tmp_path / "other")
    assert others.list() == []
    others.close()
    (mine,) = checkpoints.list()
    sandbox = session.start(mine.image)
    assert bash(sandbox, "cat /etc/by-hand") == "installed"
    assert not checkpoints.remove(mine), "a container needs it"
    sandbox.close()
    assert checkpoints.remove(checkpoints.list()[0])
    sandbox = session.start(mine.image)
    assert "checkpoint" not in session.started
    assert "No such file" in bash(sandbox, "cat /etc/by-hand")
    sandbox.close()


def test_a_sandbox_without_an_image_keeps_nothing(tmp_path: Path) -> None:
    sandbox = ProcessSandbox(Environment(name="x"), tmp_path)
    assert sandbox.keep(UNTIL) is None
    sandbox.close()


def test_a_file_with_holes_is_not_written_out_to_fill_the_disk(tmp_path: Path, checkpoints: Checkpoints) -> None:  # E11
    sandbox = Kept(tmp_path, resources={"disk": "1g"}).start()
    try:
        bash(sandbox, "truncate -s 4T ~/holes; (while :; do date >~/now; done) &")
        with pytest.raises(SandboxError, match="its files come to 4 TiB, and its disk limit is 1 GiB"):
            sandbox.keep(UNTIL)
        assert bash(sandbox, "sleep 0.1; cat ~/now") != ""
        bash(sandbox, "rm ~/holes")
        assert sandbox.keep(UNTIL) is not None
        assert bash(sandbox, "echo goes on") == "goes on"
    finally:
        sandbox.close()
    assert len(checkpoints.list()) == 1
