"""Transcripts of Codex CLI: ``~/.codex/sessions/YYYY/MM/DD/rollout-….jsonl``.

A line is ``{"timestamp", "type", "payload"}``: ``session_meta`` first, ``turn_context`` before a turn,
``response_item`` for what goes to the model and comes from it, ``event_msg`` for what its own display
shows. The items say what happened; of the display's messages only what the items lack is taken: usage,
exit codes, the ends of turns. Everything else is kept as it is.
"""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.errors import UsageError
from agentctl.events.agent import AgentThreadContextCompacted
from agentctl.events.content import text_block
from agentctl.exchange.drafting import Drafter, Foreign, Origin, blocks_of
from agentctl.exchange.lines import NumberedLine
from agentctl.exchange.strict import read_value

FORMAT = "Codex CLI"

_TYPES = ("session_meta", "response_item", "event_msg", "turn_context", "compacted")
_SCAFFOLDING = ("<environment_context>", "<user_instructions>", "<permissions instructions>", "# AGENTS.md ")
_CALLS = ("function_call", "custom_tool_call", "local_shell_call")
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_IMAGE = "data:"


def is_codex(lines: Sequence[NumberedLine]) -> bool:
    """Say whether these are lines of such a transcript."""
    return any(body.get("type") in _TYPES and isinstance(body.get("payload"), dict) for _, body in lines)


def read_codex(lines: Sequence[NumberedLine], origin: Origin) -> Foreign:
    """Put a session together from a transcript."""
    metas = [body["payload"] for _, body in lines if body.get("type") == "session_meta"]
    name = next((str(meta["id"]) for meta in metas if isinstance(meta, dict) and "id" in meta), origin.sha256[:32])
    return _Reader(f"codex-{name}".lower()[:64], origin).read(lines)


class _Reader:
    def __init__(self, session_id: str, origin: Origin) -> None:
        self._draft = Drafter(session_id, origin)
        self._model = ""
        self._blocks: list[JsonObject] = []
        self._blocks_time: str | None = None
        self._total: object = None

    def read(self, lines: Sequence[NumberedLine]) -> Foreign:
        """Go through the lines once."""
        for number, body in lines:
            payload, time = body.get("payload"), body.get("timestamp")
            taken = isinstance(payload, dict) and self._take(str(body.get("type")), payload, time)
            if not taken:
                self._draft.other(number, body, time)
        self._flush()
        return self._draft.finish()

    def _take(self, kind: str, payload: JsonObject, time: str | None) -> bool:
        """Take a line; return whether events say all that it says."""
        match kind, payload.get("type"):
            case "session_meta", _:
                self._learn(payload)
                return False
            case "turn_context", _:
                self._model = str(payload.get("model") or self._model)
                return False
            case "compacted", _:
                self._flush()
                self._draft.event(AgentThreadContextCompacted, time)
                return False
            case "response_item", str(item):
                return self._take_item(item, payload, time)
            case "event_msg", str(message):
                return self._take_message(message, payload, time)
        return False

    def _learn(self, meta: JsonObject) -> None:
        self._draft.place = str(meta.get("cwd") or "")
        if isinstance(meta.get("cli_version"), str):
            self._draft.origin.more["version"] = meta["cli_version"]

    def _take_item(self, item: str, payload: JsonObject, time: str | None) -> bool:
        if item == "message":
            return self._take_words(payload, time)
        if item == "reasoning":
            self._hold({"type": "thinking"}, time)
            return False
        if item in _CALLS:
            self._hold(_call(item, payload), time)
            return True
        if item in _OUTPUTS:
            self._flush()
            text, facts = _output(payload.get("output"))
            wrong = facts.get("exit_code") not in (None, 0) or facts.pop("success", True) is False
            return self._draft.result(payload.get("call_id"), text, time, is_error=wrong, **facts)
        return False

    def _take_words(self, payload: JsonObject, time: str | None) -> bool:
        content = _content(payload.get("content"))
        if payload.get("role") == "assistant":
            for block in content:
                self._hold(block if block["type"] == "text" else text_block(str(block)), time)
            return True
        said = str(content[0].get("text", "")) if content else ""
        if payload.get("role") != "user" or not content or said.lstrip().startswith(_SCAFFOLDING):
            return False
        self._flush()
        self._draft.user(content, time)
        return True

    def _take_message(self, message: str, payload: JsonObject, time: str | None) -> bool:
        if message == "token_count":
            self._count(payload.get("info"))
        elif message in ("task_complete", "turn_complete"):
            self._flush()
            self._draft.rest()
        elif message == "turn_aborted":
            self._flush()
            self._draft.interrupt(time)
            self._draft.rest()
        elif message == "error":
            self._flush()
            self._draft.failed(str(payload.get("message")), time)
        return False

    def _count(self, info: object) -> None:
        if not isinstance(info, dict) or info.get("total_token_usage") == self._total:
            return
        self._total, used = info.get("total_token_usage"), info.get("last_token_usage")
        self._flush()
        if isinstance(used, dict):
            counts = {name: value for name, value in used.items() if isinstance(value, int)}
            cached = counts.get("cached_input_tokens", 0)
            self._draft.count(
                {
                    "input_tokens": max(0, counts.get("input_tokens", 0) - cached),
                    "cache_read_input_tokens": cached,
                    "output_tokens": counts.get("output_tokens", 0),
                }
            )

    def _hold(self, block: JsonObject, time: str | None) -> None:
        """Wait for the rest of an answer: its items come one by one."""
        self._blocks.append(block)
        self._blocks_time = time

    def _flush(self) -> None:
        if self._blocks:
            self._draft.answer(self._blocks, self._model, self._blocks_time)
            self._blocks = []


def _call(item: str, payload: JsonObject) -> JsonObject:
    given = payload.get("arguments") if item == "function_call" else payload.get("input", payload.get("action"))
    name = str(payload.get("name") or ("local_shell" if item == "local_shell_call" else item))
    call_id = str(payload.get("call_id") or payload.get("id"))
    return {"type": "tool_use", "id": call_id, "name": name, "input": _arguments(given)}


def _arguments(given: object) -> JsonObject:
    """Read the arguments of a call, which are JSON in a text, or a text by themselves."""
    if isinstance(given, dict):
        return given
    value = _parsed(given)
    return value if isinstance(value, dict) else {"input": given}


def _output(given: object) -> tuple[list[JsonObject], JsonObject]:
    """Read what a call gave: a text, or one in JSON with what is known beside it."""
    value = _parsed(given) if isinstance(given, str) else given
    facts: JsonObject = {}
    if isinstance(value, dict) and "metadata" in value and isinstance(value["metadata"], dict):
        names = ("exit_code", "duration_seconds")
        facts = {
            name: value["metadata"][name] for name in names if isinstance(value["metadata"].get(name), int | float)
        }
        given = value.get("output")
    elif isinstance(value, dict) and "success" in value and not isinstance(given, str):
        facts, given = {"success": value["success"]}, value.get("content")
    return (_content(given) if isinstance(given, list) else blocks_of(given)), facts


def _parsed(text: object) -> object:
    try:
        return read_value(text) if isinstance(text, str) and text[:1] in "{[" else None
    except UsageError:
        return None


def _content(parts: object) -> list[JsonObject]:
    return [_part(part) for part in parts] if isinstance(parts, list) else blocks_of(parts)


def _part(part: object) -> JsonObject:
    match part:
        case {"type": "input_text" | "output_text" | "text", "text": str(text)}:
            return text_block(text)
        case {"type": "input_image", "image_url": str(url)} if url.startswith(_IMAGE) and ";base64," in url:
            media_type, _, data = url.removeprefix(_IMAGE).partition(";base64,")
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        case _:
            return blocks_of([part])[0]
