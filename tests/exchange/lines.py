"""Lines of transcripts in the shapes that other programs write, and what becomes of them."""

import io
import json
from pathlib import Path
from typing import Any, TypeVar

from agentctl.canonical import JsonObject
from agentctl.events.base import Event
from agentctl.events.codec import type_of
from agentctl.events.local import LocalImported, LocalSessionCreated
from agentctl.exchange.foreign import read_foreign
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.session.summary import Summary
from agentctl.session.usage import Usage
from tests.exchange.kit import everything, taken_in

Kind = TypeVar("Kind", bound=Event)

UUID = "4f35e220-c435-4cf7-b9b9-f40426042847"


def claude(kind: str, second: int, message: JsonObject, **more: Any) -> JsonObject:
    return {
        "type": kind, "uuid": f"{kind}-{second}", "sessionId": UUID, "cwd": "/home/me/p", "version": "2.1.12",
        "isSidechain": False, "timestamp": f"2026-05-26T07:27:{second:02}.000Z", "message": message, **more,
    }  # fmt: skip


def assistant(second: int, number: int, block: JsonObject, out: int) -> JsonObject:
    usage = {"input_tokens": 10, "output_tokens": out, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 0}
    message = {
        "id": f"msg_{number}", "type": "message", "role": "assistant", "model": "claude-opus-4-5",
        "content": [block], "stop_reason": None, "usage": usage,
    }  # fmt: skip
    return claude("assistant", second, message, requestId=f"req_{number}")


def use(name: str, call_id: str, **arguments: Any) -> JsonObject:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def result(call_id: str, content: Any, **more: Any) -> JsonObject:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call_id, "content": content, **more}]}


CLAUDE_CODE: list[JsonObject] = [
    {"type": "summary", "summary": "Mend the greeting", "leafUuid": "assistant-6"},
    claude("user", 1, {"role": "user", "content": "Mend greet.py"}),
    claude("user", 1, {"role": "user", "content": "<caveat>"}, isMeta=True, uuid="meta"),
    assistant(2, 1, {"type": "thinking", "thinking": "Let me look.", "signature": "c2ln"}, 5),
    assistant(3, 1, use("Bash", "toolu_1", command="cat greet.py"), 20),
    claude("user", 4, result("toolu_1", "helo"), toolUseResult={"stdout": "helo", "interrupted": False}),
    assistant(4, 1, use("Read", "toolu_2", file_path="/home/me/p/a"), 40),
    {"type": "file-history-snapshot", "messageId": "m", "snapshot": {"deep": [1]}, "isSnapshotUpdate": False},
    claude("user", 5, result("toolu_2", [{"type": "text", "text": "no such file"}], is_error=True)),
    claude("assistant", 5, {"role": "assistant", "content": "side", "id": "s"}, isSidechain=True, uuid="side"),
    assistant(6, 2, {"type": "text", "text": "It says helo."}, 8),
    claude("user", 20, {"role": "user", "content": [{"type": "text", "text": "Thanks"}]}),
]


def codex(second: int, kind: str, **payload: Any) -> JsonObject:
    return {"timestamp": f"2026-08-10T20:05:{second:02}.000Z", "type": kind, "payload": payload}


def tokens(total: int, last: int) -> JsonObject:
    return {
        "total_token_usage": {"input_tokens": total},
        "last_token_usage": {"input_tokens": last, "cached_input_tokens": 60, "output_tokens": 7},
    }


def words(role: str, *said: str) -> JsonObject:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text} for text in said]}


OUTPUT = json.dumps({"output": "1 failed", "metadata": {"exit_code": 1, "duration_seconds": 2.5}})

CODEX: list[JsonObject] = [
    codex(0, "session_meta", id=UUID, cwd="/tmp/p", cli_version="0.98.0"),
    codex(0, "response_item", **words("user", "<environment_context>…</environment_context>")),
    codex(0, "turn_context", model="gpt-5-codex", cwd="/tmp/p"),
    codex(1, "response_item", **words("user", "run the tests")),
    codex(2, "response_item", type="reasoning", summary=[], encrypted_content="opaque"),
    codex(3, "response_item", type="function_call", name="shell", arguments='{"command":["pytest"]}', call_id="c1"),
    codex(3, "event_msg", type="token_count", info=tokens(100, 100)),
    codex(5, "response_item", type="function_call_output", call_id="c1", output=OUTPUT),
    codex(5, "event_msg", type="token_count", info=tokens(100, 100)),
    codex(6, "response_item", type="custom_tool_call", name="apply_patch", input="*** Begin Patch", call_id="c2"),
    codex(6, "response_item", type="custom_tool_call_output", call_id="c2", output="Success"),
    codex(6, "event_msg", type="token_count", info=tokens(220, 120)),
    codex(7, "response_item", **words("assistant", "Done.")),
    codex(7, "event_msg", type="task_complete", last_agent_message="Done."),
    codex(8, "something_new", payload_of="tomorrow"),
]


def hosted(kind: str, number: int, **members: Any) -> JsonObject:
    time = None if members.pop("waits", False) else f"2026-11-20T09:00:{number:02}Z"
    return {"type": kind, "id": f"sevt_{number}", "processed_at": time, **members}


SAID = [{"type": "text", "text": "Hello"}]
USAGE = {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
HOSTED: list[JsonObject] = [
    hosted("user.message", 1, content=[{"type": "text", "text": "Hi"}]),
    hosted("session.status_running", 2),
    hosted("session.updated", 3, agent={"name": "analyst", "model": {"id": "claude-opus-5-5"}, "version": 3}),
    hosted("span.model_request_start", 4),
    hosted("agent.message", 5, content=SAID),
    hosted("span.model_request_end", 6, model_request_start_id="sevt_4", is_error=False, model_usage=USAGE),
    hosted("session.status_idle", 7, stop_reason={"type": "end_turn"}),
]


def brought(home: Home, folder: Path, data: str | bytes) -> tuple[str, list[Record]]:
    file = folder / "transcript"
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    session_id = taken_in(home, file)[0].session_id
    assert taken_in(home, file)[0].state == "there"
    return session_id, everything(home, session_id)[1]


def jsonl(lines: list[JsonObject]) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def of(kind: type[Any], records: list[Record]) -> list[Any]:
    return [record.event for record in records if isinstance(record.event, kind)]


def summed(records: list[Record]) -> Summary:
    summary = Summary()
    for record in records:
        summary.add(record.event)
    return summary


def told(lines: list[JsonObject] | bytes, name: str = "transcript") -> list[Event]:
    """Return the events that a transcript becomes."""
    data = lines if isinstance(lines, bytes) else jsonl(lines).encode()
    return list(read_foreign(io.BytesIO(data), name).events)


def among(kind: type[Kind], events: list[Event]) -> list[Kind]:
    """Return the events of one type."""
    return [event for event in events if isinstance(event, kind)]


def about(events: list[Event]) -> JsonObject:
    """Return what is said of where a session comes from."""
    (created,) = among(LocalSessionCreated, events)
    assert created.imported is not None
    return created.imported


def sums(events: list[Event]) -> Usage:
    """Return what a session has used."""
    summary = Summary()
    for event in events:
        summary.add(event)
    return summary.result.usage


def course(events: list[Event]) -> list[str]:
    """Return the types of the events that are no lines of the transcript, without what every request has."""
    return [type_of(event) for event in events[1:] if not isinstance(event, LocalImported) and not is_span(event)]


def is_span(event: Event) -> bool:
    """Say whether an event only belongs to a request, or is computed."""
    return type_of(event) in (
        "span.model_request_start", "span.model_request_end", "local.model_response", "local.tool_started",
        "session.usage", "local.tool_facts", "agent.thinking",
    )  # fmt: skip
