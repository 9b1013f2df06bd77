"""Events of the session itself."""

from typing import ClassVar

from agentctl.canonical import JsonObject
from agentctl.events.base import Event, event


@event
class SessionStatusRunning(Event):
    """The session has begun to work."""

    type: ClassVar[str] = "session.status_running"


@event
class SessionStatusIdle(Event):
    """The session rests.

    ``stop_reason`` is ``{"type": …}`` with ``end_turn``, ``requires_action`` (and ``event_ids``),
    ``retries_exhausted``, ``budget_reached`` or ``refusal``.
    """

    type: ClassVar[str] = "session.status_idle"

    stop_reason: JsonObject
    stop_details: JsonObject | None = None


@event
class SessionStatusRescheduled(Event):
    """The session waits before it tries again.

    ``local`` is ours: ``retry_at`` is when (RFC 3339), ``wait_seconds`` how long that is.
    """

    type: ClassVar[str] = "session.status_rescheduled"

    local: JsonObject | None = None


@event
class SessionStatusTerminated(Event):
    """The session has ended and cannot go on."""

    type: ClassVar[str] = "session.status_terminated"


@event
class SessionError(Event):
    """Something failed: ``error`` is ``{"type", "message", "retry_status": {"type"}}``."""

    type: ClassVar[str] = "session.error"

    error: JsonObject


@event
class SessionUsage(Event):
    """What the session has used so far: tokens, active seconds, list cost in US cents."""

    type: ClassVar[str] = "session.usage"

    usage: JsonObject
    budget: JsonObject | None = None
