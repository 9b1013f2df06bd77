"""How long the next request is: counted where the API has counted, estimated on the high side where not."""

from datetime import timedelta

import pytest

from agentctl.canonical import JsonObject
from agentctl.events.agent import AgentThreadContextCompacted, AgentToolResult
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import LocalCompactionResponse, LocalInputProcessed, LocalSessionCreated
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import UserCustomToolResult, UserMessage
from agentctl.ids import timestamp
from agentctl.policy.prompt import Prompt, estimated_tokens
from tests.kit import START

NOW = timestamp(START)


def created(system: str = "", tools: list[JsonObject] | None = None) -> LocalSessionCreated:
    return LocalSessionCreated(
        id="c", session_id="s", agentctl_version="0", agent={}, agent_hash="", environment={}, environment_hash="",
        model="m", request={"system": system, "tools": tools or []}, sandbox={}, uploads=[], limits={},
    )  # fmt: skip


def message(characters: int, processed_at: str | None = None) -> UserMessage:
    return UserMessage(id="m", processed_at=processed_at, content=[text_block("x" * characters)])


def answered(asked: int, output: int = 0, *, cached: int = 0, written: int = 0) -> list[Event]:
    usage = {
        "input_tokens": asked - cached - written,
        "output_tokens": output,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
    }
    start = SpanModelRequestStart(id="s", processed_at=NOW)
    return [start, SpanModelRequestEnd(id="e", model_request_start_id="s", model_usage=usage, is_error=False)]


def prompt(*events: Event) -> Prompt:
    found = Prompt()
    for event in events:
        found = found.after(event)
    return found


taken = LocalInputProcessed(id="t", event_ids=["m"])
result = AgentToolResult(id="r", tool_use_id="u", content=[text_block("x" * 3_000)])
summarised = LocalCompactionResponse(id="k", model_request_start_id="s", model="m", raw="{}")
compacted = AgentThreadContextCompacted(id="k")


def test_the_first_request_is_estimated_from_its_head_and_the_message() -> None:
    head = prompt(created("x" * 3_000, [{"name": "bash", "description": "y" * 3_000}])).tokens
    assert 2_000 <= head <= 2_050
    assert 300 <= prompt(created("x" * 3_000), message(900), taken).tokens - prompt(created("x" * 3_000)).tokens <= 320


def test_afterwards_it_is_what_the_api_counted_and_what_came_since() -> None:
    found = prompt(created("x" * 9_000), message(900), taken, *answered(5_000, 700, cached=3_000, written=1_500))
    assert found.tokens == 5_700
    assert 6_700 <= found.after(result).tokens <= 6_720
    custom = UserCustomToolResult(id="r", custom_tool_use_id="u", content=[text_block("x" * 3_000)])
    assert found.after(custom).tokens == found.after(result).tokens


def test_a_request_that_failed_changes_nothing() -> None:
    before = prompt(*answered(5_000, 700), result)
    assert prompt(*answered(5_000, 700), result, *answered(0)).tokens == before.tokens


def test_a_message_that_came_while_the_model_wrote_is_counted_when_it_is_taken_up() -> None:
    found = prompt(*answered(5_000), message(3_000), *answered(6_000, 10))
    assert found.tokens == 6_010
    assert 7_010 <= found.after(taken).tokens <= 7_030
    assert prompt(message(3_000, NOW)).tokens == prompt(message(3_000), taken).tokens


def test_what_was_asked_is_kept_for_five_minutes_and_a_short_prompt_is_not_counted_on() -> None:
    found = prompt(*answered(50_000, 2_000), result)
    assert found.cached_tokens(START + timedelta(seconds=200)) == 50_000
    assert found.cached_tokens(START + timedelta(seconds=300)) == 0
    assert prompt(*answered(4_000)).cached_tokens(START) == 0
    assert prompt(created()).cached_tokens(START) == 0


def test_a_conversation_that_was_shortened_begins_with_its_head_and_the_summary() -> None:
    start, end = answered(801_000, 4_000)
    found = prompt(created("x" * 3_000), *answered(800_000, 1_000), start, summarised, end, compacted)
    assert 5_000 <= found.tokens <= 5_020
    assert found.cached_tokens(START) == 0


def test_a_conversation_of_which_there_is_no_summary_is_as_long_as_before() -> None:
    start, end = answered(801_000, 4_000)
    before = prompt(*answered(800_000, 1_000), result)
    assert prompt(*answered(800_000, 1_000), result, start, summarised, end).tokens == before.tokens
    start, end = answered(0)
    assert prompt(*answered(800_000, 1_000), result, start, summarised, end, *answered(9, 1)).tokens == 10


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("", 0, 0),
        ("abc", 1, 1),
        ("é" * 300, 200, 200),
        ("\ud800", 1, 1),
        (None, 0, 0),
        ([5, True], 2, 10),
        ({"type": "image", "source": {"type": "base64", "data": "A" * 5_000_000}}, 4_784, 4_784),
        ({"type": "document", "source": {"type": "base64", "data": "A" * 400_000}}, 10_000, 10_000),
        ({"type": "document", "source": {"type": "text", "data": "A" * 3_000}}, 1_000, 1_020),
    ],
)
def test_estimates_of_pieces(value: object, least: int, most: int) -> None:
    assert least <= estimated_tokens(value) <= most
