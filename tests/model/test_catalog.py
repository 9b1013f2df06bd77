"""The price list against the rules it follows, and costs computed by hand."""

from decimal import Decimal

import pytest

from agentctl.catalog import ALL_EFFORTS, ModelFacts, list_cost, lookup
from tests.api_rules import MODELS

IDS = sorted(MODELS)


def facts_of(model_id: str) -> ModelFacts:
    facts = lookup(model_id)
    assert facts is not None
    return facts


def read_share(model_id: str) -> Decimal:
    if model_id in ("claude-opus-5-5", "claude-sonnet-5-5"):
        return Decimal("0.05")
    if model_id.startswith(("claude-fable-5-", "claude-mythos-5-")):
        return Decimal("0.025")
    return Decimal("0.1")


@pytest.mark.parametrize("model_id", IDS)
def test_cache_prices_follow_from_the_input_price(model_id: str) -> None:
    facts = facts_of(model_id)
    for prices in filter(None, (facts.prices, facts.long_prices)):
        assert prices.cache_write_5m == prices.input * Decimal("1.25")
        assert prices.cache_write_1h == prices.input * 2
        assert prices.cache_read == prices.input * read_share(model_id)
        assert prices.output == prices.input * 5


@pytest.mark.parametrize("model_id", IDS)
def test_every_model_is_described_as_the_api_treats_it(model_id: str) -> None:
    facts, rules = facts_of(model_id), MODELS[model_id]
    assert facts.max_output_tokens == rules.max_tokens <= facts.context_window
    assert facts.efforts == rules.efforts
    assert facts.default_effort in (rules.efforts or (None,))
    assert facts.forced_tools == rules.forced_tools
    assert facts.system_messages == rules.system_messages
    assert facts.fast == (rules.fast is not None)
    assert (facts.fast_beta or "") == (rules.fast or "")
    assert facts.thinking in rules.thinking


@pytest.mark.parametrize(
    ("model_id", "price"),
    [
        ("claude-fable-5-2", "8"),
        ("claude-mythos-5-2", "8"),
        ("claude-fable-5-1", "10"),
        ("claude-mythos-5", "10"),
        ("claude-opus-5-5", "4"),
        ("claude-opus-5", "5"),
        ("claude-opus-4-6", "5"),
        ("claude-opus-4-5", "5"),
        ("claude-sonnet-5-5", "2"),
        ("claude-sonnet-5", "2"),
        ("claude-sonnet-4-6", "3"),
        ("claude-haiku-5-5", "0.10"),
        ("claude-haiku-4-5", "1"),
    ],
)
def test_a_million_tokens_cost_what_the_list_says(model_id: str, price: str) -> None:
    assert facts_of(model_id).prices.input == Decimal(price)


def test_only_the_models_of_the_4_5_generation_get_a_thinking_budget() -> None:
    old = {model_id for model_id in IDS if facts_of(model_id).thinking == "enabled"}
    assert {facts_of(model_id).id for model_id in old} == {
        "claude-opus-4-5-20251101",
        "claude-sonnet-4-5-20250929",
        "claude-haiku-4-5-20251001",
    }


def test_an_alias_is_the_dated_model() -> None:
    assert lookup("claude-haiku-4-5") is lookup("claude-haiku-4-5-20251001")


def test_an_unknown_model_has_no_facts_and_no_price() -> None:
    assert lookup("claude-opus-9") is None
    assert list_cost("claude-opus-9", {"input_tokens": 1}) is None


def test_a_script_costs_nothing() -> None:
    assert list_cost("script:demo", {"input_tokens": 1_000_000}) == 0


def test_the_cost_of_a_request_with_everything_in_it() -> None:
    usage = {
        "input_tokens": 1_000,
        "cache_creation_input_tokens": 30_000,
        "cache_read_input_tokens": 200_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 10_000, "ephemeral_1h_input_tokens": 20_000},
        "output_tokens": 5_000,
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 9},
    }
    # 1,000 x 4 + 10,000 x 5 + 20,000 x 8 + 200,000 x 0.20 + 5,000 x 20, by the million, and 3 cents
    assert list_cost("claude-opus-5-5", usage) == Decimal("0.354") + Decimal("0.03")


def test_cache_writes_without_a_breakdown_are_those_of_five_minutes() -> None:
    assert list_cost("claude-opus-5-5", {"cache_creation_input_tokens": 1_000_000}) == Decimal(5)


def test_counts_that_are_null_or_absent_cost_nothing() -> None:
    usage = {"input_tokens": 500_000, "output_tokens": None, "cache_creation": None, "server_tool_use": None}
    assert list_cost("claude-sonnet-5-5", usage) == Decimal(1)


def test_haiku_5_5_takes_the_second_row_for_the_whole_of_a_long_request() -> None:
    at_the_limit = {"input_tokens": 40_000, "cache_read_input_tokens": 60_000, "output_tokens": 1_000}
    beyond = {**at_the_limit, "input_tokens": 40_001}
    # 40,000 x 0.10 + 60,000 x 0.01 + 1,000 x 0.50
    assert list_cost("claude-haiku-5-5", at_the_limit) == Decimal("0.0051")
    # 40,001 x 0.50 + 60,000 x 0.05 + 1,000 x 2.50
    assert list_cost("claude-haiku-5-5", beyond) == Decimal("0.0255005")


@pytest.mark.parametrize(
    ("model_id", "output_price"), [("claude-opus-5-5", 40), ("claude-opus-5", 50), ("claude-opus-4-8", 50)]
)
def test_fast_mode_costs_double(model_id: str, output_price: int) -> None:
    assert list_cost(model_id, {"output_tokens": 1_000_000}, speed="fast") == output_price


def test_what_ran_counts_and_not_what_was_asked_for() -> None:
    usage = {"output_tokens": 1_000_000, "speed": "standard", "inference_geo": "global"}
    assert list_cost("claude-opus-5-5", usage, speed="fast", inference_geo="us") == 20
    ran = {"output_tokens": 1_000_000, "speed": "fast", "inference_geo": "us"}
    assert list_cost("claude-opus-5-5", ran) == 44


def test_a_model_without_a_fast_mode_has_no_price_for_it() -> None:
    assert list_cost("claude-sonnet-5-5", {"output_tokens": 1}, speed="fast") is None


def test_the_tenth_for_a_region_is_not_asked_for_searches() -> None:
    usage = {"input_tokens": 1_000_000, "server_tool_use": {"web_search_requests": 1000}}
    assert list_cost("claude-opus-5-5", usage, inference_geo="us") == Decimal("4.4") + 10


def test_every_level_of_effort_is_one_the_api_knows() -> None:
    assert {effort for model_id in IDS for effort in facts_of(model_id).efforts} <= set(ALL_EFFORTS)
