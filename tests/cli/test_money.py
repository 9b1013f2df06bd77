"""What a session is said to have cost: prices of one's own, and requests whose answer never came."""

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agentctl.catalog import list_cost
from tests.cli.program import Outcome, agentctl, begin
from tests.loopback_api import Break, LoopbackApi, call, refuse, say

Json = dict[str, Any]

OPUS = "claude-opus-5-5"
WORK = call("bash", {"command": "echo work"})


@pytest.fixture
def agent(tmp_path: Path) -> Callable[..., Path]:
    def agent(model: str = OPUS) -> Path:
        path = tmp_path / "agent.yaml"
        path.write_text(f"name: tester\nmodel: {model}\ntools: [{{type: agent_toolset_20260401}}]\n")
        return path

    return agent


def environ(api: LoopbackApi) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": api.key}


def run(api: LoopbackApi, agent: Path, *more: str) -> Outcome:
    return agentctl("run", agent, "go", "--session", "money", "--sandbox", "none", "-o", "jsonl", *more, **environ(api))


def cost(done: Outcome) -> Decimal:
    return Decimal(done.json["cost"]["amount"])


def billed(api: LoopbackApi) -> Decimal:
    costs = [list_cost(OPUS, usage) for usage in api.billed]
    assert None not in costs
    return sum(filter(None, costs), Decimal(0))


def reserved(lines: list[Json]) -> list[Decimal]:
    starts = [line for line in lines if line["type"] == "span.model_request_start"]
    return [Decimal(line["local"]["reserved"]) for line in starts]


# --- prices of one's own ---


def test_a_session_counts_with_the_prices_it_began_with(agent: Callable[..., Path], own_home: Path) -> None:
    own_home.mkdir()
    prices = own_home / "prices.yaml"
    prices.write_text(f'{OPUS}: {{input: "100", output: "0"}}\nother: {{input: "1", output: "1"}}\n')
    with LoopbackApi([say("First."), say("Second.")]) as api:
        first = run(api, agent())
        assert first.code == 0, first.err
        row = {"input": "100", "output": "0", "cache_write_5m": "125", "cache_write_1h": "200", "cache_read": "10"}
        assert {name: Decimal(price) for name, price in first.lines[0]["prices"][OPUS].items()} == {
            name: Decimal(price) for name, price in row.items()
        }
        assert list(first.lines[0]["prices"]) == [OPUS]
        usage = api.billed[0]
        read = usage["input_tokens"] * 100 + usage["cache_creation_input_tokens"] * 125
        assert cost(first) == Decimal(read + usage["cache_read_input_tokens"] * 10) / 1_000_000
        prices.unlink()
        second = agentctl("send", "money", "more", "-o", "json", **environ(api))
        assert cost(second) > cost(first)
        assert cost(second) - cost(first) > billed(api)  # by the catalog, both answers cost less than one by the row
    shown = agentctl("show", "money", "-o", "json").json
    assert shown["result"]["cost"] == second.json["cost"]
    assert shown["prices"] == first.lines[0]["prices"]


def test_a_limit_on_money_needs_a_price_and_the_refusal_names_the_file_for_it(
    agent: Callable[..., Path], own_home: Path
) -> None:
    with LoopbackApi([say("Done.")], strict=False) as api:
        refused = run(api, agent("house/model"), "--max-cost", "1")
        assert refused.code == 2
        assert str(own_home / "prices.yaml") in refused.err
        assert not api.requests
        own_home.mkdir(exist_ok=True)
        (own_home / "prices.yaml").write_text('house/model: {input: "2", output: "10"}\n')
        done = run(api, agent("house/model"), "--max-cost", "1")
        assert done.code == 0, done.err
        assert cost(done) > 0


def test_a_file_of_prices_that_is_wrong_is_one_placed_line_and_nothing_is_made(
    agent: Callable[..., Path], own_home: Path
) -> None:
    own_home.mkdir()
    (own_home / "prices.yaml").write_text('m: {input: "1", output: "2", cache_raed: "0"}\n')
    with LoopbackApi([]) as api:
        done = run(api, agent())
    assert done.code == 2
    assert "prices.yaml:1:30: m.cache_raed: is not a known key; did you mean cache_read?" in done.err
    assert not (own_home / "agentctl.db").exists()


# --- requests whose answer never came ---


def test_what_was_held_back_for_a_request_that_a_kill_cut_short_counts_as_spent(agent: Callable[..., Path]) -> None:
    slow = say("Never heard to its end.", breaks=[Break("stall", after=4)])  # H6
    with LoopbackApi([WORK, slow, say("Done.")]) as api:
        process = begin("run", agent(), "go", "--session", "money", "--sandbox", "none", "-o", "jsonl", **environ(api))
        while len(api.billed) < 2 and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.communicate()
        done = agentctl("resume", "money", "-o", "json", **environ(api))
        assert (done.code, done.json["text"]) == (0, "Done."), done.err
        assert api.violations == []
        assert api.requests[2].raw == api.requests[1].raw
        lines = agentctl("events", "money", "-o", "jsonl").lines
        kept = reserved(lines)[1]
        assert kept > Decimal("0.64")  # an answer of 32,000 tokens at 20 dollars a million
        answered = sum((list_cost(OPUS, usage) or 0 for usage in (api.billed[0], api.billed[2])), Decimal(0))
        assert cost(done) == answered + kept
        assert cost(done) >= billed(api)
    shown = agentctl("show", "money", COLUMNS="200")
    assert f"${kept:.4f} of it for answers that never came" in shown.out
    assert agentctl("show", "money", "-o", "json").json["unsettled"]["amount"] == str(kept)
    assert next(line["local"]["unsettled"] for line in lines[::-1] if line["type"] == "session.usage") == str(kept)


def test_what_the_api_refused_costs_nothing(agent: Callable[..., Path]) -> None:
    with LoopbackApi([refuse(529, "overloaded_error"), say("Done.")]) as api:
        done = run(api, agent())
        assert done.code == 0, done.err
        assert len(reserved(done.lines)) == 2
        assert cost(done) == list_cost(OPUS, api.billed[-1])


def test_what_a_cut_answer_may_have_cost_counts_towards_the_limit(agent: Callable[..., Path]) -> None:
    cut = say("x", breaks=[Break("fin", after=4)])
    with LoopbackApi([cut, cut, cut, cut, say("Done.")]) as api:
        done = run(api, agent(), "--max-cost", "0.9")
        assert done.code == 4, done.err
        assert billed(api) < cost(done) <= Decimal("0.9")
        assert len(api.requests) == 2


# --- a server that says when to come back ---


def test_a_wait_that_nobody_would_sit_through_is_named_and_not_made(agent: Callable[..., Path]) -> None:  # M1
    with LoopbackApi([refuse(429, "rate_limit_error", "slow down", {"retry-after": "99999"})]) as api:
        done = agentctl("run", agent(), "go", "--session", "money", "--sandbox", "none", "-q", **environ(api))
        assert done.code == 6
        assert len(api.requests) == 1
    (error,) = [line["error"] for line in agentctl("events", "money", "-o", "jsonl").lines if "error" in line]
    moment = error["local"]["resume_at"]
    assert f"until {moment[:10]} {moment[11:19]} UTC" in error["message"]
    assert error["message"] in done.err
    assert error["retry_status"] == {"type": "exhausted"}
