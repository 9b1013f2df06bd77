"""Scripts as files: what they may say, and where the error is when they do not."""

from pathlib import Path
from textwrap import dedent

import pytest

from agentctl.errors import DefinitionError, NotFoundError
from agentctl.model.script import Call, Expectation, Script, Turn, read_script


def script(tmp_path: Path, text: str, name: str = "demo.yaml") -> Script:
    path = tmp_path / name
    path.write_text(dedent(text))
    return read_script(path)


def test_a_script_that_says_everything(tmp_path: Path) -> None:
    read = script(
        tmp_path,
        """
        - thinking: First the list.
          text: I look.
          typing_seconds: 1.5
          tools:
            - {name: bash, input: {command: ls, n: [1, null, 2.5]}}
            - name: glob
          expect: {user_text: look}
        - expect:
            tool_results: 2
            result_text: [a, b]
            is_error: false
          text: Done.
          usage: {output_tokens: 7}
        - stop_reason: refusal
        """,
    )
    first, second, third = read.turns
    assert read.name == "demo"
    assert first == Turn(
        thinking="First the list.",
        text="I look.",
        tools=(Call("bash", {"command": "ls", "n": [1, None, 2.5]}), Call("glob", {})),
        stop_reason="tool_use",
        typing_seconds=1.5,
        expect=Expectation(user_text=("look",)),
    )
    assert second.expect == Expectation(tool_results=2, result_text=("a", "b"), is_error=False)
    assert (second.stop_reason, second.usage) == ("end_turn", {"output_tokens": 7})
    assert (third.stop_reason, third.text) == ("refusal", None)


def test_a_script_may_be_json(tmp_path: Path) -> None:
    assert script(tmp_path, '[{"text": "hi"}]', "demo.json").turns[0].text == "hi"


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("", 1, 1, "empty"),
        ("[]", 1, 1, "holds no turns"),
        ("text: hi", 1, 1, "must be a list of turns"),
        ("- text: hi\n- hi", 2, 3, "[1]: must be a mapping"),
        ("- text: hi\n  txt: ho", 2, 3, "[0].txt: is not known"),
        ("- text: 7", 1, 9, "[0].text: must be text"),
        ("- text: '  '", 1, 9, "and not empty"),
        ("- thinking: hm", 1, 3, "says nothing"),
        ("- tools: bash", 1, 10, "must be a list of tool calls"),
        ("- tools: [{input: {}}]", 1, 11, "[0].tools[0].name: is missing"),
        ("- tools: [{name: bash, input: ls}]", 1, 31, "must be a mapping"),
        ("- tools: [{name: bash, inputs: {}}]", 1, 24, "[0].tools[0].inputs: is not known"),
        ("- text: hi\n  expect: {tool_result: 1}", 2, 12, "is not known"),
        ("- text: hi\n  expect: {tool_results: -1}", 2, 26, "must be a whole number"),
        ("- text: hi\n  expect: {tool_results: true}", 2, 26, "must be a whole number"),
        ("- text: hi\n  expect: {is_error: 1}", 2, 22, "must be true or false"),
        ("- text: hi\n  expect: {result_text: [a, 3]}", 2, 29, "[0].expect.result_text[1]: must be text"),
        ("- text: hi\n  usage: {output_tokens: 1.5}", 2, 26, "must be a whole number"),
        ("- text: hi\n  typing_seconds: 61", 2, 19, "from 0 to 60"),
        ("- text: hi\n  typing_seconds: soon", 2, 19, "from 0 to 60"),
        ("- text: hi\n  text: ho", 2, 3, "twice"),
        ("- &a {text: hi}\n- *a", 1, 3, "anchors"),
        ("- {text: hi", 1, 12, "not valid YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, line: int, column: int, what: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        script(tmp_path, text)
    assert what in caught.value.message
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"{tmp_path}/demo.yaml:{line}:{column}: ")


def test_a_key_that_is_nearly_right_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        script(tmp_path, "- text: hi\n  expects: {}")
    assert caught.value.hint == "Did you mean expect?"


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_script(tmp_path / "none.yaml")
