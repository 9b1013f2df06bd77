"""Making events: an id, the time, and what the event says."""

from typing import Any, TypeVar

from agentctl.events.base import Event
from agentctl.ids import Clock, new_id, timestamp

EventT = TypeVar("EventT", bound=Event)


class Maker:
    """Makes events that happen now, by a given clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __call__(self, kind: type[EventT], **members: Any) -> EventT:
        """Make an event of ``kind``; ``processed_at`` is now unless it is among the members."""
        members.setdefault("processed_at", timestamp(self.clock.now()))
        return kind(id=new_id("sevt_", self.clock), **members)
