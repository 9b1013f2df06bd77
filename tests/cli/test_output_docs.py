"""docs/output.md against what is printed: every object of the page has the members of the real one, and no other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agentctl.errors import AgentctlError
from agentctl.events.local import LocalEgress
from agentctl.paths import Home
from agentctl.session.result import Result
from tests.cli.program import ROOT, agentctl
from tests.kit import Recorder, analysis, call, open_log, text
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node, make

PAGE = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")
OBJECTS = {body["schema"]: body for body in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))}
CODES = {int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE) for code in cell.split(",")}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    tmp_path = tmp_path_factory.mktemp("printed")
    home = Home(tmp_path / "home")
    make(tmp_path / "project", {"a": Node(b"1")})
    with open_log(home) as log:
        changing = FilesRecorder(log, home, tmp_path / "project", session_id="changing")
        changing.begin({"a": Node(b"1")})
        changing.act("make", {"a": Node(b"2")})
        changing.rest()
        recorder = Recorder(log, home)
        analysis(recorder)
        facts = {"duration_seconds": 0.1, "bytes_sent": 1420, "bytes_received": 8210}
        recorder.add(LocalEgress, host="api.example.com", port=443, allowed=True, scheme="https", **facts)
        recorder.user("Push it.")
        (push,) = recorder.answer(text("May I?"), call("bash", command="git push"), asks=["toolu_1"])
        recorder.rest("requires_action", event_ids=[push.id])
    commands = [["ls"], ["show", "@"], ["events", "@", "--from", "2"], ["outputs", "@", "-d", str(tmp_path / "o")]]
    commands += [["files", "changing"], ["apply", "changing", "--check"]]
    commands += [["replay", "@", "--html", str(tmp_path / "page.html")]]
    commands += [["replay", "@"], ["run", *_run(tmp_path), "--detach"]]
    commands += [["validate", str(_misspelt(tmp_path))]]
    bodies = [agentctl(*command, "-o", "json", AGENTCTL_HOME=str(home.root)).json for command in commands]
    left = tmp_path / "left"  # a store that has never used Docker
    (left / "sandboxes" / "agentctl-0f1e2d3c4b5a6978").mkdir(parents=True)
    bodies.append(agentctl("gc", "--dry-run", "-o", "json", AGENTCTL_HOME=str(left)).json)
    return {body["schema"]: body for body in bodies}


def _misspelt(folder: Path) -> Path:
    (folder / "misspelt.yaml").write_text("name: a\nmodle: claude-opus-5-5\n")
    return folder / "misspelt.yaml"


def _run(folder: Path) -> list[str]:
    (folder / "agent.yaml").write_text("name: a\nmodel: claude-opus-5-5\n")
    (folder / "script.yaml").write_text("- {text: ok}\n")
    return [str(folder / "agent.yaml"), "go", "--sandbox", "none", "--model", f"script:{folder / 'script.yaml'}"]


def members(value: Any) -> Any:
    """Return the members of an object, and of the objects in it; a list is as its first item."""
    if isinstance(value, dict):
        return {name: members(item) for name, item in value.items()}
    return members(value[0]) if isinstance(value, list) and value and isinstance(value[0], dict) else None


FREE = {"stop_reason", "sandbox", "limits", "input", "result", "events"}
"""Members whose own members are not of the schema, or described elsewhere on the page."""


def without_free(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    return {name: None if name in FREE else without_free(item) for name, item in value.items()}


@pytest.mark.parametrize("schema", OBJECTS)
def test_an_object_has_the_members_that_the_page_says(printed: dict[str, Any], schema: str) -> None:
    assert without_free(members(OBJECTS[schema])) == without_free(members(printed[schema]))
    assert list(OBJECTS[schema])[:2] == list(printed[schema])[:2] == ["type", "schema"]


def test_the_page_has_every_schema_of_the_commands_that_look(printed: dict[str, Any]) -> None:
    assert set(printed) == set(OBJECTS)
    assert "agentctl.session/1" in PAGE


def test_the_page_has_every_exit_code_that_an_error_or_a_result_can_have() -> None:
    kinds = [AgentctlError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    reasons = ("end_turn", "requires_action", "budget_reached", "retries_exhausted", "refusal")
    used = {kind.exit_code for kind in kinds} | {Result(stop_reason={"type": kind}).exit_code for kind in reasons}
    assert used | {129, 130, 143} <= CODES
    assert len(used) > 8
