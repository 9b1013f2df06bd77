"""Transcripts of Claude Code: ``~/.claude/projects/<folder>/<session>.jsonl``.

A line is an object with a ``type``. Lines of type ``user`` and ``assistant`` carry a message of the API;
those of one answer share ``message.id`` and hold one block each, with the usage repeated. Results of
calls stand in lines of type ``user``; what a person wrote while the model was at work, in an ``attachment``.
A sub-agent's lines (``isSidechain``) are between the others in older versions, and in a file of their own
since, which is a session by itself. Whatever else there is (snapshots, titles, progress, hooks) is kept as it
is. The format is not documented and changes; nothing here needs more of it than that.
"""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.exchange.blocks import blocks_of
from agentctl.exchange.claude_lines import (
    Answer,
    answers_of,
    is_aside,
    is_of_subagent,
    key_of,
    message_of,
    name_of,
    sound,
    tell_gaps,
    title_of,
    usage_of,
)
from agentctl.exchange.drafting import Drafter
from agentctl.exchange.lines import NumberedLine
from agentctl.exchange.origin import Foreign, Origin

FORMAT = "Claude Code"

_TOLD = ("type", "message", "timestamp")
"""Members of a line that its events say."""

_REPEATED = ("sessionId", "version", "cwd", "userType", "gitBranch", "isSidechain", "entrypoint", "slug", "agentId")
"""Members that lines have in common: kept where they change."""

_RESULT = {"type", "tool_use_id", "content", "is_error"}
_SHOWN = ("text", "tool_use", "thinking", "redacted_thinking")
_INTERRUPTED = "[Request interrupted by user"
_SYNTHETIC = "<synthetic>"
_TURN_END = "turn_duration"
_NO_FAILURE = "No response requested."


def is_claude_code(lines: Sequence[NumberedLine]) -> bool:
    """Say whether these are lines of such a transcript."""
    return any(message_of(body) is not None and isinstance(body.get("sessionId"), str) for _, body in lines)


def read_claude_code(lines: Sequence[NumberedLine], origin: Origin) -> Foreign:
    """Put a session together from a transcript."""
    return _Reader(lines, origin).read()


class _Reader:
    def __init__(self, lines: Sequence[NumberedLine], origin: Origin) -> None:
        self._lines = lines
        self._is_whole = is_of_subagent(lines)
        self._draft = Drafter(origin.session_id("claude-code", name_of(lines, origin.name)), origin)
        self._draft.title = title_of(lines)
        self._answers = answers_of(lines, aside=self._is_whole)
        asides = {} if self._is_whole else answers_of(lines, aside=True)
        tell_gaps(origin, lines, [*self._answers.values(), *asides.values()])
        self._asides = {answer.lines[-1]: answer for key, answer in asides.items() if key not in self._answers}
        self._told: set[str] = set()
        self._repeated: JsonObject = {}

    def read(self) -> Foreign:
        """Go through the lines once."""
        for number, body in self._lines:
            self._learn(body)
            left = self._add(number, body)
            if left:
                self._draft.other(number, left, body.get("timestamp"))
            if (answer := self._asides.get(number)) is not None:
                self._count_aside(answer)
        return self._draft.finish()

    def _learn(self, body: JsonObject) -> None:
        more = self._draft.origin.more
        if isinstance(body.get("cwd"), str) and not self._draft.place:
            self._draft.place = body["cwd"]
        if isinstance(body.get("version"), str):
            more.setdefault("version", body["version"])
        if isinstance(body.get("gitBranch"), str) and body["gitBranch"]:
            more.setdefault("git_branch", body["gitBranch"])
        if self._is_whole and isinstance(body.get("sessionId"), str):
            more.setdefault("subagent_of", body["sessionId"])

    def _add(self, number: int, body: JsonObject) -> JsonObject:
        """Take a line; return what of it is to be kept beside."""
        if body.get("type") == "attachment":
            return self._add_attachment(body)
        if body.get("type") == "system" and body.get("subtype") == _TURN_END:
            self._draft.stop()
        message = message_of(body)
        if message is None or is_aside(body) is not self._is_whole:
            return body
        if body["type"] == "assistant":
            return self._add_answer(number, body, message) if isinstance(message.get("content"), list) else body
        return self._add_message(body, message)

    def _add_answer(self, number: int, body: JsonObject, message: JsonObject) -> JsonObject:
        if message.get("model") == _SYNTHETIC:
            return self._add_notice(body, message)
        found = self._answers.get(key_of(body, message))
        if found is None or number not in found.lines:  # it is there twice
            return body
        if number == found.lines[0]:
            whole = found.message
            blocks = [block for block in whole["content"] if block["type"] in _SHOWN]
            self._draft.answer(blocks, str(whole.get("model") or ""), found.time, usage=usage_of(whole), message=whole)
        return self._rest(body)

    def _add_notice(self, body: JsonObject, message: JsonObject) -> JsonObject:
        """Take what the program itself wrote in the model's place: that the API failed, or that nothing was asked."""
        text = " ".join(str(sound(block).get("text", "")) for block in message["content"])
        if text.strip() != _NO_FAILURE and self._is_new(body):
            self._draft.failed(text, body.get("timestamp"))
        return body

    def _add_message(self, body: JsonObject, message: JsonObject) -> JsonObject:
        content, time = message.get("content"), body.get("timestamp")
        if not self._is_new(body):
            return body
        if body.get("isCompactSummary"):
            self._draft.compacted(time)
            return body
        blocks = content if isinstance(content, list) else blocks_of(content)
        results = [block for block in blocks if isinstance(block, dict) and block.get("type") == "tool_result"]
        said = blocks_of([block for block in blocks if block not in results])
        strays = [block for block in results if not self._add_result(block, time)]
        if body.get("isMeta"):  # the program's own words, in the name of the user
            return body
        if said and str(said[0].get("text", "")).startswith(_INTERRUPTED):
            self._draft.interrupt(time)
            return body
        if said:
            self._draft.user(said, time)
        is_told = message.keys() <= {"role", "content"} and all(block.keys() <= _RESULT for block in results)
        return self._rest(body) if is_told and not strays else body

    def _add_attachment(self, body: JsonObject) -> JsonObject:
        """Take what was written while the model was at work and went into the turn; keep any other attachment."""
        given = body.get("attachment")
        if isinstance(given, dict) and given.get("type") == "queued_command" and is_aside(body) is self._is_whole:
            said = blocks_of(given.get("prompt"))
            if said and self._is_new(body):
                self._draft.user(said, body.get("timestamp"))
        return body

    def _add_result(self, block: JsonObject, time: str | None) -> bool:
        content = blocks_of(block.get("content"))
        return self._draft.result(block.get("tool_use_id"), content, time, is_error=bool(block.get("is_error")))

    def _count_aside(self, answer: Answer) -> None:
        usage, model = usage_of(answer.message), answer.message.get("model")
        if usage is not None and isinstance(model, str) and model != _SYNTHETIC:
            self._draft.aside(model, usage, answer.lines[-1], answer.time)

    def _is_new(self, body: JsonObject) -> bool:
        """Say whether a line is there for the first time: one that is resumed can hold what was said twice."""
        name = body.get("uuid")
        if not isinstance(name, str):
            return True
        key = f"line {name}"
        is_new = key not in self._told
        self._told.add(key)
        return is_new

    def _rest(self, body: JsonObject) -> JsonObject:
        """Return what of a line no event says, without what the line before has said already."""
        rest = {
            name: value
            for name, value in body.items()
            if name not in _TOLD and not (name in _REPEATED and self._repeated.get(name, body) == value)
        }
        self._repeated.update((name, value) for name, value in body.items() if name in _REPEATED)
        time = body.get("timestamp")
        return rest if time is None or self._draft.shows(time) else {"timestamp": time, **rest}
