"""Where the time of a session went: to the model, to its calls, to people, or to ourselves."""

from datetime import datetime
from typing import Literal, TypeAlias, get_args

from agentctl.events.base import Event
from agentctl.events.local import LocalForked
from agentctl.ids import time_of
from agentctl.session.state import SessionState

Activity: TypeAlias = Literal["model", "tools", "retry", "person", "other"]

ACTIVITIES: tuple[Activity, ...] = get_args(Activity)


def activity(state: SessionState) -> Activity:
    """Say what a session in that state is waiting for; ``person`` is anybody who does not go on with it."""
    if state.status == "rescheduling":
        return "retry"
    if state.status != "running":
        return "person"
    if state.open_request is not None:
        return "model"
    return "tools" if any(call.started for call in state.calls) else "other"


class Timing:
    """A fold over a log into seconds by activity, from its first event to its last."""

    def __init__(self) -> None:
        self.seconds: dict[Activity, float] = dict.fromkeys(ACTIVITIES, 0.0)
        self.last: datetime | None = None

    def add(self, event: Event, before: SessionState) -> tuple[Activity, float]:
        """Take one more event, and the state ``before`` it; return what passed until it: what was done, how long."""
        at = time_of(event.processed_at)
        if isinstance(event, LocalForked):
            self.seconds = dict.fromkeys(ACTIVITIES, 0.0)
            self.last = None
        passed = max(0.0, (at - self.last).total_seconds()) if at and self.last else 0.0
        kind = activity(before)
        self.seconds[kind] += passed
        if at is not None:
            self.last = max(at, self.last) if self.last else at
        return kind, passed
