"""Events as JSON, one line each, and the result as the last line."""

import json
from collections.abc import Callable

from agentctl.canonical import JsonObject
from agentctl.events.codec import encode
from agentctl.events.preview import Preview
from agentctl.session.log import Record
from agentctl.session.result import Result
from agentctl.visible import visible_json


def json_line(value: object) -> str:
    """Write a JSON value as one line of UTF-8 text; what a terminal would obey is escaped, so nothing is lost."""
    return visible_json(json.dumps(value, ensure_ascii=False, separators=(", ", ": "))) + "\n"


def result_body(result: Result, status: str | None = None) -> JsonObject:
    """Write the result object of a record that is looked at.

    ``status`` corrects the record's own. The exit code is null while nobody knows it: the session
    runs, has not begun, or the process that ran it was killed.
    """
    body = result.body()
    if status is not None:
        body["status"] = status
    is_known = result.signal is not None or (result.stop_reason is not None and body["status"] == "idle")
    return body if is_known else body | {"exit_code": None}


class JsonlRenderer:
    """One line for each event that is stored, unless only the result is wanted; then the result."""

    def __init__(self, write: Callable[[str], None], *, events: bool = True) -> None:
        self.result = Result()
        self._write = write
        self._events = events

    def record(self, record: Record) -> None:
        """Write the event."""
        self.learn(record)
        if self._events:
            self._write(json_line(encode(record.event)))

    def learn(self, record: Record) -> None:
        """Count the event into the result."""
        self.result = self.result.after(record.event)

    def preview(self, preview: Preview) -> None:
        """Half-typed text is not an event."""

    def progress(self, line: str) -> None:
        """What a preparation does is not an event."""

    def pause(self) -> None:
        """Nothing moves."""

    def finish(self, status: str | None = None, *, whole: bool = True) -> None:  # noqa: ARG002 - it is said by its stop
        """Write the result object, of what was heard."""
        self._write(json_line(result_body(self.result, status)))

    def close(self) -> None:
        """There is nothing to leave."""
