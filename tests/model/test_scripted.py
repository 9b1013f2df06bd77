"""The scripted model: faithful to its script, faithful to the API's shapes, and loud when the run leaves it."""

from pathlib import Path

import pytest

from agentctl.errors import ModelError
from agentctl.model.base import Preview
from agentctl.model.script import Call, Expectation, Script, Turn
from agentctl.model.scripted import ScriptedModel
from tests.api_rules import check_body
from tests.model.kit import ask, ask_and_watch, drive, failure, request, results, user

LOOK = Turn("Hm.", "I look.", (Call("bash", {"command": "ls"}),), "tool_use")
DONE = Turn(None, "Done.", (), "end_turn")


def model(*turns: Turn) -> ScriptedModel:
    return ScriptedModel(Script("demo", turns))


def say(text: str = "ok", **more: object) -> Turn:
    return Turn(None, text, (), "end_turn", **more)  # type: ignore[arg-type]


def expecting(**what: object) -> ScriptedModel:
    return model(LOOK, say(expect=Expectation(**what)))  # type: ignore[arg-type]


def second_request(answer_text: str = "ok", *, is_error: bool = False) -> list[dict[str, object]]:
    first = ask(model(LOOK)).message
    answered = results(first, answer_text, is_error=is_error)
    return [user("go"), {"role": "assistant", "content": first["content"]}, answered]


def test_a_run_through_a_script() -> None:
    conversation = drive(model(LOOK, LOOK, DONE))
    assert [message["role"] for message in conversation] == ["user", "assistant"] * 3
    assert conversation[-1]["content"] == [{"type": "text", "text": "Done."}]


def test_every_request_of_a_run_is_one_that_the_api_accepts() -> None:
    played = model(LOOK, LOOK, DONE)
    body = request(*drive(played), user("thanks")).body | {"stream": True}
    assert list(check_body(body, [])) == []


def test_a_new_process_goes_on_where_the_former_was() -> None:
    turns = (LOOK, say("Second."), say("Third."))
    assert ask(model(*turns), *second_request()).message == ask(model(*turns), *second_request()).message
    assert ask(model(*turns), *second_request()).message["content"][0]["text"] == "Second."


def test_an_answer_says_that_a_script_gave_it() -> None:
    assert ask(model(LOOK)).message["model"] == "script:demo"


def test_the_same_turn_has_the_same_ids_and_another_turn_others() -> None:
    first, again = (ask(model(LOOK)).message for _ in range(2))
    assert first == again
    second = ask(model(LOOK, LOOK), *second_request()).message
    assert first["id"] != second["id"]
    assert first["content"][2]["id"] != second["content"][2]["id"]


def test_calls_of_one_turn_have_ids_of_their_own() -> None:
    call = Call("bash", {})
    message = ask(model(Turn(None, None, (call, call, call), "tool_use"))).message
    assert len({block["id"] for block in message["content"]}) == 3


def test_tokens_grow_with_the_conversation_and_the_past_is_read_from_the_cache() -> None:
    first = ask(model(LOOK, DONE)).message["usage"]
    second = ask(model(LOOK, DONE), *second_request("x" * 4000)).message["usage"]
    assert first["cache_read_input_tokens"] == 0
    assert second["cache_read_input_tokens"] == pytest.approx(
        first["input_tokens"] + first["cache_creation_input_tokens"], abs=5
    )
    assert 1000 < second["cache_creation_input_tokens"] < 1200
    conversation = drive(model(LOOK, LOOK, DONE))
    *_, before, last = (ask(model(LOOK, LOOK, DONE), *conversation[:number]).message["usage"] for number in (1, 3, 5))
    assert last["cache_read_input_tokens"] == pytest.approx(
        sum(count for name, count in before.items() if name.endswith("input_tokens")), abs=5
    )


def test_a_script_may_say_the_tokens_itself() -> None:
    usage = ask(model(say(usage={"output_tokens": 123_456}))).message["usage"]
    assert usage["output_tokens"] == 123_456
    assert usage["cache_creation_input_tokens"] > 0


def test_typing_takes_the_time_it_says() -> None:
    waited: list[float] = []
    played = ScriptedModel(Script("demo", (say("one two three four", typing_seconds=2.0),)), waited.append)
    ask(played)
    assert len(waited) > 2
    assert sum(waited) == pytest.approx(2.0)


def test_without_a_word_about_it_nothing_waits() -> None:
    waited: list[float] = []
    ask(ScriptedModel(Script("demo", (LOOK,)), waited.append))
    assert waited == []


def test_thinking_text_and_calls_are_shown() -> None:
    _, shown = ask_and_watch(model(LOOK))
    assert "".join(piece.text for piece in shown if piece.kind == "thinking") == "Hm."
    assert "".join(piece.text for piece in shown if piece.kind == "text") == "I look."
    assert Preview("tool_input", 2, '{"command":"ls"}', "bash") in shown


def test_a_request_more_than_there_are_turns() -> None:
    error = failure(model(LOOK), *second_request())
    assert (error.kind, error.retryable, error.exit_code) == ("script_error", False, 6)
    assert error.message == "the run left the script demo at turn 2: the script ends after 1"


def test_a_tool_that_was_not_offered() -> None:
    error = failure(model(Turn(None, None, (Call("rm", {}),), "tool_use")))
    assert error.kind == "script_error"
    assert "it calls rm, but the tools offered are: bash" in error.message


@pytest.mark.parametrize(
    "what",
    [
        {"tool_results": 1},
        {"result_text": ("ell", "hello")},
        {"is_error": False},
        {"tool_results": 1, "result_text": ("h",), "is_error": False},
    ],
)
def test_an_expectation_that_is_met(what: dict[str, object]) -> None:
    ask(expecting(**what), *second_request("hello"))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"tool_results": 2}, "expected 2 tool results, and 1 came"),
        ({"result_text": ("hello", "bye")}, 'expected the tool results to contain "bye", but got "hello'),
        ({"is_error": True}, 'expected an error, but got "hello'),
        ({"user_text": ("go",)}, 'expected what the person wrote to contain "go", but got ""'),
    ],
)
def test_an_expectation_that_is_not_met(what: dict[str, object], words: str) -> None:
    error = failure(expecting(**what), *second_request("hello" + "\x1b[31m" + "x" * 5000))
    assert error.kind == "script_error"
    assert "demo at turn 2" in error.message
    assert words in error.message
    assert "\x1b" not in error.message
    assert len(error.message) < 600


def test_what_the_person_wrote_last_can_be_expected() -> None:
    ask(model(say(expect=Expectation(user_text=("mean 7", "median")))), user("mean 7 or median?"))
    with pytest.raises(ModelError):
        ask(model(say(expect=Expectation(user_text=("mode",)))), user("mean 7 or median?"))


def test_an_error_is_not_success() -> None:
    ask(expecting(is_error=True), *second_request("no", is_error=True))
    assert failure(expecting(is_error=False), *second_request("no", is_error=True)).kind == "script_error"


def test_results_that_are_expected_have_to_be_there() -> None:
    error = failure(model(say(expect=Expectation(is_error=False))))
    assert "expected tool results, and none came" in error.message


def test_results_made_of_blocks_are_read_too() -> None:
    conversation = second_request()
    conversation[-1]["content"][0]["content"] = [  # type: ignore[index]
        {"type": "image", "source": {}},
        {"type": "text", "text": "seven"},
    ]
    ask(expecting(result_text=("seven",)), *conversation)


def test_a_script_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text("- text: From a file.")
    assert ask(ScriptedModel.open(tmp_path / "short.yaml")).message["content"][0]["text"] == "From a file."
