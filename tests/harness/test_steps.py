"""Choosing the next step: from events to a word, with nothing in between."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from agentctl.events.agent import AgentCustomToolUse, AgentThreadContextCompacted, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import (
    LocalInputProcessed,
    LocalLimitReached,
    LocalLimitsChanged,
    LocalModelResponse,
    LocalNudged,
    LocalStuckWarned,
    LocalToolStarted,
)
from agentctl.events.session import (
    SessionError,
    SessionStatusIdle,
    SessionStatusRescheduled,
    SessionStatusRunning,
)
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import SystemMessage, UserInterrupt, UserMessage, UserToolConfirmation
from agentctl.harness.outlook import Outlook
from agentctl.harness.steps import (
    INTERRUPTED,
    AnswerCalls,
    AskModel,
    CloseRequest,
    ComeToRest,
    Compact,
    GiveUp,
    RecoverCalls,
    Resting,
    RunTools,
    Step,
    StopAtLimit,
    TakeInput,
    Wait,
    Warn,
    has_work,
    next_step,
)
from agentctl.model.request import RequestHeader
from agentctl.policy.budget import Limits
from agentctl.policy.context import ContextRules
from agentctl.session.state import OpenCall, SessionState

BEGAN = datetime(2026, 11, 20, 5, tzinfo=UTC)
NOW = "2026-11-20T05:00:00.000000Z"


def whole(events: tuple[Event, ...]) -> Iterator[Event]:
    """A request ends behind its answer, or its failure."""
    for event in events:
        yield event
        if isinstance(event, LocalModelResponse | SessionError):
            failed = isinstance(event, SessionError)
            yield SpanModelRequestEnd(
                id="sevt_e", processed_at=NOW, model_request_start_id="sevt_s", model_usage={}, is_error=failed
            )


def state(*events: Event) -> SessionState:
    folded = SessionState()
    for event in whole(events):
        folded = folded.after(event)
    return folded


ASK = AskModel(32_000)
HEADER = RequestHeader("claude-opus-5-5", 32_000, "s", ())


def step(
    *events: Event,
    after_seconds: float = 0,
    limits: Limits | None = None,
    rules: ContextRules = ContextRules(),  # noqa: B008 - frozen
) -> Step:
    outlook = Outlook(HEADER, HEADER.model, limits or Limits(), rules=rules)
    for event in whole(events):
        outlook = outlook.after(event)
    return next_step(state(*events), outlook, BEGAN + timedelta(seconds=after_seconds))


message = UserMessage(id="sevt_m", content=[text_block("go")])
running = SessionStatusRunning(id="sevt_run", processed_at=NOW)
taken = LocalInputProcessed(id="sevt_t", processed_at=NOW, event_ids=["sevt_m"])
asked = SpanModelRequestStart(id="sevt_s", processed_at=NOW)
begun = (message, running, taken)


def answered(stop_reason: str) -> LocalModelResponse:
    return LocalModelResponse(
        id="sevt_a",
        processed_at=NOW,
        model_request_start_id="sevt_s",
        model="m",
        raw=f'{{"stop_reason": "{stop_reason}", "stop_details": {{"category": "bio"}}}}',
        tool_uses=[],
    )


def call(name: str = "c", permission: str = "allow") -> AgentToolUse:
    return AgentToolUse(
        id=name,
        processed_at=NOW,
        name="bash",
        input={},
        evaluated_permission=permission,  # type: ignore[arg-type]
    )


def result(name: str = "c") -> AgentToolResult:
    return AgentToolResult(id="r" + name, processed_at=NOW, tool_use_id=name, content=[])


def test_a_message_is_taken_up_then_the_model_is_asked_then_the_session_rests() -> None:
    assert step(message, running) == TakeInput(("sevt_m",))
    assert step(*begun) == ASK
    assert step(*begun, asked, answered("end_turn")) == ComeToRest({"type": "end_turn"})


def test_a_session_at_rest_stays_at_rest_and_knows_whether_it_could_go_on() -> None:
    idle = SessionStatusIdle(id="sevt_i", processed_at=NOW, stop_reason={"type": "end_turn"})
    assert step(message) == Resting()
    assert has_work(state(message))
    assert not has_work(state(*begun, asked, answered("end_turn"), idle))


def test_calls_that_are_allowed_run_together_and_the_model_is_asked_when_all_have_results() -> None:
    events = (*begun, asked, answered("tool_use"), call("a"), call("b"))
    chosen = step(*events)
    assert isinstance(chosen, RunTools)
    assert [c.id for c in chosen.calls] == ["a", "b"]
    assert step(*events, result("a"), result("b")) == ASK


def test_a_call_that_was_begun_and_has_no_result_is_asked_after_not_run() -> None:
    began = LocalToolStarted(id="x", processed_at=NOW, tool_use_ids=["a"])
    chosen = step(*begun, answered("tool_use"), call("a"), call("b"), began)
    assert isinstance(chosen, RecoverCalls)
    assert [c.id for c in chosen.calls] == ["a"]


def test_a_request_that_nobody_waits_for_any_more_is_closed_first() -> None:
    assert step(*begun, asked) == CloseRequest("sevt_s")


def test_an_interruption_answers_every_open_call_and_rests() -> None:
    interrupt = UserInterrupt(id="i", processed_at=NOW)
    chosen = step(*begun, answered("tool_use"), call("a"), call("b", "ask"), interrupt)
    assert isinstance(chosen, AnswerCalls)
    assert [(c.id, text) for c, text in chosen.answers] == [("a", INTERRUPTED), ("b", INTERRUPTED)]
    after = (*begun, answered("tool_use"), call("a"), interrupt, result("a"))
    assert step(*after) == ComeToRest({"type": "end_turn"})
    assert state(message, interrupt).interrupted is False  # nothing to interrupt


def test_a_call_that_asks_waits_while_the_others_run() -> None:
    events = (*begun, answered("tool_use"), call("a", "ask"), call("b"))
    chosen = step(*events)
    assert isinstance(chosen, RunTools)
    assert [c.id for c in chosen.calls] == ["b"]
    assert step(*events, result("b")) == ComeToRest({"type": "requires_action", "event_ids": ["a"]})


def test_an_answer_of_a_person_runs_the_call_or_refuses_it_with_the_reason() -> None:
    events = (*begun, answered("tool_use"), call("a", "ask"))
    yes = UserToolConfirmation(id="y", processed_at=NOW, tool_use_id="a", result="allow")
    no = UserToolConfirmation(id="n", processed_at=NOW, tool_use_id="a", result="deny", deny_message="not on Friday")
    assert isinstance(step(*events, yes), RunTools)
    chosen = step(*events, no)
    assert isinstance(chosen, AnswerCalls)
    assert "not on Friday" in chosen.answers[0][1]


def test_an_answer_counts_only_for_the_very_call_that_was_shown() -> None:
    events = (*begun, answered("tool_use"), call("a", "ask"))
    (waiting,) = state(*events).calls
    yes = UserToolConfirmation(
        id="y", processed_at=NOW, tool_use_id="a", result="allow", extra={"local": {"fingerprint": waiting.fingerprint}}
    )
    other = replace(yes, extra={"local": {"fingerprint": replace(waiting, input={"command": "rm -rf /"}).fingerprint}})
    assert isinstance(step(*events, yes), RunTools)
    assert step(*events, other) == ComeToRest({"type": "requires_action", "event_ids": ["a"]})


def test_a_fingerprint_does_not_depend_on_the_order_of_the_arguments() -> None:
    one = OpenCall("a", "bash", {"command": "ls", "timeout_ms": 5}, "ask")
    assert one.fingerprint == replace(one, input={"timeout_ms": 5, "command": "ls"}).fingerprint
    for other in (replace(one, id="b"), replace(one, name="write"), replace(one, input={"command": "ls"})):
        assert other.fingerprint != one.fingerprint


def test_the_first_answer_to_a_call_stands() -> None:
    yes = UserToolConfirmation(id="y", processed_at=NOW, tool_use_id="a", result="allow")
    no = UserToolConfirmation(id="n", processed_at=NOW, tool_use_id="a", result="deny")
    assert isinstance(step(*begun, answered("tool_use"), call("a", "ask"), no, yes), AnswerCalls)


def test_a_custom_call_waits_for_whoever_runs_the_session() -> None:
    custom = AgentCustomToolUse(id="a", processed_at=NOW, name="lookup", input={})
    assert step(*begun, answered("tool_use"), custom) == ComeToRest({"type": "requires_action", "event_ids": ["a"]})


def test_a_paused_turn_is_sent_again_and_a_refusal_rests_with_its_details() -> None:
    assert step(*begun, asked, answered("pause_turn")) == ASK
    assert step(*begun, asked, answered("refusal")) == ComeToRest({"type": "refusal"}, {"category": "bio"})


def test_a_failure_rests_and_is_forgotten_when_the_session_is_taken_up_again() -> None:
    failed = SessionError(id="e", processed_at=NOW, error={"type": "x", "retry_status": {"type": "exhausted"}})
    idle = SessionStatusIdle(id="i", processed_at=NOW, stop_reason={"type": "retries_exhausted"})
    assert step(*begun, asked, failed) == ComeToRest({"type": "retries_exhausted"})
    assert step(*begun, asked, failed, idle) == Resting()
    assert has_work(state(*begun, asked, failed, idle))
    assert step(*begun, asked, failed, idle, running) == ASK


def test_an_error_that_is_being_retried_does_not_end_the_turn() -> None:
    retrying = SessionError(id="e", processed_at=NOW, error={"type": "x", "retry_status": {"type": "retrying"}})
    assert step(*begun, retrying) == ASK


def limit(chosen: Step) -> str | None:
    return chosen.reached.limit if isinstance(chosen, StopAtLimit) else None


def test_limits_are_checked_before_each_request() -> None:
    one, minute, cent = Limits(max_turns=1), Limits(timeout_seconds=60), Limits(max_cost=Decimal("0.01"))
    assert step(*begun, limits=one) == ASK
    after_one = (*begun, asked, answered("tool_use"), call("a"), result("a"))
    assert limit(step(*after_one, limits=one)) == "max_turns"
    assert step(*begun, after_seconds=59, limits=minute) == ASK
    assert limit(step(*begun, after_seconds=61, limits=minute)) == "timeout"
    shortened = step(*begun, limits=cent)  # the answer is kept shorter instead
    assert isinstance(shortened, AskModel)
    assert shortened.max_tokens < 500
    spent = {"model": "claude-opus-5-5", "stop_reason": "pause_turn", "usage": {"output_tokens": 490}}
    assert limit(step(*begun, asked, replace(answered("x"), raw=json.dumps(spent)), limits=cent)) == "max_cost"
    met = LocalLimitReached(id="l", processed_at=NOW, limit="timeout", allowed=60, used=61)
    assert step(*begun, met, limits=minute) == ComeToRest({"type": "budget_reached"})


def test_a_limit_that_was_raised_lets_the_session_go_on() -> None:
    after_one = (*begun, asked, answered("tool_use"), call("a"), result("a"))
    raised = LocalLimitsChanged(id="l", processed_at=NOW, limits={"max_turns": 2})
    assert limit(step(*after_one, limits=Limits(max_turns=1))) == "max_turns"
    assert step(*after_one, raised, limits=Limits(max_turns=1)) == ASK


def test_a_circle_is_told_to_the_model_once_and_then_ends_the_turn() -> None:
    def circle(*names: str) -> list[Event]:
        said = AgentToolResult(id="", processed_at=NOW, tool_use_id="", content=[text_block("the same")])
        return [
            event
            for name in names
            for event in (
                asked,
                answered("tool_use"),
                call(name),
                replace(said, id="r" + name, tool_use_id=name),
            )
        ]

    warned = step(*begun, *circle("a", "b", "c", "d"))
    assert isinstance(warned, Warn)
    told = LocalStuckWarned(
        id="w", processed_at=NOW, reason=warned.stuck.reason, line="l", advice="do something else", role="system"
    )
    assert step(*begun, *circle("a", "b", "c", "d"), told) == ASK
    given_up = step(*begun, *circle("a", "b", "c", "d"), told, *circle("e", "f", "g", "h"))
    assert isinstance(given_up, GiveUp)
    assert given_up.stuck.final


def test_a_wait_for_the_api_is_a_step_of_its_own_and_ends_where_it_began() -> None:
    failed = SpanModelRequestEnd(id="e", processed_at=NOW, model_request_start_id="s", model_usage={}, is_error=True)
    waits = SessionStatusRescheduled(
        id="w", processed_at=NOW, local={"retry_at": "2026-11-20T05:00:02Z", "wait_seconds": 2.0}
    )
    assert step(*begun, asked, failed, waits) == Wait("2026-11-20T05:00:02Z")
    again = state(*begun, asked, failed, waits, running)
    assert (again.attempts, again.waited, again.status) == (1, 2.0, "running")
    assert step(*begun, asked, failed, waits, running) == ASK


# --- long conversations ---


def counted(tokens: int) -> SpanModelRequestEnd:
    usage = {"input_tokens": tokens, "output_tokens": 0}
    return SpanModelRequestEnd(id="e", processed_at=NOW, model_request_start_id="sevt_s", model_usage=usage)


LONG: tuple[Event, ...] = (*begun, asked, answered("tool_use"), counted(800_000), call("a"), result("a"))


def test_a_long_conversation_is_summarised_before_the_next_request() -> None:
    assert step(*LONG) == Compact(32_000)
    assert step(*begun, asked, answered("tool_use"), counted(700_000), call("a"), result("a")) == ASK
    assert step(*LONG, rules=ContextRules(compact_at=0.9)) == ASK
    assert step(*LONG, AgentThreadContextCompacted(id="k", processed_at=NOW)) == ASK
    assert limit(step(*LONG, limits=Limits(max_turns=1))) == "max_turns"


def test_it_is_never_summarised_with_a_call_open_or_in_the_middle_of_an_answer() -> None:
    assert step(*LONG[:-1]) == RunTools(state(*LONG).calls or state(*LONG[:-1]).calls)
    assert step(*begun, asked, answered("pause_turn"), counted(900_000)) == ASK


def test_what_a_person_says_is_taken_up_behind_the_summary_and_not_counted_to_the_turn_before() -> None:
    rests = SessionStatusIdle(id="i", processed_at=NOW, stop_reason={"type": "end_turn"})
    done = (*begun, asked, answered("end_turn"), counted(850_000), rests)
    said = (replace(message, id="sevt_m2"), running)
    assert step(*done, *said) == Compact(32_000)
    assert step(*done, *said, limits=Limits(max_turns=1)) == Compact(32_000)
    compacted = AgentThreadContextCompacted(id="k", processed_at=NOW)
    assert step(*done, *said, compacted) == TakeInput(("sevt_m2",))


def test_a_model_that_is_asked_to_go_on_is_asked() -> None:
    nudged = LocalNudged(id="n", processed_at=NOW, reason="max_tokens", text="Continue.")
    assert step(*begun, asked, answered("max_tokens")) == ComeToRest({"type": "end_turn"})
    assert step(*begun, asked, answered("max_tokens"), nudged) == ASK


def test_a_word_of_the_operator_is_taken_up_with_the_message() -> None:
    word = SystemMessage(id="sevt_o", content=[text_block("in French")])
    assert step(message, word, running) == TakeInput(("sevt_m", "sevt_o"))
