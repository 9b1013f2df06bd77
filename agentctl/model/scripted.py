"""A model that answers from a script: for demos without a key, examples and tests.

Which turn is played depends on the request alone: it is the one after the answers that the
conversation already holds. So a session goes on where it was when its process was killed, and a
fork plays on from where it branched. It fails loudly as soon as the run leaves the script.
"""

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agentctl.canonical import JsonObject, exact_json, sha256_hex
from agentctl.errors import ModelError
from agentctl.model.base import ModelRequest, ModelResponse, Preview, ShowPreview
from agentctl.model.script import Expectation, Script, Turn, read_script
from agentctl.visible import visible_line

_CHARACTERS_PER_TOKEN = 4
_LONGEST_QUOTE = 200
_WORDS = re.compile(r"\s*\S+\s*")
_JSON_PIECE = 40


class ScriptedModel:
    """Plays a script. ``sleep`` waits between the pieces of turns that take time to type."""

    def __init__(self, script: Script, sleep: Callable[[float], None] = time.sleep) -> None:
        self._script = script
        self._sleep = sleep
        self._is_cancelled = False

    @classmethod
    def open(cls, path: Path) -> "ScriptedModel":
        """Read the script of a file. Raises DefinitionError or NotFoundError."""
        return cls(read_script(path))

    def respond(self, request: ModelRequest, show: ShowPreview) -> ModelResponse:
        """Give the answer that follows in the script.

        Raises ModelError of the kind ``script_error`` when the request is not what the script
        expects, or when there is no more to play.
        """
        self._is_cancelled = False
        number = turn_number(request.body)
        if "compaction" in request.body:
            message = _summarised(self._script, number, request.body)
            return ModelResponse(exact_json(message), message, _id("req", self._script, number))
        message = {**answer(self._script, request.body), "model": f"script:{self._script.name}"}
        pieces = list(_previews(message["content"]))
        pause = self._script.turns[number].typing_seconds / max(1, len(pieces))
        for piece in pieces:
            if pause:
                self._sleep(pause)
            if self._is_cancelled:
                raise ModelError("the answer was cancelled", kind="stream_cut_error", retryable=True)
            show(piece)
        return ModelResponse(exact_json(message), message, _id("req", self._script, number))

    def cancel(self) -> None:
        """End the answer that is being given before its next piece."""
        self._is_cancelled = True

    def close(self) -> None:
        """Nothing is held."""


def turn_number(body: JsonObject) -> int:
    """Return which turn answers a request, counted from 0: one for each answer already given.

    A summary stands for so many of them as it says.
    """
    answers = [message["content"] for message in body["messages"] if message["role"] == "assistant"]
    summaries = [content[0] for content in answers if _is_summary(content)]
    return len(answers) - len(summaries) + sum(int(block["encrypted_content"]) for block in summaries)


def _is_summary(content: object) -> bool:
    return isinstance(content, list) and bool(content) and content[0]["type"] == "compaction"


def _summarised(script: Script, number: int, body: JsonObject) -> JsonObject:
    """Return a message with a summary in place of an answer; it knows how many answers it stands for."""
    text = f"The first {number} answers of the script {script.name} were given."
    block = {
        "type": "compaction",
        "content": text,
        "signature": base64.b64encode(hashlib.sha512(text.encode()).digest()).decode(),
        "encrypted_content": str(number),
    }
    return {
        "id": _id("msg", script, number, -1),
        "type": "message",
        "role": "assistant",
        "model": f"script:{script.name}",
        "content": [block],
        "stop_reason": "compaction",
        "stop_sequence": None,
        "usage": {
            **dict.fromkeys(("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"), 0),
            "output_tokens": 0,
            "iterations": [{"type": "compaction", **_usage(body, [block])}],
        },
    }


def answer(script: Script, body: JsonObject) -> JsonObject:
    """Return the message that a script gives to the body of a request; raises ModelError."""
    number = turn_number(body)
    if number >= len(script.turns):
        raise _left(script, number, f"the script ends after {len(script.turns)}")
    turn = script.turns[number]
    _check_expectation(script, number, turn.expect, body)
    _check_tools(script, number, turn, body)
    content = list(_content(script, number, turn))
    return {
        "id": _id("msg", script, number),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": turn.stop_reason,
        "stop_sequence": None,
        "usage": {**_usage(body, content), **turn.usage},
    }


def _content(script: Script, number: int, turn: Turn) -> Iterator[JsonObject]:
    if turn.thinking is not None:
        seal = hashlib.sha512(f"{script.name}/{number}/{turn.thinking}".encode()).digest()
        signature = base64.b64encode(seal).decode()
        yield {"type": "thinking", "thinking": turn.thinking, "signature": signature}
    if turn.text is not None:
        yield {"type": "text", "text": turn.text}
    for place, call in enumerate(turn.tools):
        call_id = _id("toolu", script, number, place)
        yield {"type": "tool_use", "id": call_id, "name": call.name, "input": call.input}


def _id(prefix: str, script: Script, *numbers: int) -> str:
    name = "/".join((prefix, script.name, *map(str, numbers)))
    return f"{prefix}_{sha256_hex(name)[:24]}"


def _check_tools(script: Script, number: int, turn: Turn, body: JsonObject) -> None:
    offered = {tool.get("name") for tool in body.get("tools", ())}
    for call in turn.tools:
        if call.name not in offered:
            names = ", ".join(sorted(map(str, offered))) or "none"
            raise _left(script, number, f"it calls {call.name}, but the tools offered are: {names}")


def _check_expectation(script: Script, number: int, expect: Expectation, body: JsonObject) -> None:
    if _is_summary(body["messages"][-1]["content"]):
        return  # what the turn expects is in the summary
    news = _news(body["messages"])
    results = [block for block in news if block["type"] == "tool_result"]
    written = "\n".join(block["text"] for block in news if block["type"] == "text")
    returned = "\n".join(map(_result_text, results))
    if expect.tool_results is not None and expect.tool_results != len(results):
        wanted = f"expected {expect.tool_results} tool results, and {len(results)} came"
        raise _left(script, number, wanted)
    for text in expect.user_text:
        _check_text(script, number, "what the person wrote", text, written)
    for text in expect.result_text:
        _check_text(script, number, "the tool results", text, returned)
    if expect.is_error is not None:
        _check_errors(script, number, expect.is_error, results)


def _check_text(script: Script, number: int, where: str, expected: str, came: str) -> None:
    if expected not in came:
        wanted = f"expected {where} to contain {_quoted(expected)}, but got {_quoted(came)}"
        raise _left(script, number, wanted)


def _check_errors(script: Script, number: int, expected: bool, results: Sequence[JsonObject]) -> None:
    for result in results:
        if bool(result.get("is_error")) != expected:
            wanted = "an error" if expected else "no error"
            came = f"expected {wanted}, but got {_quoted(_result_text(result))}"
            raise _left(script, number, came)
    if not results:
        raise _left(script, number, "expected tool results, and none came")


def _left(script: Script, number: int, what: str) -> ModelError:
    return ModelError(
        f"the run left the script {script.name} at turn {number + 1}: {what}",
        kind="script_error",
        hint="`agentctl show` tells what the session did up to here",
    )


def _news(messages: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the blocks of the messages that came after the last answer."""
    blocks: list[JsonObject] = []
    for message in messages:
        if message["role"] == "assistant":
            blocks = []
        elif isinstance(message["content"], str):
            blocks.append({"type": "text", "text": message["content"]})
        else:
            blocks += message["content"]
    return blocks


def _result_text(result: JsonObject) -> str:
    content = result.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def _quoted(text: str) -> str:
    cut = text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
    return f'"{visible_line(cut)}"'


def _usage(body: JsonObject, content: Sequence[JsonObject]) -> JsonObject:
    """Estimate the tokens of a request and its answer, as if the cache had held what came before."""
    messages = body["messages"]
    answers = [place for place, each in enumerate(messages) if each["role"] == "assistant"]
    known = {**body, "messages": messages[: answers[-1]]} if answers else None
    total, read = _tokens(body), _tokens(known) if known else 0
    written = max(0, total - read)
    return {
        "input_tokens": min(3, total),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": _tokens(content),
    }


def _tokens(value: object) -> int:
    return max(1, len(exact_json(value)) // _CHARACTERS_PER_TOKEN)


def _previews(content: Sequence[JsonObject]) -> Iterator[Preview]:
    for index, block in enumerate(content):
        match block["type"]:
            case "text" | "thinking" as kind:
                for piece in _WORDS.findall(block[kind]):
                    yield Preview(kind, index, piece)
            case "tool_use":
                text = exact_json(block["input"])
                for start in range(0, len(text), _JSON_PIECE):
                    piece = text[start : start + _JSON_PIECE]
                    yield Preview("tool_input", index, piece, block["name"])
