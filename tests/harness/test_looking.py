"""What was done to files while nobody called is told once, whoever asked for it."""

import time
from pathlib import Path

import pytest

from agentctl.definitions.environment import Environment
from agentctl.events.codec import decode, encode
from agentctl.events.make import Maker
from agentctl.harness.keeping import Keeper
from agentctl.harness.looking import Looking
from agentctl.ids import SystemClock
from agentctl.sandbox.base import ToolCall
from agentctl.sandbox.process import ProcessSandbox
from agentctl.session.files import FilesRecord
from agentctl.store.blobs import Blobs


def test_what_a_process_asked_for_and_did_not_record_is_told_to_the_next_one_and_once(tmp_path: Path) -> None:
    blobs, files = Blobs(tmp_path / "blobs"), FilesRecord()

    def new() -> Looking:
        return Looking(Keeper(blobs), Maker(SystemClock()))

    gate = tmp_path / "gate"
    later = f"(until test -e {gate}; do sleep 0.02; done; echo late >.late; mv .late late) & true"
    sandbox = ProcessSandbox(Environment(name="e"), tmp_path / "box")
    sandbox.start("sesn_1", [], blobs, lambda _line: None)
    try:
        [*_] = sandbox.call([ToolCall("1", "bash", {"command": later})])
        gate.touch()
        deadline = time.monotonic() + 20
        while not [*(tmp_path / "box").rglob("workspace/late")]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        [first] = new().look(sandbox, files)
        assert first.changes[0]["path"] == "/workspace/late"
        assert first.tool_use_id is None
        name = first.extra["local"]["look"]
        [again] = new().left_over({name: "done", "1": "done"}, sandbox, files)
        assert (again.changes, again.extra) == (first.changes, first.extra)
        files.add(decode(encode(first)))
        last = new()
        assert last.left_over({name: "done"}, sandbox, files) == []
        last.acknowledge(sandbox)
        assert sandbox.status(name) == "acknowledged"
        assert new().look(sandbox, files) == []
    finally:
        sandbox.close()
    assert new().look(sandbox, files) == [], "one that is gone has nothing to tell"


@pytest.mark.parametrize(
    "states", [None, [], "look_1", {"look_../x": "done", "look_" + "x" * 99: "done", "sevt_1": ""}]
)
def test_a_sandbox_that_names_what_was_never_asked_is_not_asked(tmp_path: Path, states: object) -> None:
    looking = Looking(Keeper(Blobs(tmp_path)), Maker(SystemClock()))
    assert looking.left_over(states, ProcessSandbox(Environment(name="e"), tmp_path), FilesRecord()) == []
