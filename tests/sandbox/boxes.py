"""Sandboxes for tests that try what they hold."""

import os
from pathlib import Path

import pytest

from agentctl.definitions.environment import Environment
from agentctl.sandbox.base import ToolCall
from agentctl.sandbox.bubblewrap import BubblewrapSandbox
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.sandbox.supervised import SupervisedSandbox
from agentctl.store.blobs import Blobs

KINDS = [
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("root", marks=pytest.mark.docker),
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
]
TWO = [KINDS[0], KINDS[2]]
BASE = "agentctl-base:bookworm"
AGENT = "name: a\nmodel: claude-opus-5-5\ntools: [{type: agent_toolset_20260401}]\n"


class Box:
    """A sandbox with a place of its own, and short ways to use it."""

    def __init__(self, kind: str, folder: Path, **config: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.kind, self.calls = kind, 0
        self.sandbox: SupervisedSandbox
        if kind == "bubblewrap":
            environment = Environment(name="escape", config={"type": kind, **config})
            self.sandbox = BubblewrapSandbox(environment, folder)
        else:
            config = {"type": "docker", "image": BASE, "user": "root" if kind == "root" else "agent", **config}
            self.sandbox = DockerSandbox(Environment(name="escape", config=config), folder)
        self.header = self.sandbox.prepare(lambda _line: None)
        self.session_id = f"sesn_escape{os.getpid()}x{abs(hash(str(folder)))}"
        self.facts = self.sandbox.start(self.session_id, [], Blobs(folder), lambda _line: None).facts

    def tool(self, name: str, **arguments: object) -> str:
        self.calls += 1
        [(_, outcome)] = self.sandbox.call([ToolCall(f"sevt_{self.calls}", name, arguments)])
        return str(outcome.content[0]["text"])

    def says(self, command: str) -> str:
        return self.tool("bash", command=command)
