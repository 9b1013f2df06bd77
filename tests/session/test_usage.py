"""What a session has used, summaries included."""

import json
from decimal import Decimal

from agentctl.canonical import JsonObject
from agentctl.events.local import LocalCompactionResponse
from agentctl.session.usage import Usage, total_usage

NOTHING = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
SPENT = {"type": "compaction", "input_tokens": 1_000, "cache_read_input_tokens": 90_000, "output_tokens": 2_000,
         "cache_creation_input_tokens": 500, "cache_creation": {"ephemeral_5m_input_tokens": 500}}  # fmt: skip


def message(**usage: object) -> JsonObject:
    return {"model": "claude-opus-5-5", "content": [], "usage": {**NOTHING, **usage}}


def used(body: JsonObject) -> Usage:
    event = LocalCompactionResponse(id="c", model_request_start_id="s", model="m", raw=json.dumps(body))
    return Usage().after(event)


def test_a_summary_counts_although_the_answer_says_nothing_was_used() -> None:
    usage = used(message(iterations=[SPENT]))
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (1_000, 90_000, 2_000)
    assert usage.ephemeral_5m_input_tokens == 500
    assert usage.requests == 1
    # 4 dollars a million, a twentieth of that for reading the cache, 5 for writing it, 20 for the summary.
    assert usage.cost == Decimal("0.004") + Decimal("0.018") + Decimal("0.0025") + Decimal("0.04")


def test_only_what_the_api_counts_apart_is_added() -> None:
    part = {"type": "message", "input_tokens": 7, "output_tokens": 7}
    body = message(input_tokens=7, output_tokens=7, iterations=[part])
    assert total_usage(body) == body["usage"]
    assert total_usage({}) == {}
    both = total_usage(message(input_tokens=7, iterations=[part, SPENT, SPENT]))
    assert (both["input_tokens"], both["output_tokens"]) == (2_007, 4_000)


def test_each_summary_is_priced_by_itself() -> None:
    short = {"type": "compaction", "input_tokens": 90_000, "output_tokens": 0}
    haiku = {**message(iterations=[short, short]), "model": "claude-haiku-5-5"}
    assert used(haiku).cost == Decimal("0.018")  # neither is longer than 100,000 tokens, from where on it costs more
    assert used({**haiku, "model": "claude-9"}).cost is None
