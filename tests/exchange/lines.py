"""Lines of transcripts in the shapes that other programs write, and what becomes of them."""

import json
from pathlib import Path
from typing import Any

from agentctl.canonical import JsonObject
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.session.summary import Summary
from tests.exchange.kit import everything, taken_in

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
