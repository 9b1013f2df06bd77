"""What every event has."""

from dataclasses import dataclass, field
from typing import ClassVar

from agentctl.canonical import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened in a session.

    ``id`` is ``sevt_…``. ``processed_at`` is RFC 3339 in UTC, and None for an event that a person
    sent and that the session has not taken up yet.
    """

    type: ClassVar[str]

    id: str
    processed_at: str | None = None
    extra: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(Event):
    """An event whose type this version does not know; ``body`` is all of it."""

    type: ClassVar[str] = ""

    body: JsonObject
