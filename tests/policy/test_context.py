"""When the conversation is summarised."""

import re
from pathlib import Path

import pytest

from agentctl.definitions.agent import Agent, snapshot
from agentctl.definitions.load import load_agent
from agentctl.definitions.local import ClearToolResults
from agentctl.events.agent import AgentThreadContextCompacted
from agentctl.events.base import Event
from agentctl.events.local import (
    LocalCompactionFailed,
    LocalContextFull,
    LocalInputProcessed,
    LocalModelResponse,
)
from agentctl.policy.context import Context, ContextRules, window_of

USUAL = ContextRules()
PAGE = (Path(__file__).parents[2] / "docs" / "long-sessions.md").read_text()

answer = LocalModelResponse(id="a", model_request_start_id="s", model="m", raw="{}", tool_uses=[])
failed = LocalCompactionFailed(id="f", line="no")
full = LocalContextFull(id="x", line="full")
compacted = AgentThreadContextCompacted(id="c")
taken = LocalInputProcessed(id="t", event_ids=[])


def after(*events: Event) -> Context:
    found = Context()
    for event in events:
        found = found.after(event)
    return found


def wants(*events: Event, tokens: int = 0, window: int | None = 1_000, rules: ContextRules = USUAL) -> bool:
    return after(*events).wants_summary(rules, tokens, window)


def test_a_conversation_that_nears_the_window_is_summarised() -> None:
    assert not wants(answer, tokens=799)
    assert wants(answer, tokens=800)
    assert wants(answer, tokens=500, rules=ContextRules(compact_at=0.5))
    assert not wants(answer, tokens=900, rules=ContextRules(compact=False))
    assert not wants(answer, tokens=900, window=None)


def test_there_must_be_something_to_summarise() -> None:
    assert not wants(tokens=900)
    assert not wants(answer, compacted, tokens=900)
    assert wants(answer, compacted, answer, tokens=900)


def test_what_failed_is_tried_again_after_more_and_more_answers() -> None:
    told = [int(number) for number in re.findall(r"after (\d+) more answers, then after (\d+), (\d+)", PAGE)[0]]
    events: list[Event] = [answer]
    for number in told:
        events.append(failed)
        assert not wants(*events, *[answer] * (number - 1), tokens=900)
        events += [answer] * number
        assert wants(*events, tokens=900)
    assert wants(answer, failed, *[answer] * 8, compacted, answer, tokens=900)


def test_a_window_that_is_full_calls_for_one_summary_whatever_is_known_of_it() -> None:
    assert wants(answer, full, window=None)
    assert wants(answer, failed, full)
    assert not wants(answer, full, compacted)
    assert not wants(answer, full, failed)
    assert not wants(full)


def test_a_full_window_is_helped_once_until_there_is_an_answer_or_a_word() -> None:
    assert after(answer).can_be_shortened(USUAL)
    assert not after().can_be_shortened(USUAL)
    assert after().can_be_shortened(USUAL, answers=1)
    assert not after(answer, full, compacted).can_be_shortened(USUAL, answers=1)
    assert after(answer, full, compacted, answer).can_be_shortened(USUAL)
    assert after(answer, full, failed, taken).can_be_shortened(USUAL)
    assert not after(answer).can_be_shortened(ContextRules(compact=False))


def test_the_window_is_what_is_written_or_what_is_known() -> None:
    assert window_of("claude-opus-5-5", None) == 1_000_000
    assert window_of("claude-opus-5-5", 5_000) == 5_000
    assert window_of("claude-9", None) is None
    assert window_of("claude-9", 5_000) == 5_000


def test_the_usual_rules_are_those_of_the_definition_and_of_the_page() -> None:
    agent = Agent.model_validate({"name": "a", "model": "claude-opus-5-5"})
    assert ContextRules.from_json(snapshot(agent.local.context)) == USUAL
    assert f"From {USUAL.compact_at} of the model's context window" in PAGE
    usual = ClearToolResults()
    assert f"all results but the last {usual.keep} (`keep`)" in PAGE
    assert usual.at == 0.5
    assert "half the\ncontext window on (`at`)" in PAGE


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_example_loads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    assert load_agent(path).local.context.clear_tool_results is not None
