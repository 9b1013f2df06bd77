"""Whether a call's arguments are what the tool takes."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentctl.canonical import JsonObject
from agentctl.tools.arguments import problems
from agentctl.tools.builtin import DEFINITIONS


def wrong(tool: str, arguments: object) -> list[str]:
    return problems(DEFINITIONS[tool]["input_schema"], arguments)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("bash", {"command": "ls"}),
        ("bash", {"restart": True}),
        ("bash", {"command": "ls", "timeout_ms": 5, "restart": None}),
        ("read", {"file_path": "a", "view_range": [1, -1]}),
        ("edit", {"file_path": "a", "old_string": "x", "new_string": "", "replace_all": False}),
    ],
)
def test_a_right_call_has_no_problems(tool: str, arguments: object) -> None:
    assert wrong(tool, arguments) == []


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("read", {}, "lacks 'file_path'"),
        ("read", {"file_path": None}, "must be a string, not a null"),
        ("read", {"path": "a"}, "did you mean 'file_path'?"),
        ("bash", {"command": ["ls"]}, "input.command must be a string, not an array"),
        ("bash", {"command": "ls", "timeout_ms": True}, "must be an integer, not a boolean"),
        ("bash", {"command": "ls", "timeout_ms": 1.5}, "must be an integer, not a number"),
        ("bash", {"command": "ls", "timeout_ms": 0}, "at least 1"),
        ("read", {"file_path": "a", "view_range": [1]}, "must have 2 items, not 1"),
        ("read", {"file_path": "a", "view_range": [1, "2"]}, "input.view_range[1] must be an integer"),
    ],
)
def test_a_wrong_call_is_explained(tool: str, arguments: object, said: str) -> None:
    found = wrong(tool, arguments)
    assert len(found) >= 1
    assert any(said in problem for problem in found), found


def test_enumerations_and_types_in_lists_are_held() -> None:
    schema = {"type": "object", "properties": {"unit": {"enum": ["c", "f"]}, "n": {"type": ["integer", "null"]}}}
    assert problems(schema, {"unit": "c", "n": None}) == []
    assert "one of 'c', 'f'" in problems(schema, {"unit": "k"})[0]
    assert "integer or null" in problems(schema, {"n": "1"})[0]


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"items": {"type": "integer"}, "maxItems": 2}, [1, 2, 3], ["input must have at most 2 items, not 3"]),
        ({"minItems": 2}, [1], ["input must have at least 2 items, not 1"]),
        ({"minItems": 1, "maxItems": 2}, [], ["input must have at least 1 items, not 0"]),
        ({"type": "number", "minimum": 0.5}, 0.25, ["input must be at least 0.5"]),
    ],
)
def test_what_a_custom_tool_asks_for_is_held_and_explained(schema: JsonObject, value: object, said: list[str]) -> None:
    assert problems(schema, value) == said


ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["string", "object", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "required", "enum", "items", "minItems", "maxItems", "minimum", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(ODD, ODD)
@example({"properties": {"x": True}}, {"x": 1})
@example({"required": [[]]}, {"x": 1})
@example({"properties": {"x": {"enum": 5, "type": 5, "minimum": "3"}}, "required": None}, {"x": 1})
def test_a_schema_that_is_none_lets_everything_pass_and_nothing_fall(schema: Any, value: object) -> None:
    assert all(isinstance(problem, str) for problem in problems(schema, value))
