"""Sessions of the hosted service: the events of a Managed Agents session, as its API lists or streams them.

They are ours already, but for the first one. An event that was streamed twice (on arrival, and when it
was taken up) is the later one, in the place of the earlier; previews of text are left out. Where the
session itself is among them (``"type": "session"``), its id, title and agent are taken from it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agentctl.canonical import JsonObject
from agentctl.errors import UsageError
from agentctl.events.base import Event
from agentctl.events.local import LocalSessionCreated
from agentctl.events.span import SpanModelRequestEnd
from agentctl.exchange.drafting import Drafter
from agentctl.exchange.lines import Damaged, NumberedLine, refuse_damaged
from agentctl.exchange.members import read_event
from agentctl.exchange.origin import Foreign, Origin
from agentctl.ids import time_of
from agentctl.session.members import is_session_id

FORMAT = "Managed Agents"

_PREVIEWS = ("event_start", "event_delta", "ping")
_ROOMS = ("user.", "agent.", "session.", "span.", "system.", "workflow_run.")


def is_hosted(lines: Sequence[NumberedLine]) -> bool:
    """Say whether these are events of the Managed Agents API."""
    return any(_is_event(body) for _, body in lines)


def read_hosted(lines: Sequence[NumberedLine], origin: Origin) -> Foreign:
    """Put a session together from its events. Raises UsageError, with the line, for one that is none."""
    if lines and "cut_at_line" in origin.more and isinstance(lines[-1][1], Damaged):
        lines = lines[:-1]
    refuse_damaged(lines)
    found: dict[str, JsonObject] = {}
    about: JsonObject = {}
    for number, body in lines:
        if str(body.get("type", "")).startswith("local."):
            hint = "a session of agentctl is passed on with: agentctl export SESSION"
            raise UsageError(f"line {number}: these are events of agentctl, without their hashes", hint=hint)
        if body.get("type") == "session":
            about = body
        elif body.get("type") not in _PREVIEWS:
            _take(found, number, body)
    events = _in_order([read_event(body) for body in found.values()])
    return _whole(events, about, origin)


def _take(found: dict[str, JsonObject], number: int, body: JsonObject) -> None:
    try:
        read_event(body)
    except UsageError as error:
        raise UsageError(f"line {number}: {error.message}") from None
    found[body["id"]] = body


def _whole(events: list[Event], about: JsonObject, origin: Origin) -> Foreign:
    given = about.get("id")
    session_id = str(given) if is_session_id(given) else f"sesn_{origin.sha256[:26]}"
    draft = Drafter(session_id, origin)
    agent = _agent(events, about)
    draft.agent = str(agent.get("name") or "unknown")
    model = agent.get("model")
    draft.model = str((model.get("id") if isinstance(model, dict) else model) or "")
    draft.title = about["title"] if isinstance(about.get("title"), str) else None
    draft.place = str(about.get("environment_id") or "")
    (created,) = draft.finish().events
    began = next((event.processed_at for event in events if event.processed_at), None)
    first = replace(created, processed_at=began or created.processed_at)
    if isinstance(first, LocalSessionCreated) and agent:
        first = replace(first, agent={"name": draft.agent, **agent})
    return Foreign(session_id, [first, *(_with_model(event, draft.model) for event in events)])


def _agent(events: list[Event], about: JsonObject) -> JsonObject:
    """Return the newest that is said of the agent."""
    said: list[Any] = [about.get("agent"), *(getattr(event, "body", {}).get("agent") for event in events)]
    return next((agent for agent in reversed(said) if isinstance(agent, dict)), {})


def _with_model(event: Event, model: str) -> Event:
    """Say with the end of a request which model it went to: there is no message that does."""
    if not isinstance(event, SpanModelRequestEnd) or "local" in event.extra:
        return event
    return replace(event, extra={**event.extra, "local": {"model": model}})


def _in_order(events: list[Event]) -> list[Event]:
    """Return the events the oldest first: a list can be asked for in either order."""
    times = [time for event in events if (time := time_of(event.processed_at)) is not None]
    return events[::-1] if len(times) > 1 and times[0] > times[-1] else events


def _is_event(body: JsonObject) -> bool:
    kind = body.get("type")
    return isinstance(kind, str) and kind.startswith(_ROOMS) and isinstance(body.get("id"), str)
