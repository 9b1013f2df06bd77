"""Transcripts of Codex CLI: ``~/.codex/sessions/YYYY/MM/DD/rollout-….jsonl``.

A line is ``{"timestamp", "type", "payload"}``: ``session_meta`` first, ``turn_context`` before a turn,
``response_item`` for what goes to the model and comes from it, ``event_msg`` for what its own display
shows. Versions before autumn 2025 wrote the payloads alone. The items say what happened; of the display's
messages only what the items lack is taken: usage, how calls ended, turns. Everything else is kept as it is.
"""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.events.content import text_block
from agentctl.exchange.codex_items import CALLS, OUTPUTS, SERVED, End, call_of, content_of, end_of, output_of
from agentctl.exchange.codex_people import People
from agentctl.exchange.drafting import Drafter
from agentctl.exchange.lines import Damaged, NumberedLine
from agentctl.exchange.origin import Foreign, Origin

FORMAT = "Codex CLI"

_TYPES = ("session_meta", "response_item", "event_msg", "turn_context", "compacted")
_BARE = ("message", "reasoning", *CALLS, *OUTPUTS)
_HEADER = {"id", "timestamp", "instructions"}
_ENVELOPE = ("timestamp", "ordinal", "type", "payload")
_TURN_ENDS = ("task_complete", "turn_complete")
_STOPPED_BY_PEOPLE = ("interrupted", "replaced")


def is_codex(lines: Sequence[NumberedLine]) -> bool:
    """Say whether these are lines of such a transcript."""
    return any(_is_wrapped(body) for _, body in lines) or _is_bare(lines)


def read_codex(lines: Sequence[NumberedLine], origin: Origin) -> Foreign:
    """Put a session together from a transcript."""
    if not any(_is_wrapped(body) for _, body in lines):
        lines = [(number, _wrapped(body)) for number, body in lines]
    # A fork begins with its own header; those of what it was forked from are copied behind it.
    metas = (body["payload"] for _, body in lines if body.get("type") == "session_meta" and _is_wrapped(body))
    return _Reader(lines, next(metas, {}), origin).read(lines)


class _Reader:
    def __init__(self, lines: Sequence[NumberedLine], meta: JsonObject, origin: Origin) -> None:
        self._draft = Drafter(origin.session_id("codex", str(meta.get("id") or "")), origin)
        self._learn(meta)
        payloads = [body["payload"] for _, body in lines if _is_wrapped(body)]
        self._people = People(lines)
        self._ends: dict[str, End] = dict(found for each in payloads if (found := end_of(each)) is not None)
        self._draft.tells_turns = any(each.get("type") in _TURN_ENDS for each in payloads)
        self._has_records = any(body.get("type") == "token_usage_record" for _, body in lines)
        self._model = ""
        self._blocks: list[JsonObject] = []
        self._blocks_time: str | None = None
        self._served: list[tuple[str, bool]] = []
        self._total: object = None

    def read(self, lines: Sequence[NumberedLine]) -> Foreign:
        """Go through the lines once."""
        for number, body in lines:
            time = body.get("timestamp")
            told = self._take(number, body, time) if _is_wrapped(body) else None
            if left := self._left(body, told, time):
                self._draft.other(number, left, time)
        self._flush()
        return self._draft.finish()

    def _learn(self, meta: JsonObject) -> None:
        more, git = self._draft.origin.more, meta.get("git")
        self._draft.place = str(meta.get("cwd") or "")
        found = {
            "version": meta.get("cli_version"),
            "git_branch": git.get("branch") if isinstance(git, dict) else None,
            "subagent_of": meta.get("parent_thread_id"),
            "forked_from": meta.get("forked_from_id"),
        }
        more.update((name, value) for name, value in found.items() if isinstance(value, str))

    def _take(self, number: int, body: JsonObject, time: str | None) -> tuple[str, ...] | None:
        """Take a line; return the members of its payload that events say, None where they do not say the line."""
        payload = body["payload"]
        match body.get("type"), payload.get("type"):
            case "turn_context", _:
                self._flush()
                self._model = str(payload.get("model") or self._model)
                self._draft.place = self._draft.place or str(payload.get("cwd") or "")
            case "compacted", _:
                self._flush()
                self._draft.compacted(time)
            case "token_usage_record", _:
                self._count(payload.get("usage"), number, time)
            case "response_item", str(item):
                return self._take_item(item, payload, number, time)
            case "event_msg", str(message):
                self._take_message(message, payload, number, time)
        return None

    def _take_item(self, item: str, payload: JsonObject, number: int, time: str | None) -> tuple[str, ...] | None:
        if item == "message":
            return self._take_words(payload, time)
        if item == "reasoning":
            self._hold({"type": "thinking"}, time)
        elif item in CALLS:
            block, told = call_of(payload, f"line {number}")
            self._hold(block, time)
            if item in SERVED:
                self._served.append((block["id"], payload.get("status") == "failed"))
            return told
        elif item in OUTPUTS:
            self._flush()
            content, facts, has_failed, is_all = output_of(payload)
            end = self._ends.get(str(payload.get("call_id")), End(False, {}))
            is_error = has_failed or end.is_error
            taken = self._draft.result(payload.get("call_id"), content, time, is_error=is_error, **end.facts, **facts)
            return ("type", "call_id", "output", "tools") if taken and is_all else None
        return None

    def _take_words(self, payload: JsonObject, time: str | None) -> tuple[str, ...] | None:
        content = content_of(payload.get("content"))
        if payload.get("role") == "assistant":
            for block in content:
                self._hold(block if block["type"] == "text" else text_block(str(block)), time)
        elif payload.get("role") == "user" and content and self._people.said(payload):
            self._flush()
            self._draft.user(content, time)
        else:
            return None
        return ("type", "role", "content")

    def _take_message(self, message: str, payload: JsonObject, number: int, time: str | None) -> None:
        info = payload.get("info")
        if message == "token_count" and isinstance(info, dict) and not self._has_records:
            if info.get("total_token_usage") != self._total:
                self._total = info.get("total_token_usage")
                self._count(info.get("last_token_usage"), number, time)
        elif message in _TURN_ENDS:
            self._flush()
            self._draft.stop()
        elif message == "turn_aborted":
            self._flush()
            if payload.get("reason", "interrupted") in _STOPPED_BY_PEOPLE:
                self._draft.interrupt(time)
            self._draft.stop()
        elif message == "error":
            self._flush()
            self._draft.failed(str(payload.get("message")), time)

    def _count(self, used: object, number: int, time: str | None) -> None:
        """Take what a request took: that of the last answer, or else of one that is not in the transcript."""
        self._flush()
        if not isinstance(used, dict):
            return
        counts = {name: value for name, value in used.items() if isinstance(value, int)}
        cached = counts.get("cached_input_tokens", 0)
        usage = {
            "input_tokens": max(0, counts.get("input_tokens", 0) - cached),
            "cache_read_input_tokens": cached,
            "output_tokens": counts.get("output_tokens", 0),
        }
        if not self._draft.count(usage) and any(usage.values()):
            self._draft.aside(self._model, usage, number, time)

    def _left(self, body: JsonObject, told: tuple[str, ...] | None, time: str | None) -> JsonObject:
        """Return what of a line no event says."""
        if told is None:
            return body
        payload = {name: value for name, value in body["payload"].items() if name not in told and value is not None}
        rest = {name: value for name, value in body.items() if name not in _ENVELOPE}
        if payload:
            rest["payload"] = payload
        # An answer has the time of its last item, and what is kept of an item that item's.
        is_told = bool(rest) if self._blocks else self._draft.shows(time)
        return rest if is_told or time is None else {"timestamp": time, **rest}

    def _hold(self, block: JsonObject, time: str | None) -> None:
        """Wait for the rest of an answer: its items come one by one."""
        self._blocks.append(block)
        self._blocks_time = time

    def _flush(self) -> None:
        if self._blocks:
            self._draft.answer(self._blocks, self._model, self._blocks_time)
            self._blocks = []
        for call_id, has_failed in self._served:
            self._draft.served(call_id, has_failed=has_failed)
        self._served = []


def _is_wrapped(body: JsonObject) -> bool:
    return body.get("type") in (*_TYPES, "token_usage_record") and isinstance(body.get("payload"), dict)


def _is_bare(lines: Sequence[NumberedLine]) -> bool:
    """Say whether these are lines of a version that wrote payloads alone, a header before them."""
    sound = [body for _, body in lines if not isinstance(body, Damaged)]
    return bool(sound) and sound[0].keys() >= _HEADER and any(body.get("type") in _BARE for body in sound)


def _wrapped(body: JsonObject) -> JsonObject:
    if isinstance(body, Damaged):
        return body
    if body.get("type") in _BARE:
        return {"timestamp": body.get("timestamp"), "type": "response_item", "payload": body}
    if "type" not in body and "id" in body:
        return {"timestamp": body.get("timestamp"), "type": "session_meta", "payload": body}
    return body
