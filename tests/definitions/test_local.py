"""What an agent's file may say under ``local``, and what is wrong with it otherwise."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agentctl.canonical import JsonObject
from agentctl.definitions.agent import TOOL_NAMES, WEB_TOOLS, Agent, LocalAgent, snapshot
from agentctl.definitions.load import load_agent
from agentctl.definitions.local import PATHS, TOOL_TEXTS, RuleInput, TextMatch, parse_dollars
from agentctl.tools.builtin import DEFINITIONS
from tests.definitions.bodies import FULL_AGENT, SMALL_AGENT
from tests.definitions.kit import problems, written


def local(**fields: Any) -> LocalAgent:
    return Agent.model_validate({**SMALL_AGENT, "local": fields}).local


def problem(folder: Path, **fields: Any) -> str:
    """The one problem of an agent with these fields under ``local``, without its place in the file."""
    path = written(folder, "agent.json", json.dumps({**SMALL_AGENT, "local": fields}))
    [found] = problems(path)
    return found.split(": ", 1)[1]


def test_null_stands_for_nothing_written() -> None:
    small = Agent.model_validate(SMALL_AGENT)
    nothings = (None, {}, {"limits": None}, {"permissions": None}, {"stuck": None}, {"permissions": {"deny": None}})
    for nothing in nothings:
        assert Agent.model_validate({**SMALL_AGENT, "local": nothing}) == small


def test_every_field_is_in_the_full_body() -> None:
    full = snapshot(Agent.model_validate(FULL_AGENT))["local"]
    assert full.keys() == LocalAgent.model_fields.keys()
    assert full.pop("keep") == 7 * 86_400
    for name in full:
        field = LocalAgent.model_fields[name]
        assert full[name].keys() == field.annotation.model_fields.keys()  # type: ignore[union-attr]
    rules = [rule for rules in full["permissions"].values() for rule in rules]
    assert {name for rule in rules for name in rule["input"]} == set(RuleInput.model_fields)


# --- limits ---


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2d", 172_800), ("1h0m1.5s", 3601.5), (90, 90), (0.5, 0.5)],
)
def test_a_time_is_a_duration_or_seconds(timeout: object, seconds: float) -> None:
    assert local(limits={"timeout": timeout, "max_active": timeout}).limits.timeout == seconds
    assert local(limits={"max_active": timeout}).limits.max_active == seconds


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        *(("2.00", "2.00"), ("2", "2.00"), ("2.0", "2.00"), ("2.500000", "2.50"), ("0.5", "0.50")),
        *(("0.000001", "0.000001"), ("0.125", "0.125"), ("999999999.999999", "999999999.999999"), ("10", "10.00")),
    ],
)
def test_an_amount_is_kept_in_one_spelling(text: str, kept: str) -> None:
    assert local(limits={"max_cost": text}).limits.max_cost == kept
    assert parse_dollars(text) == Decimal(kept)


@pytest.mark.parametrize(
    "text", ["", "$2", "2.", ".5", "-1", "+1", "1e3", "1,000.00", "2.0000001", "007", "٣", "2\n", "inf"]
)
def test_what_is_no_amount_is_refused(text: str, tmp_path: Path) -> None:
    assert problem(tmp_path, limits={"max_cost": text}).startswith(
        'local.limits.max_cost: must be an amount of US dollars such as "2.00"'
    )


def test_an_amount_as_a_number_is_refused_with_the_way_to_write_it(tmp_path: Path) -> None:
    path = written(tmp_path, "agent.yaml", "name: x\nmodel: m\nlocal: {limits: {max_cost: 2.10}}")
    assert problems(path) == ["3:28: local.limits.max_cost: must be text, not 2.10"]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"timeout": ""}, "timeout: must be a duration such as 90s, 30m or 1h30m"),
        ({"timeout": "90"}, "timeout: must be a duration"),
        ({"timeout": "30m1h"}, "timeout: must be a duration"),
        ({"timeout": "-5m"}, "timeout: must be a duration"),
        ({"timeout": "5m\n"}, "timeout: must be a duration"),
        ({"timeout": "٣m"}, "timeout: must be a duration"),
        ({"timeout": "0s"}, "timeout: must be longer than nothing"),
        ({"timeout": 0}, "timeout: must be longer than nothing"),
        ({"timeout": -1}, "timeout: must be longer than nothing"),
        ({"timeout": "367d"}, "timeout: must be at most 366 days"),
        ({"timeout": True}, "timeout: must be a number, not true"),
        ({"max_active": "soon"}, "max_active: must be a duration"),
        ({"max_cost": "0.00"}, "max_cost: must be more than nothing"),
        ({"max_turns": 0}, "max_turns: must be at least 1"),
        ({"max_turns": 1_000_001}, "max_turns: must be at most 1,000,000"),
        ({"max_turns": 2.5}, "max_turns: must be a whole number, not 2.5"),
        ({"max_turns": "5"}, 'max_turns: must be a whole number, not "5"'),
        ({"max_turns": True}, "max_turns: must be a whole number, not true"),
        ({"max_output_tokens": 0}, "max_output_tokens: must be at least 1"),
        ({"max_tool_calls": 0}, "max_tool_calls: must be at least 1"),
        ({"max_costs": "2.00"}, "max_costs: is not a known key; did you mean max_cost?"),
    ],
)
def test_a_limit_that_would_not_hold_is_refused(limits: JsonObject, said: str, tmp_path: Path) -> None:
    assert problem(tmp_path, limits=limits).startswith(f"local.limits.{said}")


def test_a_misspelt_part_is_refused(tmp_path: Path) -> None:
    assert problem(tmp_path, limit={}) == "local.limit: is not a known key; did you mean limits?"
    assert problem(tmp_path, permission={}) == "local.permission: is not a known key; did you mean permissions?"


# --- permissions ---


def rule_problem(folder: Path, rule: object, under: str = "deny") -> str:
    return problem(folder, permissions={under: [rule]}).removeprefix(f"local.permissions.{under}[0]")


def test_rules_are_about_the_tools_that_run_in_the_sandbox_and_their_texts() -> None:
    assert set(TOOL_TEXTS) == set(TOOL_NAMES) - WEB_TOOLS == set(DEFINITIONS)
    for tool, texts in TOOL_TEXTS.items():
        properties = DEFINITIONS[tool]["input_schema"]["properties"]
        assert set(texts) == {name for name, schema in properties.items() if schema["type"] == "string"}
    assert {text for texts in TOOL_TEXTS.values() for text in texts} == set(RuleInput.model_fields)
    assert set(RuleInput.model_fields) >= PATHS


def test_a_name_alone_is_a_rule_and_a_text_alone_is_the_whole_text() -> None:
    rule = {"tool": "bash", "input": {"command": "ls"}}
    permissions = local(permissions={"deny": ["bash"], "ask": [rule]}).permissions
    assert permissions.deny[0].tool == "bash"
    assert permissions.deny[0].input.written == {}
    assert permissions.ask[0].input.written == {"command": TextMatch(text="ls")}


@pytest.mark.parametrize("tool", ["bash", "b*", "*", "?ash", "[a-z]ash"])
def test_patterns_of_names_know_only_the_star_and_the_question_mark(tool: str, tmp_path: Path) -> None:
    if "[" in tool:
        assert rule_problem(tmp_path, tool).startswith(": must be a tool's name, or a pattern")
    else:
        assert local(permissions={"deny": [tool]}).permissions.deny[0].tool == tool


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("bsah", ".tool: fits none of the tools that rules hold for: bash, read, write, edit, glob, grep"),
        ("Bash", ".tool: fits none of the tools"),
        ("bash(git *)", ": must be a tool's name, or a pattern of names with * or ?"),
        ("", ": must be a tool's name"),
        ("web_fetch", ".tool: runs outside the sandbox, where no rule reaches: leave it off in the toolset"),
        ("web_*", ".tool: runs outside the sandbox"),
        ({}, ".tool: is missing"),
        (None, ": must be text, or keys and values"),
    ],
)
def test_a_tool_that_no_rule_can_hold_for_is_refused(tool: object, said: str, tmp_path: Path) -> None:
    assert rule_problem(tmp_path, tool).startswith(said)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            {"tool": "bash", "input": {"comand": "ls"}},
            ".input.comand: is not a known key; did you mean command?",
        ),
        ({"tool": "bash", "input": {"file_path": "a"}}, ".input.file_path: is no argument of bash"),
        ({"tool": "b*", "input": {"file_path": "a"}}, ".input.file_path: is no argument of b*"),
        (
            {"tool": "*", "input": {"command": "a", "file_path": "b"}},
            ".input.command: is no argument of * beside file_path",
        ),
        ({"tool": "bash", "inputs": {}}, ".inputs: is not a known key; did you mean input?"),
    ],
)
def test_a_rule_that_could_never_fit_is_refused(rule: JsonObject, said: str, tmp_path: Path) -> None:
    assert rule_problem(tmp_path, rule) == said


@pytest.mark.parametrize("under", ["deny", "ask", "allow"])
def test_what_is_left_blank_is_refused_because_the_rule_would_be_wider_than_it_looks(
    under: str, tmp_path: Path
) -> None:
    said = rule_problem(tmp_path, {"tool": "bash", "input": {"command": None}}, under)
    assert said == ".input.command: is blank: say which, or leave the key out"
    assert rule_problem(tmp_path, {"tool": "bash", "input": None}, under).startswith(".input: must be keys and values")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../secrets", ": has .. in it: write where that leads, from / on"),
        ("a/../b", ": has .. in it"),
        ("~/.ssh/**", ": begins with ~, which nothing expands"),
        ("secrets/", ": ends in /: with ** behind it, it is everything in that folder"),
        ("src/**.py", ": has ** beside other characters: ** stands alone between slashes"),
        ("***", ": has ** beside other characters"),
        ("", ": must not be empty"),
        ({"matches": "x"}, ": must be text, not keys and values"),
    ],
)
def test_a_path_that_would_not_mean_what_it_seems_to_is_refused(path: object, said: str, tmp_path: Path) -> None:
    found = rule_problem(tmp_path, {"tool": "read", "input": {"file_path": path}})
    assert found.startswith(f".input.file_path{said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ({"matches": "("}, ".matches: is not a regular expression: missing )"),
        ({"matches": "[[a]"}, ".matches: is not a regular expression: Possible nested set"),
        ({"matches": "a", "text": "a"}, ": must have either text or matches"),
        ({}, ": must have either text or matches"),
        ({"match": "a"}, ".match: is not a known key; did you mean matches?"),
        ("", ": must not be empty"),
        (5, ": must be text, or keys and values"),
    ],
)
def test_a_text_that_cannot_be_compared_is_refused(text: object, said: str, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "agent.json",
        json.dumps({**SMALL_AGENT, "local": {"permissions": {"ask": [{"tool": "bash", "input": {"command": text}}]}}}),
    )
    found = [each.split(": ", 1)[1] for each in problems(path)]
    assert any(each.startswith(f"local.permissions.ask[0].input.command{said}") for each in found)


@pytest.mark.parametrize(
    ("tool", "name"), [("bash", "command"), ("*", "command"), ("write", "content"), ("grep", "pattern")]
)
def test_a_pattern_cannot_allow_and_the_error_says_why(tool: str, name: str, tmp_path: Path) -> None:
    rule = {"tool": tool, "input": {name: {"matches": "^ls"}}}
    said = rule_problem(tmp_path, rule, "allow")
    assert said.startswith(f".input.{name}.matches: has no place in an allow rule")
    assert "`ls; id`" in said
    assert local(permissions={"ask": [rule], "deny": [rule]}).permissions.ask[0].tool == tool


def test_the_place_of_a_wrong_rule_is_its_line(tmp_path: Path) -> None:
    text = """\
name: x
model: m
local:
  permissions:
    deny:
      - bash
      - {tool: read, input: {file_path: ../x}}
    allow:
      - tool: bash
        input:
          command: {matches: ^git}
      - bsh
"""
    assert [each.split(": ")[0] for each in problems(written(tmp_path, "agent.yaml", text))] == ["7:41", "12:9"]
    text = text.replace("../x", "x").replace("bsh", "bash")
    assert [each.split(": ")[0] for each in problems(written(tmp_path, "agent.yaml", text))] == ["11:30"]


# --- stuck ---


@pytest.mark.parametrize(
    ("stuck", "said"),
    [
        ({"same_result": 1}, "same_result: must be at least 2"),
        ({"alternating": 3}, "alternating: must be at least 4"),
        ({"waiting": 10_001}, "waiting: must be at most 10,000"),
        ({"enabled": "no"}, 'enabled: must be true or false, not "no"'),
        ({"same_results": 4}, "same_results: is not a known key; did you mean same_result?"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(stuck: JsonObject, said: str, tmp_path: Path) -> None:
    assert problem(tmp_path, stuck=stuck).startswith(f"local.stuck.{said}")


def test_a_whole_local_part_loads_from_yaml(tmp_path: Path) -> None:
    text = """\
name: x
model: m
local:
  limits: {max_cost: "0.40", max_active: 2h}
  permissions:
    deny: [{tool: "*", input: {file_path: secrets/**}}]
    ask: [write, {tool: bash, input: {command: {matches: '\\brm\\b'}}}]
    allow: [{tool: bash, input: {command: pytest -q}}]
  stuck: {enabled: false}
"""
    found = load_agent(written(tmp_path, "agent.yaml", text)).local
    assert found.limits.max_cost == "0.40"
    assert found.permissions.deny[0].input.file_path == "secrets/**"
    assert found.permissions.ask[1].input.command == TextMatch(matches=r"\brm\b")
    assert not found.stuck.enabled
