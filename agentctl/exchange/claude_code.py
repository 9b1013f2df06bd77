"""Transcripts of Claude Code: ``~/.claude/projects/<folder>/<session>.jsonl``.

A line is an object with a ``type``. Lines of type ``user`` and ``assistant`` carry a message of the API;
those of one answer share ``message.id`` and hold one block each, with the usage repeated. Results of
calls stand in lines of type ``user``. Whatever else there is (snapshots, titles, queues, the threads of
sub-agents) is kept as it is. The format is not documented and changes; nothing here needs more of it
than that.
"""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.events.agent import AgentThreadContextCompacted
from agentctl.exchange.drafting import Drafter, Foreign, Origin, blocks_of
from agentctl.exchange.lines import NumberedLine

FORMAT = "Claude Code"

_TITLES = {"ai-title": "aiTitle", "custom-title": "customTitle", "summary": "summary"}
_ENVELOPE = {"type", "message", "timestamp", "sessionId", "version", "cwd", "userType", "gitBranch", "isSidechain"}
_NEEDED: dict[str, dict[str, type]] = {"tool_use": {"id": str, "name": str, "input": dict}, "text": {"text": str}}
_SHOWN = ("text", "tool_use", "thinking", "redacted_thinking")
_INTERRUPTED = "[Request interrupted by user"
_SYNTHETIC = "<synthetic>"


def is_claude_code(lines: Sequence[NumberedLine]) -> bool:
    """Say whether these are lines of such a transcript."""
    return any(
        body.get("type") in ("user", "assistant") and isinstance(body.get("message"), dict) and "sessionId" in body
        for _, body in lines
    )


def read_claude_code(lines: Sequence[NumberedLine], origin: Origin) -> Foreign:
    """Put a session together from a transcript."""
    name = next(str(body["sessionId"]) for _, body in lines if isinstance(body.get("sessionId"), str))
    return _Reader(lines, name, origin).read()


class _Reader:
    def __init__(self, lines: Sequence[NumberedLine], name: str, origin: Origin) -> None:
        self._lines = lines
        self._draft = Drafter(f"claude-code-{name}".lower()[:64], origin)
        self._answers = _answers(lines)
        self._told: set[str] = set()

    def read(self) -> Foreign:
        """Go through the lines once."""
        for number, body in self._lines:
            self._learn(body)
            left = self._add(body)
            if left:
                self._draft.other(number, left, body.get("timestamp"))
        return self._draft.finish()

    def _learn(self, body: JsonObject) -> None:
        if isinstance(title := body.get(_TITLES.get(str(body.get("type")), "")), str):
            self._draft.title = title[:500]
        if isinstance(body.get("cwd"), str) and not self._draft.place:
            self._draft.place = body["cwd"]
        if isinstance(body.get("version"), str):
            self._draft.origin.more.setdefault("version", body["version"])

    def _add(self, body: JsonObject) -> JsonObject:
        """Take a line; return what of it is to be kept beside."""
        message = body.get("message")
        if not isinstance(message, dict) or body.get("isSidechain") or body.get("isMeta"):
            return body
        if body.get("type") == "assistant" and isinstance(message.get("content"), list):
            return self._add_answer(body, message)
        if body.get("type") == "user":
            return self._add_message(body, message)
        return body

    def _add_answer(self, body: JsonObject, message: JsonObject) -> JsonObject:
        key, time, rest = _key(body, message), body.get("timestamp"), _rest(body)
        if key in self._told:
            return {}
        self._told.add(key)
        if message.get("model") == _SYNTHETIC:
            self._draft.failed(" ".join(str(_sound(block).get("text", "")) for block in message["content"]), time)
            return body
        if key not in self._answers:  # a line that was written once more, as another answer
            return body
        whole, last = self._answers[key]
        blocks = [block for block in whole["content"] if block["type"] in _SHOWN]
        usage = whole.get("usage") if isinstance(whole.get("usage"), dict) else None
        self._draft.answer(blocks, str(whole.get("model") or ""), last, usage=usage, message=whole)
        return rest

    def _add_message(self, body: JsonObject, message: JsonObject) -> JsonObject:
        content, time = message.get("content"), body.get("timestamp")
        if body.get("isCompactSummary"):
            self._draft.event(AgentThreadContextCompacted, time)
            return body
        blocks = content if isinstance(content, list) else blocks_of(content)
        results = [block for block in blocks if isinstance(block, dict) and block.get("type") == "tool_result"]
        said = blocks_of([block for block in blocks if block not in results])
        strays = [block for block in results if not self._add_result(block, time)]
        if said and str(said[0].get("text", "")).startswith(_INTERRUPTED):
            self._draft.interrupt(time)
        elif said:
            self._draft.user(said, time)
        return body if strays else _rest(body)

    def _add_result(self, block: JsonObject, time: str | None) -> bool:
        content = blocks_of(block.get("content"))
        return self._draft.result(block.get("tool_use_id"), content, time, is_error=bool(block.get("is_error")))


def _answers(lines: Sequence[NumberedLine]) -> dict[str, tuple[JsonObject, str | None]]:
    """Put each answer together from its lines: all blocks, each once, and the usage and time of the last line."""
    found: dict[str, tuple[JsonObject, str | None]] = {}
    seen: set[str] = set()
    for _, body in lines:
        message = body.get("message")
        if body.get("type") != "assistant" or body.get("isSidechain") or not isinstance(message, dict):
            continue
        name = body["uuid"] if isinstance(body.get("uuid"), str) else None
        if not isinstance(message.get("content"), list) or name in seen:
            continue
        seen |= {name} if name else set()
        key = _key(body, message)
        former = found[key][0]["content"] if key in found else []
        new = [block for block in map(_sound, message["content"]) if block not in former]
        found[key] = ({**message, "content": [*former, *new]}, body.get("timestamp"))
    return found


def _sound(block: object) -> JsonObject:
    """Return a block of an answer as one that can be shown."""
    if isinstance(block, dict):
        kind = block.get("type")
        needed = _NEEDED.get(str(kind), {})
        if isinstance(kind, str) and all(isinstance(block.get(name), like) for name, like in needed.items()):
            return block
    return {"type": "unknown", "value": block}


def _key(body: JsonObject, message: JsonObject) -> str:
    return str(message.get("id") or body.get("uuid") or id(body))


def _rest(body: JsonObject) -> JsonObject:
    return {name: value for name, value in body.items() if name not in _ENVELOPE}
