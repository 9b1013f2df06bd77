"""A definition is named by what it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent, definition_hash, snapshot
from agentctl.definitions.environment import Environment
from agentctl.definitions.load import load_any
from tests.definitions.bodies import AGENTS, COORDINATOR, ENVIRONMENTS, FULL_AGENT, FULL_ENVIRONMENT, SMALL_AGENT
from tests.definitions.kit import written

BOTH = [*((Agent, body) for body in AGENTS), *((Environment, body) for body in ENVIRONMENTS)]


@pytest.mark.parametrize(("model", "body"), BOTH, ids=lambda value: value["name"] if isinstance(value, dict) else "")
def test_a_snapshot_is_json_and_loads_again_to_the_same(
    model: type[Agent | Environment], body: JsonObject, tmp_path: Path
) -> None:
    definition = model.model_validate(body)
    text = json.dumps(snapshot(definition))
    again = load_any(written(tmp_path, "environment.json" if model is Environment else "agent.json", text))
    assert again == definition
    assert snapshot(again) == snapshot(definition)
    assert definition_hash(again) == definition_hash(definition)


def test_a_snapshot_keeps_what_cannot_be_run_and_every_null_of_a_schema() -> None:
    kept = snapshot(Agent.model_validate(FULL_AGENT))
    assert kept["tools"][2]["input_schema"] == FULL_AGENT["tools"][2]["input_schema"]
    assert kept["mcp_servers"] == FULL_AGENT["mcp_servers"]
    assert kept["execution_identity"] == FULL_AGENT["execution_identity"]
    assert kept["multiagent"]["advisor"] == FULL_AGENT["multiagent"]["advisor"]
    assert kept["skills"][1] == FULL_AGENT["skills"][1]
    assert kept["local"]["limits"] == FULL_AGENT["local"]["limits"] | {"timeout": 5400.0, "max_active": 3600.0}
    assert kept["local"]["stuck"] == FULL_AGENT["local"]["stuck"]
    assert kept["local"]["permissions"]["ask"][:2] == [
        {"tool": "write", "input": {}},
        {"tool": "bash", "input": {"command": {"matches": r"\bcurl\b"}}},
    ]
    assert kept["local"]["permissions"]["allow"][0]["input"] == {"command": {"text": "pytest -q"}}


def test_a_snapshot_fills_in_what_matters() -> None:
    small = snapshot(Environment.model_validate({"name": "x"}))
    assert small["config"]["type"] == "cloud"
    assert small["config"]["networking"]["type"] == "none"
    assert "type" not in small


def changed(body: JsonObject, *path: str | int, to: Any) -> JsonObject:
    copy: JsonObject = json.loads(json.dumps(body))
    inner: Any = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return copy


def backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(value)}
    return [backwards(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("model", "one", "other"),
    [
        (Agent, SMALL_AGENT, changed(SMALL_AGENT, "model", to={"id": "claude-opus-5-5"})),
        (Agent, SMALL_AGENT, changed(SMALL_AGENT, "model", to={"id": "claude-opus-5-5", "speed": "standard"})),
        (Agent, SMALL_AGENT, SMALL_AGENT | {"type": "agent", "system": None, "tools": [], "metadata": None}),
        (Agent, SMALL_AGENT, SMALL_AGENT | {"execution_identity": {"type": "service_account"}, "local": {}}),
        (Agent, FULL_AGENT, backwards(FULL_AGENT)),
        (Agent, FULL_AGENT, changed(FULL_AGENT, "model", "effort", to="xhigh")),
        (Agent, FULL_AGENT, changed(FULL_AGENT, "local", "limits", "timeout", to=5400)),
        (Agent, FULL_AGENT, changed(FULL_AGENT, "local", "limits", "timeout", to="90m")),
        (Agent, FULL_AGENT, changed(FULL_AGENT, "local", "limits", "max_cost", to="2.5")),
        (Agent, FULL_AGENT, changed(FULL_AGENT, "local", "limits", "max_cost", to="2.500")),
        (Agent, FULL_AGENT, changed(FULL_AGENT, "local", "permissions", "ask", 0, to={"tool": "write", "input": {}})),
        (
            Agent,
            FULL_AGENT,
            changed(FULL_AGENT, "local", "permissions", "allow", 0, "input", "command", to={"text": "pytest -q"}),
        ),
        (Agent, FULL_AGENT, changed(FULL_AGENT, "skills", 2, to={"type": "custom", "skill_id": "../skills/summary"})),
        (Agent, FULL_AGENT, changed(FULL_AGENT, "tools", 0, "configs", 1, to={"name": "read", "type": "read"})),
        (
            Agent,
            COORDINATOR,
            changed(COORDINATOR, "multiagent", "agents", 0, to={"type": "agent", "id": "./reviewer.md"}),
        ),
        (Environment, FULL_ENVIRONMENT, backwards(FULL_ENVIRONMENT)),
        (Environment, FULL_ENVIRONMENT, changed(FULL_ENVIRONMENT, "config", "resources", "memory", to=2147483648)),
        (Environment, FULL_ENVIRONMENT, changed(FULL_ENVIRONMENT, "config", "resources", "disk", to="10 GiB")),
        (Environment, {"name": "x"}, {"name": "x", "config": {"type": "cloud", "networking": {"type": "none"}}}),
    ],
)
def test_definitions_that_say_the_same_have_one_hash(
    model: type[Agent | Environment], one: JsonObject, other: JsonObject
) -> None:
    assert definition_hash(model.model_validate(one)) == definition_hash(model.model_validate(other))


@pytest.mark.parametrize(
    ("model", "one", "other"),
    [
        (Agent, SMALL_AGENT, SMALL_AGENT | {"system": ""}),
        (Agent, SMALL_AGENT, SMALL_AGENT | {"name": "other"}),
        (Agent, SMALL_AGENT, SMALL_AGENT | {"local": {"limits": {"max_turns": 1}}}),
        (Environment, {"name": "x"}, {"name": "x", "config": {"type": "docker"}}),
        (Environment, {"name": "x"}, {"name": "x", "config": {"type": "cloud", "networking": {"type": "limited"}}}),
    ],
)
def test_definitions_that_differ_have_two(model: type[Agent | Environment], one: JsonObject, other: JsonObject) -> None:
    assert definition_hash(model.model_validate(one)) != definition_hash(model.model_validate(other))
