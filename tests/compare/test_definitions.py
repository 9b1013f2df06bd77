"""Definitions differ in what was changed in them, wherever in a list that stands."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentctl.compare.arguments import ABSENT
from agentctl.compare.definitions import members_apart

ASKS = {"name": "write", "permission_policy": {"type": "always_ask"}}
ALLOWS = {"name": "write", "permission_policy": {"type": "always_allow"}}
OTHER = {"name": "bash", "enabled": False}


def apart(one: Any, other: Any) -> list[tuple[str, Any, Any]]:
    return [(".".join(each.names), each.a, each.b) for each in members_apart(one, other, "/x")]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (["numpy", "pandas"], ["pandas"], [("0", "numpy", ABSENT)]),
        (["pandas"], ["numpy", "pandas"], [("0", ABSENT, "numpy")]),
        (["a", "pandas"], ["a", "pandas==3"], [("1", "pandas", "pandas==3")]),
        ([OTHER], [ASKS, OTHER], [("write", ABSENT, ASKS)]),
        ([OTHER, ALLOWS], [OTHER, ASKS], [("write.permission_policy.type", "always_allow", "always_ask")]),
        ([{"type": "a", "b": 1}], [{"type": "a", "b": 2}], [("0.b", 1, 2)]),
        ([OTHER], [ASKS], [("bash", OTHER, ABSENT), ("write", ABSENT, ASKS)]),
        ({"a": None}, {}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
    ],
)
def test_what_was_changed_is_what_differs(one: Any, other: Any, found: list[tuple[str, Any, Any]]) -> None:
    assert apart(one, other) == found


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b", "a/b", "c~d"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "a/b", "name", "~"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def at(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[2:]:
        name = step.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


@given(VALUES, VALUES)
def test_each_pointer_leads_to_the_value_that_is_told(one: Any, other: Any) -> None:
    assert not apart(one, one)
    for each in members_apart(one, other, "/x"):
        assert each.a is ABSENT or at(one, each.pointer_a) == each.a
        assert each.b is ABSENT or at(other, each.pointer_b) == each.b
