"""A message from the events of its stream: nothing lost, nothing added, nothing believed too early."""

import json
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentctl.canonical import exact_json
from agentctl.errors import ModelError
from agentctl.model.base import ModelResponse, Preview
from agentctl.model.stream import MessageStream
from tests.loopback_api import events_of

Json = dict[str, Any]

MESSAGE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 9},
}


def message(*content: Json, **more: Any) -> Json:
    return {**MESSAGE, "content": list(content), **more}


def events(whole: Json, piece: int = 5) -> list[Json]:
    return [json.loads(each.partition(b"data: ")[2]) for each in events_of(whole, piece)]


def put_together(stream: Iterable[object], shown: list[Preview] | None = None) -> ModelResponse:
    answer = MessageStream(lambda piece: None if shown is None else shown.append(piece))
    for event in stream:
        answer.add(event)
    return answer.response("req_1")


def call(text: str, **more: Any) -> Json:
    return {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}, "_json": text, **more}


def input_of(text: str) -> Any:
    return put_together(events(message(call(text)))).message["content"][0]["input"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.builds(lambda text, sign: {"type": "thinking", "thinking": text, "signature": sign}, TEXT, TEXT),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, TEXT),
    st.builds(lambda more: {"type": "of_the_future", **more}, st.dictionaries(st.sampled_from("xyz"), JSON)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(BLOCKS, max_size=4), st.dictionaries(TEXT, JSON, max_size=3), st.integers(1, 50))
def test_a_message_comes_out_as_it_went_in_however_it_is_cut(content: list[Json], tool: Json, piece: int) -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": tool}
    whole = message(*content, block)
    response = put_together(events(whole, piece))
    assert response.message == whole
    assert json.loads(response.raw) == whole
    # Also the order of the keys, in which equal prompts are equal bytes.
    assert exact_json(response.message["content"]) == exact_json(whole["content"])
    assert response.raw == exact_json(response.message)


@settings(deadline=None, max_examples=30)
@given(st.lists(BLOCKS, max_size=4), st.integers(1, 50))
def test_the_pieces_shown_are_the_text(content: list[Json], piece: int) -> None:
    shown: list[Preview] = []
    put_together(events(message(*content), piece), shown)
    for index, block in enumerate(content):
        text = "".join(each.text for each in shown if each.index == index)
        assert text == block.get("text", block.get("thinking", ""))


def test_the_input_of_a_call_is_shown_with_the_name_of_its_tool() -> None:
    shown: list[Preview] = []
    put_together(events(message(call('{"command": "ls"}'))), shown)
    assert {(each.kind, each.name) for each in shown} == {("tool_input", "bash")}
    assert "".join(each.text for each in shown) == '{"command": "ls"}'


@pytest.mark.parametrize(
    "text",
    [
        '{"command": "ls',
        '{"command": ls}',
        "[1]",
        '"ls"',
        "null",
        '{"x": NaN}',
        '{"x": 1e999}',
        '{"x": -Infinity}',
        '{"x": "\\ud800"}',
        '{"x":' + "[" * 200 + "]" * 200 + "}",
        '{"x":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"x": ' + "9" * 5000 + "}",
    ],
)
def test_an_input_that_is_not_a_json_object_is_kept_as_its_text(text: str) -> None:
    assert input_of(text) == {"INVALID_JSON": text}


@pytest.mark.parametrize("text", ["", "  ", "{}"])
def test_a_call_without_arguments_has_an_empty_input(text: str) -> None:
    assert input_of(text) == {}


def test_an_emoji_cut_in_two_by_its_surrogates_is_whole_again() -> None:
    block = {"type": "text", "text": ""}
    pieces = [{"type": "text_delta", "text": half} for half in ("a\ud83d", "\ude00b", "\ud83d")]
    assert put_together(events(message({**block, "_deltas": pieces}))).message["content"][0]["text"] == "a😀b\ufffd"


def test_a_later_signature_replaces_the_former() -> None:
    again = [{"type": "signature_delta", "signature": "second"}]
    block = {"type": "thinking", "thinking": "t", "signature": "first", "_deltas": again}
    assert put_together(events(message(block))).message["content"][0]["signature"] == "second"


def test_citations_are_gathered() -> None:
    cited = {"type": "text", "text": "so", "citations": [{"cited_text": "a"}, {"cited_text": "b"}]}
    assert put_together(events(message(cited))).message["content"] == [cited]


def test_a_delta_of_the_future_changes_nothing() -> None:
    block = {"type": "text", "text": "so", "_deltas": [{"type": "aroma_delta", "aroma": "x"}]}
    assert put_together(events(message(block))).message["content"] == [{"type": "text", "text": "so"}]


def test_an_event_of_the_future_changes_nothing() -> None:
    stream = events(message({"type": "text", "text": "so"}))
    stream[3:3] = [{"type": "weather", "index": 99}, {"no": "type"}]
    assert put_together(stream).message["content"] == [{"type": "text", "text": "so"}]


def test_what_the_last_events_say_of_the_message_counts() -> None:
    stream = events(message({"type": "text", "text": "no"}))
    stream[-2] = {
        "type": "message_delta",
        "delta": {"stop_reason": "refusal", "stop_details": {"category": "cyber"}, "container": {"id": "c"}},
        "usage": {"output_tokens": 41, "input_tokens": None, "iterations": [{"type": "message"}]},
        "context_management": {"applied_edits": []},
    }
    whole = put_together(stream).message
    assert whole["stop_reason"] == "refusal"
    assert whole["stop_details"] == {"category": "cyber"}
    assert whole["container"] == {"id": "c"}
    assert whole["context_management"] == {"applied_edits": []}
    assert whole["usage"] == {"input_tokens": 7, "output_tokens": 41, "iterations": [{"type": "message"}]}


ENDED = {"stop_reason": "end_turn"}
STOP = {"type": "message_stop"}
USAGES: list[Json] = [
    {"output_tokens": "many"},
    {"output_tokens": -1},
    {"cache_creation": [1]},
    {"server_tool_use": {"web_search_requests": []}},
    {"iterations": [1]},
    {"speed": ["fast"]},
]


def opened(block: object) -> Json:
    return {"type": "content_block_start", "index": 0, "content_block": block}


@pytest.mark.parametrize("length", range(len(events(message({"type": "text", "text": "four"}, call("{}"))))))
def test_no_part_of_a_stream_is_an_answer(length: int) -> None:
    stream = events(message({"type": "text", "text": "four"}, call("{}")))[:length]
    with pytest.raises(ModelError) as caught:
        put_together(stream)
    assert (caught.value.kind, caught.value.retryable) == ("stream_cut_error", True)
    assert caught.value.request_id == "req_1"


def test_an_answer_without_a_reason_for_its_end_is_cut() -> None:
    with pytest.raises(ModelError, match="cut off") as caught:
        put_together(events(message(stop_reason=None)))
    assert caught.value.kind == "stream_cut_error"


def test_a_call_that_was_never_closed_is_not_taken_for_a_shorter_one() -> None:
    stream = [each for each in events(message(call('{"command": "rm x"}'))) if each["type"] != "content_block_stop"]
    assert put_together(stream).message["content"][0]["input"] == {"INVALID_JSON": '{"command": "rm x"}'}


@pytest.mark.parametrize(
    "stream",
    [
        [17],
        [{"type": "message_start"}],
        [{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}],
        [{"type": "message_delta", "delta": {}}],
        [*events(message())[:1], *events(message())[:1]],
        [*events(message())[:1], {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}}],
        [*events(message())[:1], {"type": "content_block_start", "index": 1, "content_block": {"type": "text"}}],
        [*events(message())[:1], {"type": "content_block_start", "index": None, "content_block": {"type": "text"}}],
        [*events(message())[:1], {"type": "content_block_stop", "index": 0}],
        events(message(call("{}"), call("{}"))),
        events(message({"type": "tool_use", "name": "bash", "input": {}})),
        events(message({"type": "new", "x": float("nan")})),
        [
            *events(message({"type": "text", "text": "a"}))[:3],
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 7}},
        ],
        [{"type": "message_start", "message": {"content": "words"}}],
        [{"type": "message_start", "message": {"content": ["words"]}}],
        [*events(message())[:1], opened({"text": "of no type"})],
        [*events(message())[:1], opened({"type": "text", "text": 7})],
        [*events(message())[:1], opened({"type": "text", "text": "a", "citations": 7})],
        *(
            [*events(message())[:1], {"type": "message_delta", "delta": ENDED, "usage": usage}, STOP]
            for usage in USAGES
        ),
    ],
)
def test_events_that_make_no_message_are_refused(stream: list[object]) -> None:
    with pytest.raises(ModelError) as caught:
        put_together(stream)
    assert caught.value.kind == "protocol_error"


def test_a_block_of_text_has_a_text_as_the_record_wants_it() -> None:
    stream = [*events(message())[:1], opened({"type": "text"}), {"type": "content_block_stop", "index": 0}]
    whole = put_together([*stream, {"type": "message_delta", "delta": ENDED}, STOP])
    assert whole.message["content"] == [{"type": "text", "text": ""}]


def test_an_input_of_ten_megabytes_takes_no_longer_per_byte_than_a_small_one() -> None:
    def seconds(size: int) -> float:
        stream = events(message(call(json.dumps({"content": "x" * size}))), piece=200)
        started = time.thread_time()
        put_together(stream)
        return time.thread_time() - started

    seconds(100_000)
    assert seconds(10_000_000) < 1.0 + 400 * seconds(100_000)
