"""Transcripts of Claude Code: sub-agents, queues, interruptions, turns, and what belongs to no event."""

import json
from decimal import Decimal
from typing import Any

import pytest

from agentctl.canonical import JsonObject
from agentctl.checks.definition import Limits
from agentctl.checks.sums import Sums, limits_of
from agentctl.events.agent import AgentMessage, AgentToolResult, AgentToolUse
from agentctl.events.codec import encode
from agentctl.events.content import text_of
from agentctl.events.local import LocalImported, LocalModelResponse, LocalSessionCreated
from agentctl.events.session import SessionStatusIdle, SessionUsage
from agentctl.events.span import SpanModelRequestEnd
from agentctl.events.user import UserMessage
from agentctl.session.completeness import Completeness
from agentctl.session.log import Record
from tests.exchange.lines import UUID, about, among, assistant, claude, course, result, sums, told, use

PICTURE = {"type": "image", "source": {"type": "base64", "data": "", "media_type": "image/png"}}
HAIKU = "claude-haiku-4-5"
RUNNING, IDLE = "session.status_running", "session.status_idle"
SAID, CALL, RESULT = "agent.message", "agent.tool_use", "agent.tool_result"


def asked(second: int, words: Any = "Go on", **more: Any) -> JsonObject:
    return claude("user", second, {"role": "user", "content": words}, **more)


def answer(second: int, number: int, words: str) -> JsonObject:
    return assistant(second, number, {"type": "text", "text": words}, 1)


def of_subagent(line: JsonObject, **more: Any) -> JsonObject:
    return {**line, "isSidechain": True, "uuid": f"side-{line['uuid']}", **more}


def lacking(events: list[Any]) -> dict[str, list[str]]:
    completeness = Completeness()
    for number, event in enumerate(events, start=1):
        completeness.add(Record(number, event, ""))
    return {aspect.name: [gap.reason for gap in aspect.gaps] for aspect in completeness.aspects(under_way=False)}


def test_what_sub_agents_took_between_the_lines_counts_and_stays_out_of_the_conversation() -> None:
    inside = of_subagent(assistant(3, 7, use("Grep", "toolu_9", pattern="x"), 50))
    inside["message"]["model"] = HAIKU
    twice = {**of_subagent(assistant(4, 7, {"type": "text", "text": "found"}, 70)), "uuid": "side-more"}
    twice["message"]["model"] = HAIKU
    twice["message"]["usage"]["cache_creation"] = {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0}
    lines = [
        asked(1),
        assistant(2, 1, use("Task", "toolu_1", prompt="look"), 5),
        of_subagent(asked(2, "look")),
        inside,
        twice,
        claude("user", 6, result("toolu_1", "found")),
        answer(7, 2, "Done."),
    ]
    events = told(lines)
    assert course(events) == ["user.message", RUNNING, CALL, RESULT, SAID, IDLE]
    usage = sums(events)
    assert (usage.requests, usage.output_tokens) == (3, 5 + 70 + 1)
    haiku = Decimal(10 * 1 + 90) / 1_000_000 + Decimal(70 * 5) / 1_000_000 - Decimal(90) * Decimal("0.9") / 1_000_000
    opus = 2 * (Decimal(10 * 5) + Decimal(90) / 2) / 1_000_000 + Decimal(6 * 25) / 1_000_000
    assert usage.cost == haiku + opus
    (aside,) = [event for event in among(SpanModelRequestEnd, events) if "line" in event.extra.get("local", {})]
    assert aside.extra["local"] == {"model": HAIKU, "line": 5}
    kept = {event.line: event.body for event in among(LocalImported, events)}
    assert kept[4] == inside
    assert kept[5] == twice
    assert any("kept as 3 lines and counted" in gap for gap in about(events)["gaps"])
    assert not any("bytes" in reason for reason in lacking(events)["model"])


def test_a_file_of_a_sub_agent_is_a_session_of_its_own() -> None:
    name = {"agentId": "a881341", "slug": "modular"}
    lines = [of_subagent(line, **name) for line in (asked(1, "Look"), answer(2, 1, "Here."))]
    events = told(lines, "agent-a881341.jsonl")
    assert course(events) == ["user.message", RUNNING, SAID, IDLE]
    (created,) = among(LocalSessionCreated, events)
    assert created.session_id == f"claude-code-a881341-{UUID}"
    assert about(events)["subagent_of"] == UUID
    assert sums(events).requests == 1


def test_sub_agents_with_files_of_their_own_are_missed() -> None:
    lines = [
        asked(1),
        assistant(2, 1, use("Agent", "toolu_1", prompt="look"), 5),
        claude("user", 6, result("toolu_1", "found"), toolUseResult={"agentId": "a1b2c3", "totalTokens": 900}),
    ]
    assert "what a sub-agent did, and what it cost, is in files of its own" in lacking(told(lines))["model"]


def test_an_answer_that_was_noted_before_it_was_whole_may_have_cost_more() -> None:
    whole = answer(4, 2, "All of it.")
    whole["message"]["stop_reason"] = "end_turn"
    events = told([asked(1), answer(2, 1, "Half"), whole])
    (reason,) = [reason for reason in lacking(events)["model"] if "whole" in reason]
    assert reason.startswith("of 2 answers 1 were noted before they were whole")
    assert not any("whole" in gap for gap in about(told([asked(1), whole])).get("gaps", []))


def limited(lines: list[JsonObject]) -> list[str]:
    """Return how limits on cost, turns and tokens stand, the last of which is passed."""
    found = Sums()
    limits = limits_of(Limits.model_validate({"cost": "1", "turns": 5, "output_tokens": 0}), found)
    for number, event in enumerate(told(lines), start=1):
        found.add(Record(number, event, ""))
        for limit in limits:
            limit.add(Record(number, event, ""))
    return [limit.verdict().status for limit in limits]


def test_a_limit_that_is_kept_by_what_is_said_is_unknown_where_more_may_have_been_used() -> None:
    whole = answer(2, 1, "All of it.")
    whole["message"]["stop_reason"] = "end_turn"
    elsewhere = claude("user", 3, result("t1", "found"), toolUseResult={"agentId": "a1b2c3"})
    assert limited([asked(1), whole]) == ["pass", "pass", "fail"]
    assert limited([asked(1), answer(2, 1, "Half")]) == ["unknown", "pass", "fail"]
    assert limited([asked(1), whole, elsewhere]) == ["unknown", "pass", "fail"]


def test_what_was_queued_goes_into_the_turn_that_runs() -> None:
    queued = {
        "type": "attachment", "uuid": "q1", "sessionId": UUID, "isSidechain": False,
        "timestamp": "2026-05-26T07:27:04.000Z",
        "attachment": {"type": "queued_command", "prompt": "and the tests", "commandMode": "prompt"},
    }  # fmt: skip
    lines = [
        asked(1),
        assistant(2, 1, use("Bash", "toolu_1", command="ls"), 5),
        claude("user", 3, result("toolu_1", "a")),
        {"type": "queue-operation", "operation": "enqueue", "content": "and the tests", "sessionId": UUID},
        queued,
        {**queued, "uuid": "q2", "attachment": {"type": "todo_reminder", "content": []}},
        answer(5, 2, "Done."),
        asked(50, [{"type": "text", "text": "Thanks"}]),
    ]
    events = told(lines)
    assert [text_of(event.content) for event in among(UserMessage, events)] == ["Go on", "and the tests", "Thanks"]
    assert course(events) == [
        "user.message", RUNNING, CALL, RESULT, "user.message", SAID, IDLE, "user.message", RUNNING, IDLE,
    ]  # fmt: skip
    assert sums(events).active_seconds == pytest.approx(4)


def test_a_turn_ends_where_it_is_interrupted_and_where_the_transcript_says_so() -> None:
    interrupted = [{"type": "text", "text": "[Request interrupted by user for tool use]"}]
    lines = [
        asked(1),
        assistant(2, 1, use("Bash", "toolu_1", command="ls"), 5),
        claude("user", 3, result("toolu_1", "The tool use was rejected", is_error=True)),
        asked(3, interrupted, uuid="stop"),
        {"type": "system", "subtype": "local_command", "timestamp": "2026-05-26T07:27:40.000Z", "content": "/model"},
        asked(50, "Again"),
        assistant(51, 2, use("Bash", "toolu_2", command="ls"), 5),
        claude("user", 52, result("toolu_2", "a")),
        {"type": "system", "subtype": "turn_duration", "durationMs": 2000, "timestamp": "2026-05-26T07:27:52.100Z"},
        asked(59, "continue"),
    ]
    events = told(lines)
    assert course(events) == [
        "user.message", RUNNING, CALL, RESULT, "user.interrupt", IDLE,
        "user.message", RUNNING, CALL, RESULT, IDLE, "user.message", RUNNING, IDLE,
    ]  # fmt: skip
    assert sums(events).active_seconds == pytest.approx(4)
    assert "[Request interrupted" in json.dumps([encode(event) for event in among(LocalImported, events)])


def test_a_session_that_ended_within_a_turn_did_not_come_to_rest() -> None:
    lines = [asked(1), assistant(2, 1, use("Bash", "t1", command="ls"), 5), claude("user", 3, result("t1", "a"))]
    assert course(told(lines))[-1] == RESULT
    assert course(told(lines[:2]))[-1] == CALL
    assert lacking(told(lines[:2]))["calls"] == ["the call has no result: the session was stopped before it"]
    assert course(told([*lines[:2], asked(30, "Still there?")]))[-3:] == ["user.message", RUNNING, IDLE]


def test_parallel_calls_of_one_answer_each_have_their_result_and_one_usage() -> None:
    lines = [
        asked(1),
        assistant(2, 1, use("Read", "t1", file_path="a"), 3),
        assistant(3, 1, use("Read", "t2", file_path="b"), 9),
        claude(
            "user", 4, result("t2", [{"type": "image", "source": {"type": "base64", "data": "", "media_type": "a"}}])
        ),
        claude("user", 5, result("t1", "no", is_error=True)),
        claude("user", 6, result("t0", "of no call")),
    ]
    events = told(lines)
    calls = {event.id: event.input["file_path"] for event in among(AgentToolUse, events)}
    results = among(AgentToolResult, events)
    assert [(calls[event.tool_use_id], event.is_error) for event in results] == [("b", None), ("a", True)]
    assert results[0].content[0]["type"] == "image"
    assert (sums(events).requests, sums(events).output_tokens) == (1, 9)
    assert "of no call" in json.dumps([event.body for event in among(LocalImported, events)])


def test_what_lines_have_in_common_is_kept_where_it_changes() -> None:
    lines = [asked(1, gitBranch="main"), answer(2, 1, "a"), {**answer(3, 2, "b"), "cwd": "/home/me/q"}]
    events = told(lines)
    kept = [event.body for event in among(LocalImported, events)]
    assert [body.get("cwd") for body in kept] == ["/home/me/p", None, "/home/me/q"]
    assert [body.get("uuid") for body in kept] == ["user-1", "assistant-2", "assistant-3"]
    assert [body["requestId"] for body in kept[1:]] == ["req_1", "req_2"]
    assert about(events)["git_branch"] == "main"
    (created,) = among(LocalSessionCreated, events)
    assert created.environment == {"name": "/home/me/p"}


def test_a_time_that_goes_back_is_kept_beside_the_one_that_the_event_has() -> None:
    events = told([asked(9), answer(5, 1, "early")])
    assert [event.processed_at for event in among(AgentMessage, events)] == ["2026-05-26T07:27:09.000000Z"]
    assert among(LocalImported, events)[1].body["timestamp"] == "2026-05-26T07:27:05.000Z"


def test_what_was_said_twice_in_a_file_is_told_once() -> None:
    lines = [asked(1), answer(2, 1, "a")]
    assert course(told([*lines, *lines])) == ["user.message", RUNNING, SAID, IDLE]
    assert sums(told([*lines, *lines])).requests == 1


def test_calls_with_the_same_id_in_two_answers_are_two_calls() -> None:
    lines = [
        asked(1),
        assistant(2, 1, use("Read", "t1", file_path="a"), 3),
        claude("user", 3, result("t1", "one")),
        assistant(4, 2, use("Read", "t1", file_path="a"), 3),
        claude("user", 5, result("t1", "two")),
    ]
    events = told(lines)
    ids = [event.id for event in among(AgentToolUse, events)]
    assert len(set(ids)) == 2
    assert [event.tool_use_id for event in among(AgentToolResult, events)] == ids


FAILED = {"role": "assistant", "model": "<synthetic>", "content": [{"type": "text", "text": "API Error: 529"}]}
NOTHING = {**FAILED, "content": [{"type": "text", "text": "No response requested."}]}


def test_a_failure_of_the_api_ends_the_turn_and_a_placeholder_is_none() -> None:
    events = told([asked(1), claude("assistant", 2, FAILED), asked(3), claude("assistant", 4, NOTHING)])
    assert course(events) == [
        "user.message", RUNNING, "session.error", IDLE, "user.message", RUNNING, IDLE,
    ]  # fmt: skip
    assert [event.stop_reason["type"] for event in among(SessionStatusIdle, events)] == [
        "retries_exhausted", "end_turn",
    ]  # fmt: skip


def test_titles_of_people_come_first_and_those_of_other_sessions_not_at_all() -> None:
    others = {"type": "summary", "summary": "Something else", "leafUuid": "elsewhere"}
    lines = [others, asked(1), answer(2, 1, "a")]

    def title(more: list[JsonObject]) -> str | None:
        return among(LocalSessionCreated, told([*more, *lines]))[0].title

    own: JsonObject = {"type": "summary", "summary": "Ours", "leafUuid": "assistant-2"}
    assert title([]) is None
    assert title([own]) == "Ours"
    assert (
        title([{"type": "custom-title", "customTitle": "Mine"}, {"type": "ai-title", "aiTitle": "Its"}, own]) == "Mine"
    )


def test_a_fork_is_named_as_its_file_and_not_as_what_it_was_forked_from() -> None:
    lines = [asked(1), {**answer(2, 1, "a"), "sessionId": "new"}, {**asked(3), "sessionId": "third"}]
    names = [among(LocalSessionCreated, told(lines, name))[0].session_id for name in ("new.jsonl", "-")]
    assert names == ["claude-code-new", "claude-code-third"]


def test_a_session_says_what_it_had_used_whenever_it_rests() -> None:
    events = told([asked(1), answer(2, 1, "a"), asked(10), answer(12, 2, "b")])
    usages = among(SessionUsage, events)
    assert [event.usage["output_tokens"] for event in usages] == [1, 2]
    assert [event.usage["active_seconds"] for event in usages] == [1.0, 3.0]
    assert [event.extra["local"]["requests"] for event in usages] == [1, 2]


def test_what_the_program_said_in_the_name_of_the_user_is_kept_and_what_calls_gave_counts() -> None:
    lines = [
        asked(1),
        assistant(2, 1, use("Skill", "t1", skill="x"), 3),
        claude("user", 3, result("t1", "Launching"), isMeta=True),
        asked(4, [{"type": "text", "text": "The words of the skill"}], isMeta=True, uuid="meta"),
        answer(5, 2, "Done."),
    ]
    events = told(lines)
    assert course(events) == ["user.message", RUNNING, CALL, RESULT, SAID, IDLE]
    assert lines[3] in [event.body for event in among(LocalImported, events)]


def test_compaction_is_told_and_its_summary_kept() -> None:
    boundary = {"type": "system", "subtype": "compact_boundary", "compactMetadata": {"trigger": "auto"}}
    lines = [asked(1), answer(2, 1, "a"), boundary, asked(3, "The summary", isCompactSummary=True), answer(4, 2, "b")]
    events = told(lines)
    assert course(events).count("agent.thread_context_compacted") == 1
    assert [text_of(event.content) for event in among(UserMessage, events)] == ["Go on"]
    assert "The summary" in json.dumps([event.body for event in among(LocalImported, events)])
    assert len(among(LocalModelResponse, events)) == 2
