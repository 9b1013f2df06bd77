"""Events to JSON objects and back.

``decode`` then ``encode`` gives an equal object for every event the API has, known to this version
or not: unknown members go to ``extra``, and so does a member that is explicitly null.
"""

from dataclasses import fields

from agentctl.canonical import JsonObject
from agentctl.events import agent, local, session, span, user
from agentctl.events.base import Event, UnknownEvent

_KNOWN: dict[str, type[Event]] = {
    kind.type: kind
    for kind in (
        user.UserMessage,
        user.UserInterrupt,
        user.UserToolConfirmation,
        user.UserCustomToolResult,
        user.SystemMessage,
        agent.AgentMessage,
        agent.AgentThinking,
        agent.AgentToolUse,
        agent.AgentToolResult,
        agent.AgentCustomToolUse,
        agent.AgentThreadContextCompacted,
        session.SessionStatusRunning,
        session.SessionStatusIdle,
        session.SessionStatusRescheduled,
        session.SessionStatusTerminated,
        session.SessionError,
        session.SessionUsage,
        span.SpanModelRequestStart,
        span.SpanModelRequestEnd,
        local.LocalSessionCreated,
        local.LocalImported,
        local.LocalForked,
        local.LocalInputProcessed,
        local.LocalSandboxStarted,
        local.LocalSandboxLost,
        local.LocalModelResponse,
        local.LocalCompactionResponse,
        local.LocalCompactionFailed,
        local.LocalContextFull,
        local.LocalNudged,
        local.LocalToolStarted,
        local.LocalToolFacts,
        local.LocalFilesUploaded,
        local.LocalFilesChanged,
        local.LocalCheckpoint,
        local.LocalCheckpointFailed,
        local.LocalEgressStarted,
        local.LocalEgress,
        local.LocalOutputs,
        local.LocalLimitReached,
        local.LocalLimitsChanged,
        local.LocalStuckWarned,
        local.LocalStuck,
        local.LocalInterrupted,
    )
}

_MEMBERS: dict[type[Event], tuple[str, ...]] = {
    kind: tuple(item.name for item in fields(kind) if item.name != "extra") for kind in _KNOWN.values()
}

_APART = ("type", "processed_at")
"""Members that are no extra ones, whatever they are."""

NOT_UNDERSTOOD = (ArithmeticError, AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
"""What comes of using an event whose members are not what its type says: ``decode`` takes them as they are."""


def known_types() -> frozenset[str]:
    """Return the types of event that this version has a class for."""
    return frozenset(_KNOWN)


def encode(event: Event) -> JsonObject:
    """Write an event as the API's JSON object. Members that are None are left out, except ``processed_at``."""
    if isinstance(event, UnknownEvent):
        return event.body
    body: JsonObject = {"type": event.type, "id": event.id, "processed_at": event.processed_at}
    for name in _MEMBERS[type(event)]:
        value = getattr(event, name)
        if value is not None:
            body[name] = value
    return body | event.extra


def decode(body: JsonObject) -> Event:
    """Read an event from its JSON object.

    An object of a known type that lacks a required member is an UnknownEvent too: a record that is
    odd must still load. Raises ValueError for an object without a type.
    """
    kind_name = body.get("type")
    if not isinstance(kind_name, str):
        raise ValueError("an event must have a type")  # noqa: TRY004 - data, not a programming error
    kind = _KNOWN.get(kind_name)
    if kind is None:
        return _unknown(body)
    members = _MEMBERS[kind]
    known: JsonObject = {}
    extra: JsonObject = {}
    for name, value in body.items():
        if name in members and value is not None:
            known[name] = value
        elif name not in _APART:
            extra[name] = value
    try:
        return kind(**known, extra=extra)
    except TypeError:
        return _unknown(body)


def type_of(event: Event) -> str:
    """Return an event's type, of one that this version does not know too."""
    return str(event.body["type"]) if isinstance(event, UnknownEvent) else event.type


def _unknown(body: JsonObject) -> UnknownEvent:
    processed_at = body.get("processed_at")
    return UnknownEvent(
        id=str(body.get("id", "")),
        processed_at=processed_at if isinstance(processed_at, str) else None,
        body=body,
    )
