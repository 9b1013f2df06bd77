"""Who is asked while a session runs is asked only where the session waits for that."""

from pathlib import Path

import pytest

from tests.agents import CAREFUL
from tests.cli.program import agentctl

STEPS = """\
- tools:
    - {name: bash, input: {command: "head -c 100m /dev/zero > full; sleep 110"}}
    - {name: write, input: {file_path: note.txt, content: "noted"}}
- tools: [{name: bash, input: {command: "cat note.txt"}}]
- text: Done.
"""


@pytest.mark.bubblewrap
def test_nobody_is_asked_behind_a_limit_before_the_session_is_taken_up_again(own_home: Path, tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(CAREFUL)
    (tmp_path / "environment.yaml").write_text("name: e\nconfig: {type: bubblewrap, resources: {disk: 64m}}\n")
    (tmp_path / "steps.yaml").write_text(STEPS)
    files = (tmp_path / "agent.yaml", "go", "-e", tmp_path / "environment.yaml")

    done = agentctl("run", *files, "--model", f"script:{tmp_path / 'steps.yaml'}", "--approve", "allow", "-q")

    assert done.code == 4, done.err
    types = [body["type"] for body in agentctl("events", "@", "-o", "jsonl").lines]
    assert "user.tool_confirmation" not in types
    assert types[-1] == "session.status_idle"

    done = agentctl("resume", "@", "--approve", "allow", "-o", "jsonl")

    assert done.code == 0, done.err
    results = [body for body in agentctl("events", "@", "-o", "jsonl").lines if body["type"] == "agent.tool_result"]
    assert results[-1]["content"][0]["text"].endswith("noted")
