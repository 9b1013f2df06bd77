"""The events of a streamed answer, put together into the message they make.

The message keeps every block, field and key as the wire had them, those this version has never
heard of included, because the next request has to repeat it. Nothing counts as an answer before
the stream has said that it is whole.
"""

import json
import math
from collections import Counter
from typing import Any, Literal, NoReturn

from agentctl.canonical import JsonObject, exact_json
from agentctl.errors import ModelError
from agentctl.model.base import ModelResponse, Preview, ShowPreview

INVALID_JSON = "INVALID_JSON"

_MAX_DEPTH = 100

# What grows: the delta's type, where its piece is, which field of the block it continues.
_GROWING: dict[str, tuple[str, str, Literal["text", "thinking", "tool_input"]]] = {
    "text_delta": ("text", "text", "text"),
    "thinking_delta": ("thinking", "thinking", "thinking"),
    "input_json_delta": ("partial_json", "input", "tool_input"),
}


class MessageStream:
    """A message while it arrives.

    Add events in the order received, then ask for the response. Every new piece of text is shown
    as it comes. An event that cannot belong to any message raises ModelError.
    """

    def __init__(self, show: ShowPreview) -> None:
        self._show = show
        self._message: JsonObject | None = None
        self._content: list[JsonObject] = []
        self._pieces: dict[int, dict[str, list[str]]] = {}
        self.is_whole = False

    @property
    def has_begun(self) -> bool:
        """Whether anything of the message has come."""
        return self._message is not None

    def add(self, event: object) -> None:
        """Take one more event into account; an unknown one changes nothing."""
        if not isinstance(event, dict):
            _refuse("an event that is not an object")
        match event.get("type"):
            case "message_start":
                self._start(_part(event, "message"))
            case "content_block_start":
                self._open(_index(event), _part(event, "content_block"))
            case "content_block_delta":
                self._continue(_index(event), _part(event, "delta"))
            case "content_block_stop":
                self._close(_index(event), cut=False)
            case "message_delta":
                self._update(event)
            case "message_stop":
                self.is_whole = self._message is not None

    def response(self, request_id: str | None) -> ModelResponse:
        """Return the whole message; raises ModelError when the stream ended before it was whole."""
        message = self._message
        if message is None or not self.is_whole or message.get("stop_reason") is None:
            raise ModelError(
                "the model's answer was cut off",
                kind="stream_cut_error",
                retryable=True,
                request_id=request_id,
            )
        for index in list(self._pieces):
            self._close(index, cut=True)
        _check_calls(self._content)
        _check_usage(message.get("usage") or {})
        try:
            return ModelResponse(exact_json(message), message, request_id)
        except ValueError:
            _refuse("a number that is not finite")

    def _start(self, message: JsonObject) -> None:
        if self._message is not None:
            _refuse("two messages in one answer")
        content = message.get("content") or []
        if not isinstance(content, list):
            _refuse("content that is not a list")
        self._content = [_block(each) for each in content]
        # Both at once: the key keeps its place, and blocks arrive in the list that the message has.
        self._message = {**message, "content": self._content}

    def _open(self, index: int, block: JsonObject) -> None:
        if self._message is None or index != len(self._content):
            _refuse("a content block out of order")
        self._content.append(_block(block))
        self._pieces[index] = {}
        for kind in ("text", "thinking"):
            if block.get("type") == kind and (text := block.get(kind)):
                self._show(Preview(kind, index, text))

    def _continue(self, index: int, delta: JsonObject) -> None:
        if index not in self._pieces:
            _refuse("a piece of a content block that is not open")
        block, kind = self._content[index], str(delta.get("type"))
        if kind in _GROWING:
            self._grow(index, block, delta, kind)
        elif kind == "signature_delta":
            block["signature"] = delta.get("signature")
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta.get("citation")]
        elif kind == "compaction_delta":
            block.update({key: value for key, value in delta.items() if key != "type"})

    def _grow(self, index: int, block: JsonObject, delta: JsonObject, kind: str) -> None:
        source, field, preview = _GROWING[kind]
        piece = delta.get(source, "")
        if not isinstance(piece, str):
            _refuse("a piece of text that is not text")
        self._pieces[index].setdefault(field, []).append(piece)
        if piece:
            name = str(block.get("name")) if preview == "tool_input" else None
            self._show(Preview(preview, index, piece, name))

    def _close(self, index: int, *, cut: bool) -> None:
        if index not in self._pieces:
            _refuse("the end of a content block that is not open")
        block = self._content[index]
        for field, pieces in self._pieces.pop(index).items():
            text = _whole_characters("".join(pieces))
            if field == "input":
                block[field] = _tool_input(text, block.get(field), cut=cut)
            elif isinstance(block.get(field), str | None):
                block[field] = (block.get(field) or "") + text
            else:
                _refuse(f"a {field} that is not text")
        if block.get("type") == "text" and block.get("text") is None:
            block["text"] = ""
        if cut and block.get("type") == "tool_use" and block.get("input") == {}:
            block["input"] = {INVALID_JSON: ""}

    def _update(self, event: JsonObject) -> None:
        if self._message is None:
            _refuse("the end of a message that has not begun")
        self._message.update(_part(event, "delta"))
        self._message.update({key: event[key] for key in event if key not in ("type", "delta", "usage")})
        if event.get("usage") is not None:
            self._count(_part(event, "usage"))

    def _count(self, usage: JsonObject) -> None:
        """Overwrite the counts: they are sums so far. One that is null keeps its old value."""
        message = self._message or {}
        before = _part(message, "usage") if message.get("usage") else {}
        new = {key: count for key, count in usage.items() if count is not None or key not in before}
        message["usage"] = {**before, **new}


def _tool_input(text: str, before: Any, *, cut: bool) -> Any:
    if cut:
        return {INVALID_JSON: text}
    if not text.strip():
        return {} if before is None else before
    try:
        value = json.loads(text, parse_constant=_not_json, parse_float=_finite)
    except (ValueError, RecursionError):
        return {INVALID_JSON: text}
    sound = isinstance(value, dict) and not _is_too_deep(value, text) and _is_unicode(value, text)
    return value if sound else {INVALID_JSON: text}


def _block(block: object) -> JsonObject:
    """Return a copy of a content block whose texts are texts."""
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        _refuse("a content block that is not an object with a type")
    for kind in ("text", "thinking"):
        if block.get("type") == kind and not isinstance(block.get(kind), str | None):
            _refuse(f"a {kind} that is not text")
    if not isinstance(block.get("citations"), list | None):
        _refuse("citations that are not a list")
    return dict(block)


def _check_usage(usage: object) -> None:
    """Refuse counts that are none: they are summed up, and paid for."""
    if not isinstance(usage, dict):
        _refuse("a usage that is not an object")
    for name, value in usage.items():
        if value is None:
            continue
        if name.endswith(("_tokens", "_requests")) and not (isinstance(value, int | float) and value >= 0):
            _refuse("a count that is not a number")
        if name in ("speed", "inference_geo") and not isinstance(value, str):
            _refuse(f"a usage whose {name} is not a word")
        if name in ("cache_creation", "server_tool_use"):
            _check_usage(value)
        if name == "iterations":
            if not isinstance(value, list):
                _refuse("a usage whose iterations are not a list")
            for each in value:
                _check_usage(each)


def _check_calls(content: list[JsonObject]) -> None:
    calls = [block for block in content if block.get("type") == "tool_use"]
    for call in calls:
        if not isinstance(call.get("id"), str) or not isinstance(call.get("name"), str):
            _refuse("a tool call without an id or a name")
        if not isinstance(call.get("input"), dict):
            call["input"] = {INVALID_JSON: exact_json(call.get("input"))}
    if any(count > 1 for count in Counter(call["id"] for call in calls).values()):
        # Two calls with one id cannot be told apart when their results are sent.
        _refuse("two tool calls with the same id")


def _whole_characters(text: str) -> str:
    """Join surrogates that were split between pieces; one that stays alone becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _is_unicode(value: object, text: str) -> bool:
    r"""Say whether a value can be sent: JSON may hold ``\ud800`` alone, and UTF-8 cannot."""
    if "\\u" not in text:
        return True
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_too_deep(value: object, text: str) -> bool:
    """Say whether a value is nested so deeply that walking it could exhaust the stack later."""
    if text.count("[") + text.count("{") <= _MAX_DEPTH:
        return False
    level: list[object] = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _not_json(text: str) -> NoReturn:
    raise ValueError(text)


def _part(event: JsonObject, name: str) -> JsonObject:
    part = event.get(name)
    if not isinstance(part, dict):
        _refuse(f"an event without its {name}")
    return part


def _index(event: JsonObject) -> int:
    index = event.get("index")
    if not isinstance(index, int):
        _refuse("an event without its index")
    return index


def _refuse(what: str) -> NoReturn:
    raise ModelError(f"the model's answer holds {what}", kind="protocol_error", retryable=True)
