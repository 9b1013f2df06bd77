"""Events without secrets: what is stored, told to listeners and sent to the model is the redacted one, everywhere.

Thinking is signed over everything before it. So where an answer of the model holds a secret, the
thinking that stands in it at that place or behind it is left out, and everything before stays as
it was; what is asked later is asked on top of the redacted answer.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from agentctl.canonical import JsonObject, exact_json
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import LocalCompactionResponse, LocalModelResponse
from agentctl.events.preview import Preview
from agentctl.redaction import Redactor
from agentctl.session.log import EventLog, Listener, Record

_SIGNED = ("thinking", "redacted_thinking")


class RedactedLog:
    """A log that nothing is appended to but what a redactor has gone over."""

    def __init__(self, log: EventLog, redactor: Redactor) -> None:
        self._log = log
        self._redactor = redactor

    def append(self, session_id: str, events: Sequence[Event]) -> Sequence[Record]:
        """Store events without their secrets, as ``EventLog`` promises it."""
        return self._log.append(session_id, [redacted(event, self._redactor) for event in events])

    def read(self, session_id: str, *, after: int = 0) -> Iterator[Record]:
        """Yield the events behind number ``after``, as they were stored."""
        return self._log.read(session_id, after=after)


class RedactedPreviews:
    """A listener in front of another one, which hears no secret in what is being written.

    A piece that may be the beginning of a secret is shown with the one that follows it.
    """

    def __init__(self, listener: Listener, redactor: Redactor) -> None:
        self._listener = listener
        self._redactor = redactor
        self._stream = redactor.stream()
        self._last: Preview | None = None

    def learn(self, record: Record) -> None:
        """Pass on an event of the past; the log has redacted it."""
        self._listener.learn(record)

    def record(self, record: Record) -> None:
        """Pass on an event; the log has redacted it."""
        self._flush()
        self._listener.record(record)

    def preview(self, preview: Preview) -> None:
        """Pass on what can be told of a piece by now."""
        if self._last is not None and (self._last.kind, self._last.index) != (preview.kind, preview.index):
            self._flush()
        self._last = preview
        if preview.text == "" or (ready := self._stream.feed(preview.text)):
            self._listener.preview(replace(preview, text=ready if preview.text else ""))

    def _flush(self) -> None:
        held, last, self._last = self._stream.end(), self._last, None
        if held and last is not None:
            self._listener.preview(replace(last, text=held))


def redacted(event: Event, redactor: Redactor) -> Event:
    """Return an event without secrets: the same one where it holds none."""
    if redactor.is_empty:
        return event
    changed: dict[str, Any] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name == "raw" and isinstance(event, LocalModelResponse | LocalCompactionResponse):
            clean: Any = _answer(value, redactor)
        else:
            clean = _without_broken_files(redactor.json(value), value)
        if clean is not value:
            changed[field.name] = clean
    return replace(event, **changed) if changed else event


def _answer(raw: str, redactor: Redactor) -> str:
    """Redact a message of the model, which is JSON in a text."""
    message = json.loads(raw)
    clean = redactor.json(message)
    if clean is message:
        return raw
    content = [
        new
        for new, is_spoilt in _with_marks(clean.get("content", []), message.get("content", []))
        if not (is_spoilt and isinstance(new, dict) and new.get("type") in _SIGNED)
    ]
    return exact_json(clean | {"content": content})


def _with_marks(clean: list[Any], given: list[Any]) -> Iterator[tuple[Any, bool]]:
    """Yield each block with whether it or one before it was changed."""
    is_spoilt = False
    for new, old in zip(clean, given, strict=True):
        is_spoilt = is_spoilt or new is not old
        yield new, is_spoilt


def _without_broken_files(clean: Any, given: Any) -> Any:
    """Replace images and documents that a mark has broken by words, for a model refuses what it cannot read."""
    if clean is given:
        return clean
    if isinstance(clean, list):
        return [_without_broken_files(new, old) for new, old in zip(clean, given, strict=True)]
    if isinstance(clean, dict):
        if _is_file(clean) and clean["source"] is not given.get("source"):
            return text_block(f"[this {clean['type']} held a secret and was left out]")
        return _rebuilt(clean, given)
    return clean


def _is_file(block: JsonObject) -> bool:
    source = block.get("source")
    return block.get("type") in ("image", "document") and isinstance(source, dict) and source.get("type") == "base64"


def _rebuilt(clean: JsonObject, given: JsonObject) -> JsonObject:
    return {key: _without_broken_files(item, given[key]) if key in given else item for key, item in clean.items()}
