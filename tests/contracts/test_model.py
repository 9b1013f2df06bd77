"""What every model holds to, whoever answers behind it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agentctl.errors import ModelError
from agentctl.model.anthropic import AnthropicModel
from agentctl.model.base import Model, ModelResponse, Preview
from agentctl.model.request import build_compaction, header_for
from agentctl.model.script import read_script
from agentctl.model.scripted import ScriptedModel
from tests.api_rules import check_body
from tests.loopback_api import LoopbackApi
from tests.model.kit import BASH, Json, ask, ask_and_watch, drive, request, results, user

SCRIPT = """
- thinking: First I look, then I say what I saw. Ünïcödé, too.
  text: I look at both.
  tools:
    - {name: bash, input: {z: 1, command: "ls\\n", a: {y: [1, 2.5, null, true], x: "é😀"}}}
    - {name: bash, input: {}}
- expect: {tool_results: 2, is_error: false}
  tools: [{name: bash, input: {command: "cat *"}}]
- text: That was all.
- text: You are welcome.
"""

Start = Callable[[], Model]


@pytest.fixture(params=["anthropic", "scripted"])
def start(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Give a way to start the model, as a new process would."""
    path = tmp_path / "script.yaml"
    path.write_text(SCRIPT)
    with ExitStack() as stack:
        if request.param == "scripted":
            yield lambda: ScriptedModel.open(path)
            return
        api = stack.enter_context(LoopbackApi(read_script(path)))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", api.key)

        def anthropic() -> Model:
            model = AnthropicModel()
            stack.callback(model.close)
            return model

        yield anthropic
        # Whatever a test asked, in the order it asked: each request repeated the former, signatures
        # and the order of keys included.
        left = [problem for problem in api.violations if "the run left the script" not in problem]
        assert left == []


@pytest.fixture
def model(start: Start) -> Model:
    return start()


def blocks(response: ModelResponse, kind: str) -> list[Json]:
    return [block for block in response.message["content"] if block["type"] == kind]


def test_the_raw_text_and_the_message_say_the_same(model: Model) -> None:
    response = ask(model)
    assert json.loads(response.raw) == response.message
    assert json.dumps(json.loads(response.raw)) == json.dumps(response.message)  # also in the same order
    assert response.raw.isascii()


def test_a_message_has_what_a_message_has(model: Model) -> None:
    message = ask(model).message
    assert (message["type"], message["role"]) == ("message", "assistant")
    assert message["model"] in ("claude-opus-5-5", "script:script")
    assert message["id"].startswith("msg_")
    assert message["stop_reason"] == "tool_use"
    for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
        assert isinstance(message["usage"][name], int)


def test_calls_have_ids_of_their_own_and_inputs_as_they_were_written(model: Model) -> None:
    calls = blocks(ask(model), "tool_use")
    assert len({call["id"] for call in calls}) == 2
    assert list(calls[0]["input"]) == ["z", "command", "a"]
    assert calls[0]["input"]["a"] == {"y": [1, 2.5, None, True], "x": "é😀"}
    assert calls[1]["input"] == {}


def test_ids_are_not_used_again_in_a_conversation(model: Model) -> None:
    conversation = drive(model)
    ids = [block["id"] for message in conversation for block in message["content"] if block["type"] == "tool_use"]
    assert len(ids) == len(set(ids)) == 3


def test_what_is_shown_is_what_is_said(model: Model) -> None:
    response, shown = ask_and_watch(model)
    for index, block in enumerate(response.message["content"]):
        pieces = [piece for piece in shown if piece.index == index]
        text = "".join(piece.text for piece in pieces)
        match block["type"]:
            case "text" | "thinking" as kind:
                assert text == block[kind]
                assert {piece.kind for piece in pieces} == {kind}
            case "tool_use":
                assert json.loads(text or "{}") == block["input"]
                assert {(piece.kind, piece.name) for piece in pieces} <= {("tool_input", "bash")}


def test_what_is_shown_comes_block_by_block(model: Model) -> None:
    _, shown = ask_and_watch(model)
    indexes = [piece.index for piece in shown]
    assert indexes == sorted(indexes)
    assert shown
    assert all(piece.text for piece in shown)


def test_thinking_is_signed(model: Model) -> None:
    (thinking,) = blocks(ask(model), "thinking")
    assert thinking["thinking"].startswith("First I look")
    assert thinking["signature"]


def test_a_conversation_goes_on_to_its_end_and_beyond(model: Model) -> None:
    conversation = [*drive(model), user("thanks")]
    assert ask(model, *conversation).message["content"] == [{"type": "text", "text": "You are welcome."}]


def test_every_request_made_of_its_answers_is_one_the_api_accepts(model: Model) -> None:
    body = request(*drive(model), user("thanks")).body | {"stream": True}
    assert list(check_body(body, [])) == []


def test_answers_stored_as_raw_text_are_taken_back(start: Start) -> None:
    stored = ask(start()).raw
    message = json.loads(stored)
    conversation = [user("go"), {"role": "assistant", "content": message["content"]}, results(message)]
    assert ask(start(), *conversation).message["stop_reason"] == "tool_use"


def test_a_new_process_goes_on_with_the_conversation(start: Start) -> None:
    conversation = [user("go")]
    for _ in range(2):
        message = ask(start(), *conversation).message
        conversation += [{"role": "assistant", "content": message["content"]}, results(message)]
    assert ask(start(), *conversation).message["content"] == [{"type": "text", "text": "That was all."}]


def test_the_request_is_left_as_it_was(model: Model) -> None:
    asked = request(user("go"))
    before = json.dumps(asked.body)
    model.respond(asked, lambda _: None)
    assert json.dumps(asked.body) == before


def test_a_failure_is_a_model_error_with_a_kind(model: Model) -> None:
    conversation = [*drive(model), user("thanks")]
    last = ask(model, *conversation).message
    with pytest.raises(ModelError) as caught:
        ask(model, *conversation, {"role": "assistant", "content": last["content"]}, user("more"))
    assert caught.value.kind
    assert not caught.value.retryable
    assert caught.value.exit_code == 6


def test_what_fails_while_showing_is_not_explained_away(model: Model) -> None:
    def closed(_: Preview) -> None:
        raise BrokenPipeError("the terminal is gone")

    with pytest.raises(BrokenPipeError):
        model.respond(request(), closed)
    assert ask(model).message["stop_reason"] == "tool_use"


def test_closing_twice_is_closing(model: Model) -> None:
    ask(model)
    model.close()
    model.close()


def test_a_summary_is_given_alone_and_gone_on_from(start: Start) -> None:
    model = start()
    conversation = [user("go")]
    for _ in range(2):
        message = ask(model, *conversation).message
        conversation += [{"role": "assistant", "content": message["content"]}, results(message)]
    header = header_for("claude-opus-5-5", system="You help.", tools=[BASH])
    wanted = build_compaction(header, conversation)
    assert list(check_body({**wanted.body, "stream": True}, list(wanted.betas))) == []
    summary = model.respond(wanted, lambda _: None)
    assert summary.message["stop_reason"] == "compaction"
    (block,) = json.loads(summary.raw)["content"]
    assert block["type"] == "compaction"
    assert block["content"]
    assert [part["type"] for part in summary.message["usage"]["iterations"]] == ["compaction"]
    behind = request({"role": "assistant", "content": [block]})
    assert "compact-2026-09-04" in behind.betas
    assert model.respond(behind, lambda _: None).message["content"][0]["text"] == "That was all."
