"""Transcripts of Codex CLI, from the bare ones of 2025 to the paginated ones of 2026."""

import json
from typing import Any

import pytest

from agentctl.canonical import JsonObject
from agentctl.events.agent import AgentMessage, AgentToolResult, AgentToolUse
from agentctl.events.codec import encode
from agentctl.events.content import text_of
from agentctl.events.local import LocalImported, LocalSessionCreated, LocalToolFacts
from agentctl.events.span import SpanModelRequestEnd
from agentctl.events.user import UserMessage
from tests.exchange.lines import UUID, about, among, codex, course, sums, told, words

RUNNING, IDLE = "session.status_running", "session.status_idle"
SAID, CALL, RESULT = "agent.message", "agent.tool_use", "agent.tool_result"
USED = {"input_tokens": 900, "cached_input_tokens": 400, "output_tokens": 40, "reasoning_output_tokens": 10}


def call(name: str, call_id: str, **arguments: Any) -> JsonObject:
    return {"type": "function_call", "name": name, "call_id": call_id, "arguments": json.dumps(arguments)}


def output(call_id: str, text: Any) -> JsonObject:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def item(second: int, payload: JsonObject, **beside: Any) -> JsonObject:
    return {**codex(second, "response_item", **payload), **beside}


def event(second: int, kind: str, **payload: Any) -> JsonObject:
    return codex(second, "event_msg", type=kind, **payload)


def results(events: list[Any]) -> list[tuple[str, bool | None, JsonObject]]:
    """Return what each call gave: its text, whether it failed, the facts."""
    facts = {fact.tool_use_id: fact.facts for fact in among(LocalToolFacts, events)}
    return [
        (text_of(each.content), each.is_error, facts.get(each.tool_use_id, {}))
        for each in among(AgentToolResult, events)
    ]


def said(events: list[Any]) -> list[str]:
    return [text_of(each.content) for each in among(UserMessage, events)]


BARE: list[JsonObject] = [
    {"id": UUID, "timestamp": "2025-08-20T13:20:47.060Z", "instructions": None, "git": {"branch": "main"}},
    {"record_type": "state"},
    words("user", "<environment_context>\n</environment_context>"),
    words("user", "list the files"),
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque"},
    call("shell", "c1", command=["ls"]),
    output("c1", json.dumps({"output": "README.md", "metadata": {"exit_code": 0, "duration_seconds": 0.1}})),
    words("assistant", "There is one."),
]


def test_a_transcript_of_the_time_before_the_envelope() -> None:
    for lines in (BARE, [BARE[0], *BARE[2:]]):
        events = told(lines)
        assert course(events) == ["user.message", RUNNING, CALL, RESULT, SAID, IDLE]
        (created,) = among(LocalSessionCreated, events)
        assert created.session_id == f"codex-{UUID}"
        assert created.processed_at == "2025-08-20T13:20:47.060000Z"
        assert about(events)["git_branch"] == "main"
        assert results(events) == [("README.md", None, {"exit_code": 0, "duration_seconds": 0.1})]
        assert "opaque" in json.dumps([encode(each) for each in among(LocalImported, events)])


def kinds(*names: str) -> JsonObject:
    return {"internal_chat_message_metadata_passthrough": {"turn_id": "t", "content_item_kinds": [*names]}}


ENDED = {
    "type": "CommandExecution", "id": "c1", "status": "failed", "exit_code": 1,
    "duration": {"secs": 2, "nanos": 500_000_000},
}  # fmt: skip
PAGED: list[JsonObject] = [
    codex(0, "session_meta", id=UUID, session_id="root", parent_thread_id="root", cwd="/srv/p", cli_version="0.150.0"),
    event(1, "task_started", turn_id="t", started_at=1790931601),
    codex(1, "turn_context", turn_id="t", cwd="/srv/p", model="gpt-5.5-codex"),
    item(1, {**words("user", "<odd_new_context/>"), **kinds("environments.environment_context")}, ordinal=4),
    item(1, {**words("user", "<b> run the tests"), **kinds("user.text")}, metadata={"client_authored": True}),
    item(3, call("exec_command", "c1", cmd="npm test"), ordinal=7),
    item(6, output("c1", "1 failing")),
    event(6, "item_completed", item=ENDED),
    item(8, {**words("assistant", "One fails."), "phase": "final_answer"}),
    codex(8, "token_usage_record", response_id="r1", usage=USED),
    event(8, "token_count", info={"total_token_usage": USED, "last_token_usage": USED}),
    event(9, "task_complete", turn_id="t", duration_ms=7200),
    codex(40, "world_state", full=True, state={}),
]  # fmt: skip


def test_a_paginated_transcript() -> None:
    events = told(PAGED)
    assert course(events) == ["user.message", RUNNING, CALL, RESULT, SAID, IDLE]
    assert said(events) == ["<b> run the tests"]
    assert results(events) == [("1 failing", True, {"exit_code": 1, "duration_seconds": 2.5})]
    usage = sums(events)
    assert (usage.requests, usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (2, 500, 400, 40)
    assert usage.active_seconds == pytest.approx(7)
    assert about(events)["subagent_of"] == "root"
    kept = {each.line: each.body for each in among(LocalImported, events)}
    assert kept[9] == {"payload": {"phase": "final_answer"}}
    assert kept[5]["metadata"] == {"client_authored": True}
    assert {1, 2, 3, 4, 8, 10, 11, 12, 13} <= kept.keys()
    assert kept[6] == {"payload": {"call_id": "c1"}}


def test_people_are_told_from_the_program_that_speaks_in_their_name() -> None:
    lines = [
        codex(0, "session_meta", id=UUID),
        item(1, words("user", "# AGENTS.md instructions for /p", "<new_kind_of_context/>")),
        item(1, words("user", "<new_kind_of_context/>")),
        item(1, words("user", "<image name=[Image #1]>", "what is this?")),
        event(1, "user_message", message="what is this?\n", images=[]),
        item(2, words("assistant", "A cat.")),
    ]
    events = told(lines)
    assert len(among(UserMessage, events)) == 1
    assert said(events)[0].endswith("what is this?")
    assert said(told([*lines[:4], *lines[5:]])) == ["<new_kind_of_context/>", said(events)[0]]
    hidden = [lines[0], item(1, words("user", "[taken out 1]")), event(1, "user_message", message="[taken out 2]")]
    assert said(told(hidden)) == ["[taken out 1]"]


FREEFORM = "Exit code: 2\nWall time: 0.7 seconds\nOutput:\nno such file"
UNIFIED = "Chunk ID: 5a1f\nWall time: 1.25 seconds\nProcess exited with code 0\nOriginal token count: 3\nOutput:\nok"
STILL = "Wall time: 10.0 seconds\nProcess running with session ID 7\nOutput:\n"
OUTPUTS: dict[str, tuple[Any, bool | None, JsonObject]] = {
    "freeform": (FREEFORM, True, {"exit_code": 2, "duration_seconds": 0.7}),
    "unified": (UNIFIED, None, {"exit_code": 0, "duration_seconds": 1.25}),
    "still running": (STILL, None, {"duration_seconds": 10.0}),
    "words of the command itself": ("It says:\n" + FREEFORM, None, {}),
    "a number that is none": (UNIFIED.replace("1.25", "1.2.5"), None, {"exit_code": 0}),
    "parts": ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], None, {}),
    "nothing": (None, None, {}),
    "refused": ({"content": "no", "success": False}, True, {}),
}


@pytest.mark.parametrize("how", OUTPUTS)
def test_exit_codes_and_durations_are_read_wherever_a_version_writes_them(how: str) -> None:
    given, is_error, facts = OUTPUTS[how]
    lines = [codex(0, "session_meta", id=UUID), item(1, call("exec", "c1", cmd="x")), item(2, output("c1", given))]
    ((text, failed, found),) = results(told(lines))
    assert (failed, found) == (is_error, facts)
    assert text == given or not isinstance(given, str)


def test_ends_that_the_display_tells_count_where_the_output_does_not_say() -> None:
    lines = [
        codex(0, "session_meta", id=UUID),
        item(1, call("mcp__x__y", "c1")),
        item(1, call("exec", "c2")),
        item(2, output("c1", "oh")),
        item(2, output("c2", "ah")),
        event(2, "mcp_tool_call_end", call_id="c1", duration={"secs": 1, "nanos": 0}, result={"Ok": {"isError": True}}),
        event(2, "exec_command_end", call_id="c2", exit_code=0, duration={"secs": 0, "nanos": 20_000_000}),
    ]
    assert results(told(lines)) == [
        ("oh", True, {"duration_seconds": 1.0}),
        ("ah", None, {"exit_code": 0, "duration_seconds": 0.02}),
    ]


def test_calls_that_the_provider_served_have_a_result_that_nobody_knows() -> None:
    search = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "agentctl"}}
    lines = [
        codex(0, "session_meta", id=UUID),
        item(1, words("user", "find it")),
        item(2, search),
        item(2, {"type": "web_search_call", "status": "failed"}),
        item(3, words("assistant", "Found.")),
    ]
    events = told(lines)
    assert course(events) == ["user.message", RUNNING, CALL, CALL, SAID, RESULT, RESULT, IDLE]
    calls = among(AgentToolUse, events)
    assert [(each.name, each.input) for each in calls] == [("web_search", search["action"]), ("web_search", {})]
    assert results(events) == [("", None, {}), ("", True, {})]


def test_calls_of_all_kinds_are_calls() -> None:
    shell = {"type": "local_shell_call", "call_id": "c1", "action": {"type": "exec", "command": ["ls"]}}
    found = {"type": "tool_search_output", "call_id": "c3", "tools": [{"name": "a"}]}
    lines = [
        codex(0, "session_meta", id=UUID),
        item(1, shell),
        item(1, {**call("list", "c2", a=1), "namespace": "mcp__gmail"}),
        item(1, {"type": "tool_search_call", "call_id": "c3", "arguments": {"query": "mail"}}),
        item(1, {"type": "custom_tool_call", "call_id": "c4", "name": "exec", "input": "text(1)"}),
        item(2, output("c1", "a")),
        item(2, output("c2", "b")),
        item(2, found),
        item(2, {"type": "custom_tool_call_output", "call_id": "c4", "output": [{"type": "input_text", "text": "1"}]}),
    ]
    events = told(lines)
    assert [(each.name, each.input) for each in among(AgentToolUse, events)] == [
        ("local_shell", shell["action"]),
        ("mcp__gmail__list", {"a": 1}),
        ("tool_search", {"query": "mail"}),
        ("exec", {"input": "text(1)"}),
    ]
    assert [text for text, _, _ in results(events)] == ["a", "b", '{"name":"a"}', "1"]


def test_usage_without_an_answer_counts_with_its_model() -> None:
    lines = [
        codex(0, "session_meta", id=UUID),
        codex(0, "turn_context", model="gpt-5"),
        item(1, words("assistant", "a")),
        event(1, "token_count", info={"total_token_usage": {"input_tokens": 900}, "last_token_usage": USED}),
        event(1, "token_count", info={"total_token_usage": {"input_tokens": 900}, "last_token_usage": USED}),
        event(2, "token_count", info={"total_token_usage": {"input_tokens": 1800}, "last_token_usage": USED}),
        event(2, "token_count", info=None, rate_limits={}),
        codex(3, "turn_context", model="gpt-6"),
        item(4, words("assistant", "b")),
        event(4, "token_count", info={"total_token_usage": {"input_tokens": 2700}, "last_token_usage": USED}),
    ]
    events = told(lines)
    usage = sums(events)
    assert (usage.requests, usage.input_tokens, usage.output_tokens) == (3, 1500, 120)
    ends = among(SpanModelRequestEnd, events)
    assert [end.extra["local"] for end in ends] == [
        {"model": "gpt-5"},
        {"model": "gpt-5", "line": 6},
        {"model": "gpt-6"},
    ]


def test_turns_end_where_the_transcript_says_so() -> None:
    lines = [
        codex(0, "session_meta", id=UUID),
        item(1, words("user", "one")),
        item(2, call("exec", "c1")),
        event(3, "turn_aborted", reason="interrupted"),
        item(30, words("user", "two")),
        item(31, words("user", "and more")),
        item(32, words("assistant", "done")),
        event(33, "task_complete"),
        item(40, words("user", "three")),
        event(41, "turn_aborted", reason="budget_limited"),
        item(50, words("user", "four")),
        item(51, call("exec", "c2")),
    ]
    assert course(told(lines)) == [
        "user.message", RUNNING, CALL, "user.interrupt", IDLE,
        "user.message", RUNNING, "user.message", SAID, IDLE,
        "user.message", RUNNING, IDLE,
        "user.message", RUNNING, CALL,
    ]  # fmt: skip


def test_a_fork_is_named_by_its_own_header() -> None:
    own = {"id": "child", "forked_from_id": "parent", "cwd": "/a", "cli_version": "0.104.0", "git": {"branch": "x"}}
    former = codex(0, "session_meta", id="parent", cwd="/b", cli_version="0.9")
    events = told([codex(0, "session_meta", **own), former, item(1, words("user", "hi"))])
    (created,) = among(LocalSessionCreated, events)
    assert (created.session_id, created.environment) == ("codex-child", {"name": "/a"})
    assert {name: about(events)[name] for name in ("version", "git_branch", "forked_from")} == {
        "version": "0.104.0", "git_branch": "x", "forked_from": "parent",
    }  # fmt: skip
    assert [each.line for each in among(LocalImported, events)] == [1, 2]
    assert not among(AgentMessage, events)
