"""The model is made while the sandbox is prepared."""

import contextlib
from pathlib import Path

import pytest

from agentctl.canonical import JsonObject
from agentctl.definitions.load import load_agent
from agentctl.errors import SandboxError
from agentctl.launch.driving import made_ready
from agentctl.paths import Home
from agentctl.sandbox.base import Progress
from agentctl.sandbox.recorded import RecordedSandbox, Tape
from agentctl.store.blobs import Blobs
from agentctl.tools.toolset import toolset_of
from tests.agents import TESTER


class Failing(RecordedSandbox):
    """Cannot be prepared."""

    def __init__(self, tape: Tape, error: Exception) -> None:
        super().__init__(tape)
        self._error = error

    def prepare(self, progress: Progress) -> JsonObject:
        raise self._error


@pytest.mark.parametrize("error", [SandboxError("no daemon"), OSError("no room"), KeyError("a defect")])
def test_whatever_the_preparation_raises_ends_the_start(home: Home, tmp_path: Path, error: Exception) -> None:
    (tmp_path / "steps.yaml").write_text("- text: done\n")
    (tmp_path / "agent.yaml").write_text(TESTER)
    toolset = toolset_of(load_agent(tmp_path / "agent.yaml"), "/workspace")
    sandbox = Failing(Tape([], [], [], Blobs(home.blobs)), error)
    with contextlib.ExitStack() as held, pytest.raises(type(error)) as raised:
        made_ready(f"script:{tmp_path / 'steps.yaml'}", toolset, sandbox, home, lambda _: None, held)
    assert raised.value is error
