"""Events that enclose a piece of work."""

from typing import ClassVar

from agentctl.canonical import JsonObject
from agentctl.events.base import Event, event


@event
class SpanModelRequestStart(Event):
    """A request to the model is about to be sent."""

    type: ClassVar[str] = "span.model_request_start"


@event
class SpanModelRequestEnd(Event):
    """A request to the model has ended; ``model_usage`` holds its four token counts."""

    type: ClassVar[str] = "span.model_request_end"

    model_request_start_id: str
    model_usage: JsonObject
    is_error: bool | None = None
