"""Limits: met before money is spent, used up nearly to their end, and never by surprise."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentctl.catalog import Prices
from agentctl.definitions.agent import Agent, snapshot
from agentctl.errors import UsageError
from agentctl.policy.budget import (
    Limits,
    NextRequest,
    affordable_max_tokens,
    before_request,
    hosted_cost,
    refuse_unpriced,
)
from agentctl.session.usage import Usage

# Opus 5.5: 5 dollars for a million tokens of a prompt that is new, 0.20 for those kept, 20 for an answer's.
REQUEST = NextRequest("claude-opus-5-5", max_tokens=32_000, new_tokens=10_000)


def dollars(most: str) -> Limits:
    return Limits(max_cost=Decimal(most))


def spent(cost: str, **counts: Any) -> Usage:
    return Usage(cost=Decimal(cost), **counts)


def max_tokens(limits: Limits, usage: Usage, request: NextRequest = REQUEST) -> int:
    return affordable_max_tokens(limits, usage, request)


def reached(limits: Limits, usage: Usage, request: NextRequest = REQUEST) -> str | None:
    found = before_request(limits, usage, 0, 0.0, request)
    return found.limit if found else None


def test_without_limits_nothing_is_reached() -> None:
    assert before_request(Limits(), Usage(cost=None), 10**6, 1e9, REQUEST) is None
    assert max_tokens(Limits(), Usage(cost=None)) == 32_000


# --- money ---


def test_a_request_that_fits_whole_is_left_as_it_is() -> None:
    # 10,000 x 5 + 32,000 x 20, by the million, are 0.69 dollars
    assert max_tokens(dollars("2.00"), spent("1.31")) == 32_000
    assert reached(dollars("2.00"), spent("1.31")) is None


def test_a_budget_that_leaves_room_for_nine_tenths_of_the_next_request_gets_a_shorter_answer() -> None:
    # 0.62 dollars are left; the prompt takes 0.05 of them, and 0.57 pay for 28,500 tokens
    assert max_tokens(dollars("2.00"), spent("1.38")) == 28_500
    assert reached(dollars("2.00"), spent("1.38")) is None


def test_a_budget_that_leaves_no_room_for_a_useful_answer_stops_the_session_before_the_request() -> None:
    # 4,096 tokens cost 0.08192 dollars, the prompt 0.05
    assert max_tokens(dollars("2.00"), spent("1.868")) == 4_100
    found = before_request(dollars("2.00"), spent("1.8681"), 0, 0.0, REQUEST)
    assert found
    assert (found.limit, found.allowed, found.used) == ("max_cost", 2.0, 1.8681)
    assert found.line == "1.8681 of 2.00 US dollars are spent, which leaves too little for another request"
    assert max_tokens(dollars("2.00"), spent("1.8681")) == 0


def test_a_budget_that_is_passed_already_stops_the_session() -> None:
    assert reached(dollars("2.00"), spent("2.10")) == "max_cost"
    assert max_tokens(dollars("2.00"), spent("2.10")) == 0


@pytest.mark.parametrize("most", ["0.10", "0.20", "0.64", "1.00"])
def test_a_small_budget_is_used_although_the_longest_answer_would_not_fit_in_it(most: str) -> None:
    assert reached(dollars(most), spent("0")) is None
    assert 0 < max_tokens(dollars(most), spent("0")) <= 32_000


def test_a_small_budget_is_used_until_a_quarter_of_it_is_left() -> None:
    small = replace(REQUEST, new_tokens=1_000)  # 0.005 dollars
    # 0.04 dollars are 2,000 tokens; a quarter of them are 500, or 0.01 dollars
    assert max_tokens(dollars("0.04"), spent("0.025"), small) == 500
    assert reached(dollars("0.04"), spent("0.0251"), small) == "max_cost"


def test_a_budget_that_does_not_pay_for_the_prompt_stops_at_once() -> None:
    assert reached(dollars("0.05"), spent("0")) == "max_cost"
    assert reached(dollars("0.000001"), spent("0"), replace(REQUEST, new_tokens=0)) == "max_cost"


def test_a_long_conversation_that_the_api_has_kept_does_not_eat_the_budget() -> None:
    cold = NextRequest("claude-opus-5-5", 32_000, new_tokens=300_000)
    warm = NextRequest("claude-opus-5-5", 32_000, new_tokens=2_000, cached_tokens=298_000)
    assert reached(dollars("2.00"), spent("0.60"), cold) == "max_cost"
    assert max_tokens(dollars("2.00"), spent("0.60"), warm) == 32_000


def test_thinking_with_a_number_of_its_own_needs_room_beside_it() -> None:
    # 15 dollars for a million tokens; 10,000 of them are set aside for thinking
    old = NextRequest("claude-sonnet-4-5", 32_000, new_tokens=0, thinking_tokens=10_000)
    assert max_tokens(dollars("2.00"), spent("1.78"), old) == 14_666
    assert reached(dollars("2.00"), spent("1.79"), old) == "max_cost"
    assert max_tokens(dollars("0.16"), spent("0"), old) == 0


def test_speed_region_and_the_length_of_the_prompt_are_in_the_price() -> None:
    fast_in_us = replace(REQUEST, speed="fast", inference_geo="us")
    assert fast_in_us.cost(32_000) == Decimal("0.69") * 2 * Decimal("1.1")
    short, long = NextRequest("claude-haiku-5-5", 32_000, 100_000), NextRequest("claude-haiku-5-5", 32_000, 100_001)
    assert (short.cost(0), long.cost(0)) == (Decimal("0.0125"), Decimal("0.062500625"))


def test_a_script_costs_nothing_and_so_reaches_no_limit() -> None:
    script = replace(REQUEST, model="script:demo.yaml")
    assert max_tokens(dollars("0.01"), spent("0"), script) == 32_000
    refuse_unpriced(dollars("0.01"), script, "prices.yaml")


def test_a_cost_limit_with_a_model_that_has_no_price_is_refused_with_a_way_out() -> None:
    unknown = replace(REQUEST, model="claude-opus-9")
    with pytest.raises(UsageError, match="model claude-opus-9 has no known price, so max_cost cannot hold") as caught:
        refuse_unpriced(dollars("2.00"), unknown, "/home/me/prices.yaml")
    assert caught.value.hint == (
        "write its prices into /home/me/prices.yaml, or leave max_cost out: other limits hold for every model"
    )
    with pytest.raises(UsageError, match="has no known price at speed fast"):
        refuse_unpriced(dollars("2.00"), replace(REQUEST, model="claude-sonnet-5-5", speed="fast"), "prices.yaml")
    refuse_unpriced(Limits(max_turns=5), unknown, "prices.yaml")
    refuse_unpriced(dollars("2.00"), REQUEST, "prices.yaml")
    own = {"claude-opus-9": Prices(*map(Decimal, ("1", "2", "3", "4", "5")))}
    refuse_unpriced(dollars("2.00"), replace(unknown, prices=own), "prices.yaml")


def test_an_answer_of_a_model_without_a_price_stops_a_session_with_a_cost_limit() -> None:
    found = before_request(dollars("2.00"), Usage(cost=None), 0, 0.0, REQUEST)
    assert found
    assert found.line == "what the session has cost is not known, because a model without a price answered"
    assert reached(dollars("2.00"), spent("0"), replace(REQUEST, model="claude-opus-9")) == "max_cost"


# --- tokens, counts, times ---


def test_output_tokens_are_kept_to_the_number_by_shorter_answers() -> None:
    limits = Limits(max_output_tokens=50_000)
    assert max_tokens(limits, spent("0", output_tokens=10_000)) == 32_000
    assert max_tokens(limits, spent("0", output_tokens=30_000)) == 20_000
    assert max_tokens(limits, spent("0", output_tokens=45_904)) == 4_096
    found = before_request(limits, spent("0", output_tokens=45_905), 0, 0.0, REQUEST)
    assert found
    assert found.line == "45,905 of 50,000 output tokens are used, which leaves too few for another answer"
    assert max_tokens(Limits(max_output_tokens=1), Usage()) == 1


def test_the_narrowest_limit_sets_the_length_of_an_answer() -> None:
    limits = Limits(max_cost=Decimal("0.45"), max_output_tokens=15_000)
    assert max_tokens(limits, spent("0")) == 15_000
    assert max_tokens(limits, spent("0.2")) == 10_000
    assert max_tokens(limits, spent("0.2", output_tokens=14_000)) == 0


@pytest.mark.parametrize(
    ("limits", "usage", "turns", "elapsed", "limit", "line"),
    [
        (Limits(max_turns=5), Usage(), 5, 0.0, "max_turns", "5 of 5 requests to the model are made"),
        (Limits(max_turns=5), Usage(), 4, 0.0, None, ""),
        (Limits(max_tool_calls=9), Usage(tool_calls=11), 0, 0.0, "max_tool_calls", "11 of 9 calls of tools are made"),
        (Limits(max_tool_calls=9), Usage(tool_calls=8), 0, 0.0, None, ""),
        (Limits(timeout_seconds=1800), Usage(), 0, 1800.2, "timeout", "the run has taken 1,800 of 1,800 seconds"),
        (Limits(timeout_seconds=1800), Usage(), 0, 1799.9, None, ""),
        (
            Limits(max_active_seconds=60.0),
            Usage(active_seconds=61.0),
            0,
            1.0,
            "max_active",
            "the session has worked for 61 of 60 seconds",
        ),
        (Limits(max_active_seconds=60.0), Usage(active_seconds=59.0), 0, 999.0, None, ""),
    ],
)
def test_counts_and_times_are_reached_when_they_are_used_up(
    limits: Limits, usage: Usage, turns: int, elapsed: float, limit: str | None, line: str
) -> None:
    found = before_request(limits, usage, turns, elapsed, REQUEST)
    assert (found.limit if found else None) == limit
    assert (found.line if found else "") == line


# --- how limits are kept ---


def test_limits_are_kept_with_the_session_and_read_again() -> None:
    every = Limits(Decimal("2.50"), 5, 60.0, 30.5, 1000, 7)
    assert every.as_json() == {
        "max_cost": "2.50",
        "max_turns": 5,
        "timeout_seconds": 60.0,
        "max_active_seconds": 30.5,
        "max_output_tokens": 1000,
        "max_tool_calls": 7,
    }
    assert Limits.from_json(every.as_json()) == every
    assert Limits().as_json() == {}
    assert Limits.from_json({}) == Limits()


def test_limits_that_other_versions_wrote_are_read_as_far_as_they_are_known() -> None:
    assert Limits.from_json({"max_turns": 40, "timeout_seconds": None, "max_moons": 1}) == Limits(max_turns=40)


def test_the_amount_of_a_definition_is_the_amount_of_the_limit() -> None:
    body = {"name": "x", "model": "m", "local": {"limits": {"max_cost": "0.1"}}}
    written = snapshot(Agent.model_validate(body))["local"]["limits"]
    assert Limits.from_json(written) == dollars("0.1")


# --- the hosted service ---


def test_the_hosted_service_asks_eight_cents_an_hour_beside_the_list_cost() -> None:
    assert hosted_cost(spent("1.25", active_seconds=5400.0)) == Decimal("1.37")
    assert hosted_cost(Usage(active_seconds=1.0)) == Decimal("0.000022")
    assert hosted_cost(Usage(cost=None)) is None


# --- for any budget ---

MODELS = ["claude-opus-5-5", "claude-haiku-5-5", "claude-fable-5-2", "claude-sonnet-4-5", "script:x"]


@settings(deadline=None)
@given(
    st.decimals("0.000001", "100", places=6),
    st.decimals("0", "100", places=6),
    st.integers(0, 10**6),
    st.integers(0, 10**5),
    st.sampled_from(MODELS),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(1, 128_000),
    st.sampled_from([0, 10_000]),
)
def test_whatever_the_model_answers_a_limit_is_not_passed(
    most: Decimal,
    cost: Decimal,
    most_output: int,
    output: int,
    model: str,
    new: int,
    cached: int,
    longest: int,
    thinking: int,
) -> None:
    limits = Limits(max_cost=most, max_output_tokens=most_output + 1)
    usage = Usage(cost=cost, output_tokens=output)
    request = NextRequest(model, longest + thinking, new, cached, thinking)
    tokens = affordable_max_tokens(limits, usage, request)
    assert (tokens == 0) == (before_request(limits, usage, 0, 0.0, request) is not None)
    if tokens:
        price = request.cost(tokens)
        assert price is not None
        assert cost + price <= most or price == 0
        assert output + tokens <= most_output + 1
        assert thinking < tokens <= request.max_tokens
