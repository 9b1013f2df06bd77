"""The rules of the Messages API (version 2026-10-21), as strict as its documentation and stricter.

Written from the documentation and not from agentctl, so that the two can disagree. Where the real
API forgives (results in another order, an empty block it cleans up itself), this does not. Every
check yields sentences that say what is wrong; no sentence means that the request is right.
"""

import base64
import binascii
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

API_VERSION = "2026-10-21"
MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_MESSAGES = 100_000
MAX_UNSTREAMED_TOKENS = 21_333

ALL = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True)
class ModelRules:
    max_tokens: int
    thinking: tuple[str, ...]
    efforts: tuple[str, ...]
    forced_tools: bool
    system_messages: bool
    prefill: bool = False
    fast: str | None = None  # None: no; "": yes; otherwise the beta header it needs


FAST_BETA = "fast-mode-2026-02-01"
_ADAPTIVE = ("adaptive",)
_OFF = ("adaptive", "disabled")
_OLD = ("adaptive", "enabled", "disabled")

MODELS = {
    "claude-fable-5-2": ModelRules(128_000, _ADAPTIVE, ALL, False, True),
    "claude-mythos-5-2": ModelRules(128_000, _ADAPTIVE, ALL, False, True),
    "claude-fable-5-1": ModelRules(128_000, _ADAPTIVE, ALL, False, True),
    "claude-mythos-5-1": ModelRules(128_000, _ADAPTIVE, ALL, False, True),
    "claude-fable-5": ModelRules(128_000, _ADAPTIVE, ALL, True, True),
    "claude-mythos-5": ModelRules(128_000, _ADAPTIVE, ALL, True, True),
    "claude-opus-5-5": ModelRules(128_000, _ADAPTIVE, ALL, False, True, fast=""),
    "claude-opus-5": ModelRules(128_000, _OFF, ALL, True, True, fast=FAST_BETA),
    "claude-opus-4-8": ModelRules(128_000, _OFF, ALL, True, True, fast=FAST_BETA),
    "claude-opus-4-7": ModelRules(128_000, _OFF, ALL, True, False),
    "claude-opus-4-6": ModelRules(128_000, _OLD, ("low", "medium", "high", "max"), True, False),
    "claude-opus-4-5-20251101": ModelRules(
        64_000, ("enabled", "disabled"), ("low", "medium", "high"), True, False, prefill=True
    ),
    "claude-sonnet-5-5": ModelRules(128_000, ("adaptive", "between_tools"), ALL, False, True),
    "claude-sonnet-5": ModelRules(128_000, _OFF, ALL, True, False),
    "claude-sonnet-4-6": ModelRules(64_000, _OLD, ("low", "medium", "high", "max"), True, False),
    "claude-sonnet-4-5-20250929": ModelRules(64_000, ("enabled", "disabled"), (), True, False, prefill=True),
    "claude-haiku-5-5": ModelRules(128_000, _OFF, ALL, False, True),
    "claude-haiku-4-5-20251001": ModelRules(64_000, ("enabled", "disabled"), (), True, False, prefill=True),
}
MODELS |= {
    alias: MODELS[full]
    for alias, full in {
        "claude-opus-4-5": "claude-opus-4-5-20251101",
        "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
        "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    }.items()
}

_BODY_FIELDS = {
    *("model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking"),
    *("output_config", "cache_control", "stream", "stop_sequences", "metadata", "service_tier"),
    *("speed", "inference_geo", "container", "diagnostics"),
}
COMPACT_BETA = "compact-2026-09-04"
CONTEXT_BETA = "context-management-2025-06-27"
_BETA_FIELDS = {"compaction": COMPACT_BETA, "context_management": CONTEXT_BETA}
_COMPACTION_FIELDS = {"type", "content", "signature", "encrypted_content", "tool_changes"}
_CLEARING_FIELDS = {"type", "trigger", "keep", "clear_at_least", "exclude_tools", "clear_tool_inputs"}
_SAMPLING = ("temperature", "top_p", "top_k")
_TOOL_FIELDS = {
    *("type", "name", "description", "input_schema", "strict", "cache_control", "defer_loading"),
    *("eager_input_streaming", "allowed_callers", "input_examples"),
}
_RESULT_FIELDS = {"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"}
_THINKING_FIELDS = {
    "adaptive": {"type", "display"},
    "enabled": {"type", "display", "budget_tokens"},
    "disabled": {"type"},
    "between_tools": {"type"},
}
_USER_BLOCKS = ("text", "image", "document", "search_result", "tool_result")
_RESULT_BLOCKS = ("text", "image", "document", "search_result", "tool_reference")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_SCHEMA_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def check_headers(headers: Any) -> Iterator[str]:
    """Check the headers of a request; ``headers`` finds names in any case."""
    if headers.get("anthropic-version") != API_VERSION:
        yield f"anthropic-version: must be {API_VERSION}"
    if not str(headers.get("content-type", "")).startswith("application/json"):
        yield "content-type: must be application/json"
    betas = beta_values(headers)
    if len(betas) != len(set(betas)):
        yield "anthropic-beta: a value is given twice"
    if int(headers.get("x-stainless-retry-count", 0)) > 0:
        yield "the SDK has tried again by itself"


def beta_values(headers: Any) -> list[str]:
    return [value.strip() for value in str(headers.get("anthropic-beta", "")).split(",") if value]


def check_body(
    body: Any,
    betas: list[str],
    *,
    counting: bool = False,
    paused: bool = False,
    checked: int = 0,
) -> Iterator[str]:
    """Check the body of a request.

    ``counting``: it asks for a token count. ``paused``: it resumes a turn that was paused, so it
    may end with the assistant's message. ``checked``: so many of its messages are known to be right.
    """
    if not isinstance(body, dict):
        yield "the body must be an object"
        return
    for name in body:
        if name in _SAMPLING:
            yield f"{name}: not supported in this API version"
        elif name not in _BODY_FIELDS and _BETA_FIELDS.get(name) not in betas:
            yield f"{name}: Extra inputs are not permitted"
    rules = MODELS.get(body.get("model", ""))
    if rules is None:
        yield f"model: {body.get('model')}"
        return
    if not counting:
        yield from _check_max_tokens(body, rules)
    yield from _check_settings(body, rules, betas)
    yield from _check_marks(body)
    yield from _check_system(body.get("system"))
    yield from _check_tools(body.get("tools"))
    found = list(_check_messages(body.get("messages"), rules, paused=paused or "compaction" in body, checked=checked))
    yield from found
    if not found:
        yield from _check_summary(body["messages"], betas)
        yield from _check_compaction(body, paused=paused)
        yield from _check_clearing(body.get("context_management"))


def is_summary(message: dict[str, Any]) -> bool:
    return any(block.get("type") == "compaction" for block in blocks_of(message))


def _check_summary(messages: list[dict[str, Any]], betas: list[str]) -> Iterator[str]:
    """Check where the summary of a conversation stands, and that it is whole."""
    places = [number for number, message in enumerate(messages) if is_summary(message)]
    if not places:
        return
    if COMPACT_BETA not in betas:
        yield f"messages.{places[0]}: a compaction block needs the beta header {COMPACT_BETA}"
    if places != [0] or len(blocks_of(messages[0])) != 1:
        yield "compaction_block_misplaced: one block, first in messages, and here alone in its message"
        return
    (block,) = blocks_of(messages[0])
    for name in block.keys() - _COMPACTION_FIELDS:
        yield f"messages.0.content.0.{name}: Extra inputs are not permitted"
    for name, part in block.items():
        if part is None:
            yield f"messages.0.content.0.{name}: null was not there in the answer"
    if not block.get("content") or not block.get("signature"):
        yield "compaction_signature_invalid: a summary has its content and its signature"
    # An assistant message may only be the answer to the summary itself: whether it is, the history knows.
    if len(messages) > 1 and messages[1].get("role") == "system":
        yield "messages.1: a system message may not follow a summary"


def _check_compaction(body: dict[str, Any], *, paused: bool) -> Iterator[str]:
    """Check a request for a summary: what shapes an answer may not stand beside it."""
    if "compaction" not in body:
        return
    compaction = body["compaction"]
    if not isinstance(compaction, dict) or compaction.get("type") != "summarize":
        yield "compaction.type: must be summarize"
        return
    if compaction.keys() - {"type", "instructions"} or len(str(compaction.get("instructions") or "")) > 16_384:
        yield "compaction: only instructions of at most 16384 characters are permitted"
    for name in ("context_management", "stop_sequences"):
        if name in body:
            yield f"{name}: not permitted together with compaction"
    if "format" in body.get("output_config", {}):
        yield "output_config.format: not permitted together with compaction"
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        yield "tool_choice: no tool may be forced together with compaction"
    if paused:
        yield "compaction_incomplete_turn: the last turn is paused"
    if all(is_summary(message) for message in body["messages"]):
        yield "compaction_nothing_to_summarize"


def _check_clearing(management: Any) -> Iterator[str]:
    if management is None:
        return
    for number, edit in enumerate(management.get("edits", ())):
        at = f"context_management.edits.{number}"
        if edit.get("type") != "clear_tool_uses_20250919":
            yield f"{at}.type: {edit.get('type')} is not offered here"
        for name in edit.keys() - _CLEARING_FIELDS:
            yield f"{at}.{name}: Extra inputs are not permitted"
        for name, kinds in (("trigger", ("input_tokens", "tool_uses")), ("keep", ("tool_uses",))):
            part = edit.get(name, {"type": kinds[0], "value": 1})
            if part.get("type") not in kinds or not isinstance(part.get("value"), int) or part["value"] < 0:
                yield f"{at}.{name}: must be a type and a number"


def _check_max_tokens(body: dict[str, Any], rules: ModelRules) -> Iterator[str]:
    tokens = body.get("max_tokens")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        yield "max_tokens: Field required"
        return
    if tokens > rules.max_tokens:
        yield f"max_tokens: {tokens} > {rules.max_tokens}, the maximum of this model"
    if tokens == 0 and body.get("stream"):
        yield "max_tokens: 0 cannot be streamed"
    if tokens > MAX_UNSTREAMED_TOKENS and not body.get("stream"):
        yield "stream: required for so large a max_tokens"


def _check_settings(body: dict[str, Any], rules: ModelRules, betas: list[str]) -> Iterator[str]:
    yield from _check_thinking(body.get("thinking"), body, rules)
    config = body.get("output_config", {})
    for name in config:
        if name not in ("effort", "format"):
            yield f"output_config.{name}: Extra inputs are not permitted"
    effort = config.get("effort")
    if effort is not None and effort not in rules.efforts:
        yield f"output_config.effort: {effort} is not supported on this model"
    choice = body.get("tool_choice", {"type": "auto"})
    if choice.get("type") not in ("auto", "none", "any", "tool"):
        yield "tool_choice: unknown type"
    if choice.get("type") in ("any", "tool") and not rules.forced_tools:
        yield 'tool_choice: type "tool" and "any" are not supported for this model.'
    if body.get("speed") not in (None, "standard", "fast"):
        yield "speed: must be standard or fast"
    if body.get("speed") == "fast" and (rules.fast is None or rules.fast not in ("", *betas)):
        yield "speed: fast is not supported on this model, or needs its beta header"
    if body.get("inference_geo") not in (None, "us", "global"):
        yield "inference_geo: must be us or global"


def _check_thinking(thinking: Any, body: dict[str, Any], rules: ModelRules) -> Iterator[str]:
    if thinking is None:
        return
    kind = thinking.get("type")
    if kind not in rules.thinking:
        yield f"thinking.type: {kind} is not supported on this model"
        return
    for name in thinking.keys() - _THINKING_FIELDS[kind]:
        yield f"thinking.{name}: Extra inputs are not permitted"
    if thinking.get("display") not in (None, "summarized", "omitted"):
        yield "thinking.display: must be summarized or omitted"
    budget = thinking.get("budget_tokens")
    if kind == "enabled" and not (isinstance(budget, int) and 1024 <= budget < body.get("max_tokens", 0)):
        yield "thinking.budget_tokens: must be at least 1024 and less than max_tokens"


def _check_marks(body: dict[str, Any]) -> Iterator[str]:
    marks = list(_cache_marks(body))
    if len(marks) > 4:
        yield f"cache_control: at most 4 blocks may be marked, found {len(marks)}"
    for mark in marks:
        if not isinstance(mark, dict) or mark.get("type") != "ephemeral":
            yield "cache_control.type: must be ephemeral"
        elif mark.get("ttl", "5m") not in ("5m", "1h") or mark.keys() - {"type", "ttl"}:
            yield "cache_control: only ttl of 5m or 1h is permitted"


def _cache_marks(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if "cache_control" in value:
            yield value["cache_control"]
        for name, part in value.items():
            if name in ("messages", "system", "tools", "content"):
                yield from _cache_marks(part)
    elif isinstance(value, list):
        for part in value:
            yield from _cache_marks(part)


def _check_system(system: Any) -> Iterator[str]:
    if system is None:
        return
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    for number, block in enumerate(blocks):
        if block.get("type") != "text":
            yield f"system.{number}.type: must be text"
        yield from _check_text(block, f"system.{number}")


def _check_tools(tools: Any) -> Iterator[str]:
    if tools is None:
        return
    if not isinstance(tools, list) or not tools:
        yield "tools: must be a list that is not empty, or left out"
        return
    names = [tool.get("name") for tool in tools]
    if len(names) != len(set(names)):
        yield "tools: Tool names must be unique."
    for number, tool in enumerate(tools):
        yield from _check_tool(tool, f"tools.{number}")


def _check_tool(tool: dict[str, Any], at: str) -> Iterator[str]:
    if tool.get("type", "custom") != "custom":
        yield f"{at}.type: {tool['type']} is not offered here"
        return
    for name in tool.keys() - _TOOL_FIELDS:
        yield f"{at}.{name}: Extra inputs are not permitted"
    if not _NAME.fullmatch(str(tool.get("name", ""))):
        yield f"{at}.name: String should match ^[a-zA-Z0-9_-]{{1,128}}$"
    if not str(tool.get("description", "x")).strip():
        yield f"{at}.description: must not be empty"
    schema = tool.get("input_schema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield f"{at}.custom.input_schema.type: Field required"
    elif problem := next(_check_schema(schema, "input_schema"), None):
        yield (f"{at}.custom.{problem}: JSON schema is invalid. It must match JSON Schema draft 2020-12")


def _check_schema(schema: Any, at: str) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield at
        return
    types = schema.get("type", [])
    for name in types if isinstance(types, list) else [types]:
        if name not in _SCHEMA_TYPES:
            yield f"{at}.type"
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield f"{at}.required"
    if not isinstance(schema.get("enum", []), list):
        yield f"{at}.enum"
    for keyword in ("properties", "$defs", "patternProperties"):
        parts = schema.get(keyword, {})
        if not isinstance(parts, dict):
            yield f"{at}.{keyword}"
            continue
        for name, part in parts.items():
            yield from _check_schema(part, f"{at}.{keyword}.{name}")
    for keyword in ("items", "additionalProperties", "not"):
        if keyword in schema:
            yield from _check_schema(schema[keyword], f"{at}.{keyword}")
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        parts = schema.get(keyword, [True])
        if not isinstance(parts, list) or not parts:
            yield f"{at}.{keyword}"
            continue
        for number, part in enumerate(parts):
            yield from _check_schema(part, f"{at}.{keyword}.{number}")


def _check_messages(messages: Any, rules: ModelRules, *, paused: bool, checked: int) -> Iterator[str]:
    if not isinstance(messages, list) or not messages:
        yield "messages: at least one message is required"
        return
    if len(messages) > MAX_MESSAGES:
        yield f"messages: at most {MAX_MESSAGES}"
    places = enumerate(messages[checked:], checked)
    found = [problem for number, each in places for problem in _check_message(each, f"messages.{number}", rules)]
    yield from found
    if found:
        return  # of another shape than the rules below speak of
    if messages[0].get("role") != "user" and not is_summary(messages[0]):
        yield "messages: first message must use the user role"
    resumed = paused or (len(messages) == 1 and is_summary(messages[0]))
    if messages[-1].get("role") == "assistant" and not (resumed or rules.prefill):
        yield ("This model does not support assistant message prefill. The conversation must end with a user message.")
    yield from _check_pairs(messages)
    yield from _check_system_messages(messages)
    yield from _check_images(messages)


def _check_message(message: Any, at: str, rules: ModelRules) -> Iterator[str]:
    if not isinstance(message, dict) or message.keys() - {"role", "content"}:
        yield f"{at}: Extra inputs are not permitted"
        return
    role = message.get("role")
    if role not in ("user", "assistant", "system"):
        yield f"{at}.role: must be user, assistant or system"
        return
    if role == "system" and not rules.system_messages:
        yield f"{at}: role 'system' is not supported on this model"
    if not message.get("content"):
        yield f"{at}.content: must not be empty"
    for place, block in enumerate(blocks_of(message)):
        yield from _check_block(block, role, f"{at}.content.{place}")


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content") or []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _check_block(block: Any, role: str, at: str) -> Iterator[str]:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        yield f"{at}.type: Field required"
        return
    kind = block["type"]
    if role == "system" and kind != "text":
        yield f"{at}.type: only text may stand in a system message"
    if role == "assistant" and kind == "compaction" and not isinstance(block.get("content"), str):
        yield f"{at}.content: Field required"
    if role == "user" and kind not in _USER_BLOCKS:
        yield f"{at}.type: {kind} is not permitted in a user message"
    if role == "assistant" and kind in ("tool_result", "document", "image"):
        yield f"{at}.type: {kind} is not permitted in an assistant message"
    match kind:
        case "text":
            yield from _check_text(block, at)
            if role == "user" and block.get("citations"):
                yield f"{at}.citations: not permitted in a user message"
        case "thinking" | "redacted_thinking" if "cache_control" in block:
            yield f"{at}.cache_control: not permitted on thinking"
        case "tool_use":
            yield from _check_tool_use(block, at)
        case "tool_result":
            yield from _check_tool_result(block, at)
        case "image" | "document":
            yield from _check_source(block, at)


def _check_text(block: dict[str, Any], at: str) -> Iterator[str]:
    text = block.get("text")
    if not isinstance(text, str) or not text:
        yield f"{at}: text content blocks must be non-empty"
    elif text.isspace():
        yield f"{at}: text content blocks must contain non-whitespace text"


def _check_tool_use(block: dict[str, Any], at: str) -> Iterator[str]:
    if not _NAME.fullmatch(str(block.get("id", ""))):
        yield f"{at}.id: String should match ^[a-zA-Z0-9_-]+$"
    if not _NAME.fullmatch(str(block.get("name", ""))):
        yield f"{at}.name: String should match ^[a-zA-Z0-9_-]+$"
    if not isinstance(block.get("input"), dict):
        yield f"{at}.input: Input should be a valid dictionary"


def _check_tool_result(block: dict[str, Any], at: str) -> Iterator[str]:
    for name in block.keys() - _RESULT_FIELDS:
        yield f"{at}.{name}: Extra inputs are not permitted"
    if not isinstance(block.get("is_error", False), bool):
        yield f"{at}.is_error: must be true or false"
    content = block.get("content")
    if isinstance(content, str) and not content.strip():
        yield f"{at}.content: say in a word that there is nothing"
    if content is None or content == []:
        yield f"{at}.content: say in a word that there is nothing"
    for place, part in enumerate(content if isinstance(content, list) else ()):
        if part.get("type") not in _RESULT_BLOCKS:
            yield f"{at}.content.{place}.type: {part.get('type')} is not permitted here"
        yield from _check_block(part, "user", f"{at}.content.{place}")


def _check_source(block: dict[str, Any], at: str) -> Iterator[str]:
    source = block.get("source")
    if not isinstance(source, dict):
        yield f"{at}.source: Field required"
        return
    if source.get("type") != "base64":
        return
    try:
        data = base64.b64decode(source.get("data", ""), validate=True)
    except (binascii.Error, ValueError):
        yield f"{at}.source.data: is not base64"
        return
    if block["type"] == "image" and source.get("media_type") not in _IMAGE_TYPES:
        yield f"{at}.source.media_type: {source.get('media_type')} is not supported"
    if block["type"] == "image" and len(source["data"]) > 10 * 1024 * 1024:
        yield f"{at}.source.data: image exceeds 10 MB maximum"
    if not data:
        yield f"{at}.source.data: is empty"


def _check_pairs(messages: list[dict[str, Any]]) -> Iterator[str]:
    """Check that each call has its result in the very next message, results first and in order."""
    open_calls: list[str] = []
    seen: set[str] = set()
    for number, message in enumerate(messages):
        blocks = blocks_of(message)
        results = [block.get("tool_use_id") for block in blocks if block["type"] == "tool_result"]
        if results != open_calls:
            yield _pairing_problem(number, open_calls, results)
        if any(block["type"] != "tool_result" for block in blocks[: len(results)]):
            yield f"messages.{number}: tool_result blocks must come first"
        open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if seen.intersection(open_calls) or len(open_calls) != len(set(open_calls)):
            yield f"messages.{number}: `tool_use` ids must be unique"
        seen.update(open_calls)
    if open_calls:
        yield _pairing_problem(len(messages), open_calls, [])


def _pairing_problem(number: int, calls: list[str], results: list[Any]) -> str:
    missing = [call for call in calls if call not in results]
    if missing:
        return (
            f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks "
            f"immediately after: {', '.join(missing)}. Each `tool_use` block must have a "
            "corresponding `tool_result` block in the next message."
        )
    unexpected = [result for result in results if result not in calls]
    if unexpected:
        return (
            f"messages.{number}: unexpected `tool_use_id` found in `tool_result` blocks: "
            f"{', '.join(map(str, unexpected))}"
        )
    if len(results) > len(calls):
        return f"messages.{number}: each tool_use must have a single result"
    return f"messages.{number}: results must stand in the order of the calls"


def _check_system_messages(messages: list[dict[str, Any]]) -> Iterator[str]:
    roles = [message.get("role") for message in messages]
    for number, role in enumerate(roles):
        if role != "system":
            continue
        before = next((other for other in reversed(roles[:number]) if other != "system"), None)
        after = next((other for other in roles[number:] if other != "system"), None)
        if before != "user" or after == "user":
            yield f"messages.{number}: a system message must follow a user message"


def _check_images(messages: list[dict[str, Any]]) -> Iterator[str]:
    images = [block for message in messages for block in _images(blocks_of(message))]
    if len(images) <= 20:
        return
    for image in images:
        size = _png_size(image.get("source", {}))
        if size is not None and max(size) > 2000:
            yield f"image of {size[0]}x{size[1]}: at most 2000 pixels with more than 20 images"


def _images(blocks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for block in blocks:
        if block.get("type") == "image":
            yield block
        elif block.get("type") == "tool_result" and isinstance(block.get("content"), list):
            yield from _images(block["content"])


def _png_size(source: dict[str, Any]) -> tuple[int, int] | None:
    if source.get("media_type") != "image/png":
        return None
    head = base64.b64decode(source.get("data", "")[:64])
    return struct.unpack(">II", head[16:24]) if len(head) >= 24 else None


def exact(value: Any) -> bytes:
    """Write JSON compactly with its keys in the order they have: what a prompt cache compares."""
    return _ENCODER.encode(value).encode()


_ENCODER = json.JSONEncoder(separators=(",", ":"))
