"""What single items of a transcript of Codex CLI say: words, calls, and what calls gave."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from agentctl.canonical import JsonObject, exact_json
from agentctl.errors import UsageError
from agentctl.events.content import text_block
from agentctl.exchange.blocks import blocks_of
from agentctl.exchange.strict import read_value

SERVED = ("web_search_call", "image_generation_call")
"""Calls that the model's provider answers: no item says what they gave."""

CALLS = ("function_call", "custom_tool_call", "local_shell_call", "tool_search_call", *SERVED)
OUTPUTS = ("function_call_output", "custom_tool_call_output", "tool_search_output")

_OWN_NAMES = {"local_shell_call": "local_shell", "tool_search_call": "tool_search"}
_OWN_NAMES |= {name: name.removesuffix("_call") for name in SERVED}
_GIVEN = {"function_call": "arguments", "custom_tool_call": "input", "tool_search_call": "arguments"}
_GIVEN |= {"local_shell_call": "action", "web_search_call": "action", "image_generation_call": "revised_prompt"}
_DONE = ("CommandExecution", "McpToolCall", "FileChange")
_FACTS = ("exit_code", "duration_seconds")
_IMAGE = "data:"
_HEADS = (
    re.compile(r"Exit code: (?P<code>-?\d+)\nWall time: (?P<time>[\d.]+) seconds?\n"),
    re.compile(
        r"(?:Chunk ID: [^\n]*\n)?Wall time: (?P<time>[\d.]+) ?s(?:econds?)?\n"
        r"(?:Process exited with code (?P<code>-?\d+)\n)?"
    ),
)
"""How a command's output begins, in several versions."""


class End(NamedTuple):
    """How a call ended, as far as that is said apart from what it gave."""

    is_error: bool
    facts: JsonObject


def call_of(item: JsonObject, place: str) -> tuple[JsonObject, tuple[str, ...]]:
    """Return a call as a block of ours, and which of its members that says; ``place`` names it if nothing does."""
    kind = str(item.get("type"))
    member = _GIVEN[kind]
    name = str(item.get("name") or _OWN_NAMES.get(kind, kind))
    if isinstance(space := item.get("namespace"), str) and space:
        name = f"{space.removesuffix('__')}__{name.removeprefix('__')}"
    call_id = str(item.get("call_id") or item.get("id") or place)
    block = {"type": "tool_use", "id": call_id, "name": name, "input": _arguments(item.get(member))}
    return block, ("type", "name", member)


def output_of(item: JsonObject) -> tuple[list[JsonObject], JsonObject, bool, bool]:
    """Return what a call gave: its content, the facts beside it, whether it failed, and whether that is all."""
    given = item.get("tools") if item.get("type") == "tool_search_output" else item.get("output")
    value = parsed(given) if isinstance(given, str) else given
    if isinstance(value, dict) and isinstance(value.get("metadata"), dict):
        facts = {name: value["metadata"][name] for name in _FACTS if _is_number(value["metadata"].get(name))}
        is_all = value.keys() <= {"output", "metadata"} and value["metadata"].keys() <= facts.keys()
        return _content(value.get("output")), facts, _has_failed(facts), is_all
    if isinstance(value, dict) and "success" in value and not isinstance(given, str):
        return _content(value.get("content")), {}, value["success"] is False, value.keys() <= {"success", "content"}
    facts = _facts_of(given) if isinstance(given, str) else {}
    return _content(given), facts, _has_failed(facts), True


def end_of(message: JsonObject) -> tuple[str, End] | None:
    """Return the call that a message of the display tells the end of, and how it ended; None for another message."""
    match message:
        case {"type": "item_completed", "item": {"type": str(kind), "id": str(name), **item}} if kind in _DONE:
            return name, _end(item, item.get("status") == "failed")
        case {"type": "exec_command_end" | "patch_apply_end"}:
            return str(message.get("call_id")), _end(message, message.get("success") is False)
        case {"type": "mcp_tool_call_end"}:
            result = message.get("result")
            has_failed = isinstance(result, dict) and ("Err" in result or _is_mcp_error(result.get("Ok")))
            return str(message.get("call_id")), _end(message, has_failed)
    return None


def content_of(parts: object) -> list[JsonObject]:
    """Return the parts of a message as blocks."""
    return _content(parts)


def parsed(text: object) -> object:
    """Read a text that may be JSON; None where it is none."""
    try:
        return read_value(text) if isinstance(text, str) and text[:1] in "{[" else None
    except UsageError:
        return None


def seconds_of(duration: object) -> float | None:
    """Read a duration as Codex writes it."""
    match duration:
        case {"secs": int(whole), "nanos": int(parts)}:
            return round(whole + parts / 1e9, 3)
        case bool():
            return None
        case int() | float():
            return round(float(duration), 3)
    return None


def _end(said: Mapping[Any, Any], has_failed: bool) -> End:
    facts: JsonObject = {}
    if _is_number(said.get("exit_code")):
        facts["exit_code"] = said["exit_code"]
    if (seconds := seconds_of(said.get("duration"))) is not None:
        facts["duration_seconds"] = seconds
    return End(has_failed or _has_failed(facts), facts)


def _is_mcp_error(result: object) -> bool:
    return isinstance(result, dict) and bool(result.get("is_error") or result.get("isError"))


def _has_failed(facts: JsonObject) -> bool:
    return facts.get("exit_code") not in (None, 0)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _facts_of(text: str) -> JsonObject:
    for head in _HEADS:
        if found := head.match(text):
            code = found["code"]
            facts: JsonObject = {} if code is None or len(code) > 11 else {"exit_code": int(code)}
            try:
                return facts | {"duration_seconds": float(found["time"])}
            except ValueError:
                return facts
    return {}


def _arguments(given: object) -> JsonObject:
    """Read the arguments of a call, which are JSON in a text, or a text by themselves."""
    if isinstance(given, dict):
        return given
    value = parsed(given)
    if isinstance(value, dict):
        return value
    return {} if given is None else {"input": given}


def _content(parts: object) -> list[JsonObject]:
    if isinstance(parts, dict):
        return [_part(parts)]
    return [_part(part) for part in parts] if isinstance(parts, list) else blocks_of(parts)


def _part(part: object) -> JsonObject:
    match part:
        case {"type": "input_text" | "output_text" | "text", "text": str(text)}:
            return text_block(text)
        case {"type": "input_image", "image_url": str(url)} if url.startswith(_IMAGE) and ";base64," in url:
            media_type, _, data = url.removeprefix(_IMAGE).partition(";base64,")
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        case _:
            return text_block(part if isinstance(part, str) else exact_json(part))
