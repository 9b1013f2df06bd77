"""Events that enclose a piece of work."""

from dataclasses import dataclass
from typing import ClassVar

from agentctl.canonical import JsonObject
from agentctl.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanModelRequestStart(Event):
    """A request to the model is about to be sent."""

    type: ClassVar[str] = "span.model_request_start"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanModelRequestEnd(Event):
    """A request to the model has ended; ``model_usage`` holds its four token counts."""

    type: ClassVar[str] = "span.model_request_end"

    model_request_start_id: str
    model_usage: JsonObject
    is_error: bool | None = None
