"""Arguments compared by what they ask for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentctl.compare.arguments import Bags, differing_leaves, key_of, leaves, pieces, words
from agentctl.compare.calls import Call


def call(name: str = "bash", call_id: str = "one", **arguments: Any) -> Call:
    return Call(1, call_id, "", 1, name, arguments)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"command": "ls -l  /workspace/src"}, {"command": "ls -l src"}),
        ({"command": "grep 'foo' a.txt|wc -l"}, {"command": "grep foo a.txt | wc -l"}),
        ({"command": "./run.sh"}, {"command": "/workspace/run.sh"}),
        ({"command": "cat /tmp/tmpab12cd_x/f"}, {"command": "cat /tmp/tmpzz9_dffx/f"}),
        ({"file_path": "/workspace/a.py", "limit": None}, {"file_path": "./a.py"}),
        ({"path": "/workspace"}, {"path": "."}),
        ({"a": 1, "b": 2.0}, {"b": 2, "a": 1}),
    ],
)
def test_what_asks_for_the_same_is_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert key_of(call(**one)) == key_of(call(**other))


@pytest.mark.parametrize(
    ("one", "other", "pointer"),
    [
        ({"command": "echo $HOME"}, {"command": "echo '$HOME'"}, "/command"),
        ({"command": "rm *"}, {"command": "rm '*'"}, "/command"),
        ({"command": "python3 - <<E\nif 1:\n  a\nE"}, {"command": "python3 - <<E\nif 1:\n    a\nE"}, "/command"),
        ({"command": "cat /etc/a"}, {"command": "cat a"}, "/command"),
        ({"a": 1}, {"a": True}, "/a"),
        ({"a": {"b/c": [1, 2]}}, {"a": {"b/c": [1, 3]}}, "/a/b~1c/1"),
        ({"content": "a\n"}, {"content": "a\n\n"}, "/content"),
    ],
)
def test_what_asks_for_something_else_differs_at_its_place(
    one: dict[str, Any], other: dict[str, Any], pointer: str
) -> None:
    assert key_of(call(**one)) != key_of(call(**other))
    assert [leaf.pointer for leaf in leaves(call(**one), call(**other))] == [pointer]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert list(differing_leaves(value, value)) == []


@given(JSON, JSON)
def test_two_values_differ_in_the_same_places_whichever_comes_first(one: Any, other: Any) -> None:
    there = [leaf.pointer for leaf in differing_leaves(one, other)]
    back = [leaf.pointer for leaf in differing_leaves(other, one)]
    assert sorted(there) == sorted(back)


def test_a_command_is_split_as_the_shell_does() -> None:
    assert words("a 'b c' \"d\";e|f&&g") == ["a", "'b c'", "d", ";", "e", "|", "f", "&&", "g"]
    assert words("it's broken") == ["it", "'", "s", "broken"]


@given(st.text("ab '\"\\|;\n", max_size=20))
def test_words_are_found_in_whatever_a_command_is(command: str) -> None:
    assert "".join("".join(words(command)).split()).replace("'", "").replace('"', "") == "".join(
        command.split()
    ).replace("'", "").replace('"', "")


def test_calls_are_alike_by_their_words_and_by_their_paths() -> None:
    bags = Bags()
    assert bags.likeness(call(command="pytest -q tests"), call(call_id="b", command="pytest -q tests/a")) >= 0.5
    assert bags.likeness(call(command="pytest -q"), call(call_id="c", command="curl example.com")) < 0.5
    assert bags.likeness(call("write", "d", file_path="a", content="x"), call("write", "e", file_path="./a")) == 1.0
    assert bags.likeness(call("read", "f", file_path="a"), call("write", "g", file_path="a")) == 0.0


def test_one_line_becomes_the_other_word_by_word() -> None:
    found = pieces("head -n 4 a.csv", "head -n 40 a.csv")
    assert found == [("same", "head -n "), ("out", "4"), ("in", "40"), ("same", " a.csv")]
