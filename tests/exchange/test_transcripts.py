"""Transcripts of other programs: read as far as they map, the rest kept, and never gone on with."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from agentctl.canonical import JsonObject
from agentctl.errors import UsageError
from agentctl.events.agent import AgentMessage, AgentToolResult, AgentToolUse
from agentctl.events.codec import encode, type_of
from agentctl.events.content import text_of
from agentctl.events.local import LocalImported, LocalModelResponse, LocalSessionCreated, LocalToolFacts
from agentctl.events.user import UserMessage
from agentctl.paths import Home
from agentctl.session.fork import refuse_imported
from agentctl.session.glance import Glance
from agentctl.session.log import Record
from agentctl.session.tally import Tally
from tests.exchange.kit import everything, sent, taken_in
from tests.exchange.lines import (
    CLAUDE_CODE,
    CODEX,
    HOSTED,
    SAID,
    UUID,
    assistant,
    brought,
    claude,
    codex,
    hosted,
    jsonl,
    of,
    summed,
    told,
    words,
)
from tests.kit import Recorder, open_log


def test_a_transcript_of_claude_code(home: Home, tmp_path: Path) -> None:
    session_id, records = brought(home, tmp_path, jsonl(CLAUDE_CODE))
    assert session_id == f"claude-code-{UUID}"
    created = records[0].event
    assert isinstance(created, LocalSessionCreated)
    assert (created.title, created.model, created.sandbox) == (
        "Mend the greeting", "claude-opus-4-5", {"kind": "imported"},
    )  # fmt: skip
    assert created.imported is not None
    assert (created.imported["format"], created.imported["version"]) == ("Claude Code", "2.1.12")
    assert [text_of(event.content) for event in of(UserMessage, records)] == ["Mend greet.py", "Thanks"]
    assert [(event.name, event.input) for event in of(AgentToolUse, records)] == [
        ("Bash", {"command": "cat greet.py"}),
        ("Read", {"file_path": "/home/me/p/a"}),
    ]
    assert [(text_of(event.content), event.is_error) for event in of(AgentToolResult, records)] == [
        ("helo", None),
        ("no such file", True),
    ]
    first, second = of(LocalModelResponse, records)
    assert [block["type"] for block in json.loads(first.raw)["content"]] == ["thinking", "tool_use", "tool_use"]
    assert json.loads(second.raw)["content"] == [{"type": "text", "text": "It says helo."}]
    summary = summed(records)
    assert (summary.result.usage.requests, summary.result.usage.output_tokens) == (2, 48)
    assert summary.result.usage.cost is not None
    assert summary.result.usage.cost > 0


def test_nothing_of_a_transcript_is_lost(home: Home, tmp_path: Path) -> None:
    for name, lines in (("claude", CLAUDE_CODE), ("codex", CODEX)):
        folder = tmp_path / name
        folder.mkdir()
        _, records = brought(home, folder, jsonl(lines))
        whole = json.dumps([encode(record.event) for record in records])
        for needle in (
            ("snapshot", "stdout", "<caveat>", "side", "req_2") if name == "claude" else ("opaque", "tomorrow")
        ):
            assert needle in whole
        kept = {event.line for event in of(LocalImported, records)}
        assert kept <= set(range(1, len(lines) + 1))


def test_a_transcript_of_codex(home: Home, tmp_path: Path) -> None:
    session_id, records = brought(home, tmp_path, jsonl(CODEX))
    assert session_id == f"codex-{UUID}"
    assert [text_of(event.content) for event in of(UserMessage, records)] == ["run the tests"]
    assert [(event.name, event.input) for event in of(AgentToolUse, records)] == [
        ("shell", {"command": ["pytest"]}),
        ("apply_patch", {"input": "*** Begin Patch"}),
    ]
    assert [(text_of(event.content), event.is_error) for event in of(AgentToolResult, records)] == [
        ("1 failed", True),
        ("Success", None),
    ]
    assert [event.facts for event in of(LocalToolFacts, records)] == [{"exit_code": 1, "duration_seconds": 2.5}]
    assert [text_of(event.content) for event in of(AgentMessage, records)] == ["Done."]
    summary = summed(records)
    usage = summary.result.usage
    assert (usage.requests, usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (3, 100, 120, 14)
    assert usage.cost is None
    assert (summary.result.status, summary.result.stop_reason) == ("idle", {"type": "end_turn"})
    assert not of(LocalModelResponse, records)


STREAM = (
    ": keepalive\n\n"
    + "".join(f"event: {body['type']}\ndata: {json.dumps(body)}\n\n" for body in [{**HOSTED[0], "processed_at": None}])
    + 'event: event_delta\ndata: {"type": "event_delta", "event_id": "sevt_5"}\n\n'
    + "".join(f"event: {body['type']}\ndata: {json.dumps(body)}\n\n" for body in HOSTED)
)
FORMS = {
    "a page": json.dumps({"data": HOSTED, "next_page": None}),
    "two pages": json.dumps({"data": HOSTED[:3]}) + "\n" + json.dumps({"data": HOSTED[3:]}),
    "the newest first": json.dumps({"data": HOSTED[::-1]}),
    "lines": jsonl(HOSTED),
    "a stream": STREAM,
    "a stream with other line ends": STREAM.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_session_of_the_hosted_service(home: Home, tmp_path: Path, form: str) -> None:
    _, records = brought(home, tmp_path, FORMS[form])
    bodies = [encode(record.event) for record in records[1:]]
    assert [{name: body[name] for name in want} for body, want in zip(bodies, HOSTED, strict=True)] == HOSTED
    created = records[0].event
    assert isinstance(created, LocalSessionCreated)
    assert (created.agent["name"], created.agent["version"], created.model) == ("analyst", 3, "claude-opus-5-5")
    usage = summed(records).result.usage
    assert (usage.requests, usage.input_tokens, usage.output_tokens) == (1, 5, 2)
    assert usage.cost == Decimal(5 * 4 + 2 * 20) / 1_000_000


def test_a_hosted_session_keeps_its_id_and_its_title(home: Home, tmp_path: Path) -> None:
    about = {
        "type": "session",
        "id": "sesn_abc",
        "title": "Greeting",
        "agent": {"name": "g", "model": "claude-opus-5-5"},
    }
    session_id, records = brought(home, tmp_path, jsonl([about, *HOSTED]))
    assert session_id == "sesn_abc"
    assert encode(records[0].event)["title"] == "Greeting"


def test_an_imported_session_cannot_be_gone_on_with(home: Home, tmp_path: Path) -> None:
    _, records = brought(home, tmp_path, jsonl(CODEX))
    created = records[0].event
    assert isinstance(created, LocalSessionCreated)
    with pytest.raises(UsageError, match="Codex CLI, and can only be looked at"):
        refuse_imported(created)


def test_a_transcript_that_has_grown_is_another_session_unless_it_gets_an_id(home: Home, tmp_path: Path) -> None:
    brought(home, tmp_path, jsonl(CODEX[:-4]))
    grown = tmp_path / "grown"
    grown.write_text(jsonl(CODEX))
    with pytest.raises(UsageError, match="another session"):
        taken_in(home, grown)
    assert taken_in(home, grown, as_id="grown")[0].session_id == "grown"
    assert encode(everything(home, "grown")[1][0].event)["session_id"] == "grown"


def test_lines_that_cannot_be_read_are_kept_as_text_and_told(home: Home, tmp_path: Path) -> None:
    lines = jsonl(CODEX).splitlines()
    lines[4] = lines[4].replace('"reasoning"', '"reason')
    lines.insert(8, '"a text"')
    data = "\n".join([*lines, '{"cut": "o']).encode() + b"\xff"
    session_id, records = brought(home, tmp_path, data)
    kept = {event.line: event.body for event in of(LocalImported, records) if "unreadable" in event.body}
    assert {line: body["unreadable"] for line, body in kept.items()} == {
        5: lines[4],
        9: '"a text"',
        len(lines) + 1: '{"cut": "o\udcff',
    }
    origin = encode(records[0].event)["imported"]
    assert origin["cut_at_line"] == len(lines) + 1
    assert [gap.partition(" is no ")[0].partition(",")[0] for gap in origin["gaps"]] == ["line 5", "line 9", "line 17"]
    assert [text_of(event.content) for event in of(AgentMessage, records)] == ["Done."]
    other = Home(tmp_path / "other")
    assert taken_in(other, sent(home, tmp_path / "out", session_id))[0].state == "stored"
    assert everything(other, session_id) == everything(home, session_id)


def test_events_of_the_hosted_service_are_read_whole_or_not_at_all(home: Home, tmp_path: Path) -> None:
    _, records = brought(home, tmp_path, jsonl(HOSTED) + '{"type": "user.mess')
    assert len(records) == len(HOSTED) + 1
    bad = tmp_path / "bad"
    bad.write_text(jsonl(HOSTED).replace('"agent.message"', '"agent.mess', 1))
    with pytest.raises(UsageError, match="line 5"):
        taken_in(home, bad)


HOSTILE = {
    "depth": '{"type": "user.message", "id": "sevt_1", "x": ' + "[" * 100_000,
    "a key twice": '{"type": "user.message", "type": "user.message", "id": "sevt_1"}',
    "a wrong member": json.dumps(hosted("user.message", 1, content=5)),
    "a wrong usage": jsonl([*HOSTED[:5], {**HOSTED[5], "model_usage": {"input_tokens": "many"}}]),
    "our own events": jsonl([{"type": "local.session_created", "id": "sevt_1"}, *HOSTED]),
    "no id": jsonl([*HOSTED, {"type": "user.message", "content": SAID}]),
    "a type that is no text": jsonl([*HOSTED, {"type": "\ud800", "id": "sevt_9"}]),
    "nothing known": '{"type": "other"}\n{"type": "another"}',
    "no JSON": "hello",
    "a list of numbers": "[1, 2]",
    "an odd session": jsonl([{"type": "session", "id": "sesn_a", "agent": {"name": 5, "model": []}}, *HOSTED, 5]),  # type: ignore[list-item]
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_transcript_that_is_not_sound_is_refused_and_nothing_is_stored(home: Home, tmp_path: Path, how: str) -> None:
    with open_log(home) as log:
        Recorder(log, home, "here")
    before = home.database.read_bytes()
    file = tmp_path / "hostile"
    file.write_text(HOSTILE[how])
    with pytest.raises(UsageError):
        taken_in(home, file)
    assert home.database.read_bytes() == before


def test_odd_blocks_of_a_transcript_are_kept_and_trip_nothing_up(home: Home, tmp_path: Path) -> None:
    odd: list[JsonObject] = [
        claude("user", 1, {"role": "user", "content": [5, {"type": "image"}, {"type": "tool_result"}]}),
        assistant(2, 1, {"type": "tool_use", "id": 5, "name": None, "input": "x"}, 1),
        assistant(3, 2, {"type": "server_tool_use", "id": "s", "name": "advisor", "input": {}}, 1),
        claude(
            "assistant", 4, {"role": "assistant", "model": "<synthetic>", "content": [{"type": "text", "text": "429"}]}
        ),
        claude("user", 5, {"role": "user", "content": None}),
        {"type": None, "sessionId": 7, "message": {"content": []}},
        {name: value for name, value in claude("user", 6, {"content": "no type"}).items() if name != "type"},
        claude("assistant", 7, {"role": "assistant", "model": "<synthetic>", "content": [5, None]}),
        claude("assistant", 8, {"role": "assistant", "id": "m8", "content": []}, uuid=["a", "list"]),
        claude("assistant", 9, {"role": "assistant", "id": "m9", "content": []}, uuid="twice"),
        claude("assistant", 9, {"role": "assistant", "id": "m10", "content": []}, uuid="twice"),
    ]
    _, records = brought(home, tmp_path, jsonl(odd))
    assert "session.error" in [type_of(record.event) for record in records]
    assert "server_tool_use" in json.dumps([encode(record.event) for record in records])


def asked_of(model: str, second: int, used: int) -> list[JsonObject]:
    last = {"input_tokens": used, "cached_input_tokens": 0, "output_tokens": 1}
    counts = {"last_token_usage": last, "total_token_usage": {"input_tokens": used + second}}
    asked = {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": f"c{second}"}
    return [
        codex(second, "turn_context", model=model),
        codex(second, "response_item", **words("user", f"ask {model}")),
        codex(second + 2, "response_item", **asked),
        codex(second + 2, "event_msg", type="token_count", info=counts),
        codex(second + 5, "response_item", type="function_call_output", call_id=f"c{second}", output="done"),
    ]


def test_what_each_model_answered_and_where_the_time_went_is_known_of_a_transcript() -> None:
    events = told([codex(0, "session_meta", id=UUID), *asked_of("gpt-5", 1, 10), *asked_of("gpt-6", 11, 30)])
    glance, tally = Glance(), Tally()
    for number, event in enumerate(events, start=1):
        glance.add(Record(number, event, ""))
        tally.add(event)
    assert {model: (found.answers, found.cost) for model, found in glance.models.items()} == {
        "gpt-5": (1, None),
        "gpt-6": (1, None),
    }
    assert glance.summary.answered_by == ["gpt-5", "gpt-6"]
    seconds = glance.timing.seconds
    assert (seconds["model"], seconds["tools"]) == (4, 6)
    assert seconds["other"] == 5  # nobody says what was done before the second message came
    assert {place.model: sums.input_tokens for place, sums in tally.sums.items() if sums.requests} == {
        "gpt-5": 10,
        "gpt-6": 30,
    }
