"""Requests: what is in them, what never is, and that they stay what they were."""

import json

import pytest

from agentctl.canonical import exact_json
from agentctl.errors import UsageError
from agentctl.model.request import RequestHeader, build_request, header_for
from tests.api_rules import MODELS, check_body
from tests.model.kit import BASH, user


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_accepts_the_request_that_is_made_for_it(model: str) -> None:
    for effort in (None, *MODELS[model].efforts):
        request = build_request(header_for(model, system="s", tools=[BASH], effort=effort), [user("go")])
        body = {**request.body, "stream": True}
        assert list(check_body(body, list(request.betas))) == []


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-opus-5", "claude-opus-4-8"])
def test_fast_mode_names_its_beta_only_where_it_is_needed(model: str) -> None:
    request = build_request(header_for(model, system=None, tools=[], speed="fast"), [user("go")])
    assert list(check_body({**request.body, "stream": True}, list(request.betas))) == []
    assert bool(request.betas) == (model != "claude-opus-5-5")
    assert header_for(model, system=None, tools=[]).betas == ()


def test_the_whole_body() -> None:
    header = header_for(
        "claude-opus-5-5", system="Be brief.", tools=[BASH], effort="max", speed="fast", inference_geo="us"
    )
    assert build_request(header, [user("go")]).body == {
        "model": "claude-opus-5-5",
        "max_tokens": 64_000,
        "system": "Be brief.",
        "tools": [BASH],
        "messages": [user("go")],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "max"},
        "cache_control": {"type": "ephemeral"},
        "speed": "fast",
        "inference_geo": "us",
    }


@pytest.mark.parametrize("system", [None, "", " \n"])
def test_nothing_empty_is_sent(system: str | None) -> None:
    body = build_request(header_for("claude-opus-5-5", system=system, tools=[]), [user("go")]).body
    assert set(body) == {"model", "max_tokens", "messages", "thinking", "cache_control"}


def test_equal_arguments_give_equal_bytes_also_after_the_head_was_stored() -> None:
    header = header_for("claude-opus-5", system="s", tools=[BASH], effort="low", speed="fast")
    stored = RequestHeader.from_json(json.loads(json.dumps(header.as_json())))
    assert stored == header
    first, second = (build_request(each, [user("go")]) for each in (header, stored))
    assert exact_json(first.body) == exact_json(second.body)
    assert first.betas == second.betas


def test_a_request_does_not_change_with_the_conversation_it_was_made_of() -> None:
    messages = [user("go")]
    request = build_request(header_for("claude-opus-5-5", system=None, tools=[]), messages)
    messages.append(user("more"))
    assert request.body["messages"] == [user("go")]


def test_a_model_nobody_has_heard_of_is_asked_as_current_ones_want_it() -> None:
    header = header_for("claude-opus-9", system=None, tools=[], effort="max", speed="fast")
    assert header.thinking == {"type": "adaptive", "display": "summarized"}
    assert (header.max_tokens, header.effort, header.speed) == (64_000, "max", "fast")
    assert header_for("claude-opus-9", system=None, tools=[]).max_tokens == 32_000


def test_thinking_of_an_old_model_has_a_budget_below_its_tokens() -> None:
    header = header_for("claude-haiku-4-5", system=None, tools=[])
    assert header.thinking is not None
    assert 1024 <= header.thinking["budget_tokens"] < header.max_tokens


@pytest.mark.parametrize(
    ("model", "effort"),
    [("claude-haiku-4-5", "low"), ("claude-opus-4-6", "xhigh"), ("claude-opus-5-5", "huge"), ("x", "huge")],
)
def test_an_effort_that_is_not_offered_is_refused(model: str, effort: str) -> None:
    with pytest.raises(UsageError) as caught:
        header_for(model, system=None, tools=[], effort=effort)
    assert model in caught.value.message
    assert effort in caught.value.message


def test_a_refusal_names_the_levels_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        header_for("claude-opus-4-6", system=None, tools=[], effort="xhigh")
    assert caught.value.hint == "it offers: low, medium, high, max"


@pytest.mark.parametrize("speed", ["fast", "turbo"])
def test_a_speed_that_is_not_offered_is_refused(speed: str) -> None:
    with pytest.raises(UsageError):
        header_for("claude-sonnet-5-5", system=None, tools=[], speed=speed)


def test_standard_speed_is_what_leaving_it_out_means() -> None:
    assert header_for("claude-sonnet-5-5", system=None, tools=[], speed="standard").speed is None
