"""Does our own code make the same log of the same answers and observations?"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from agentctl.canonical import JsonObject, canonical_json
from agentctl.compare.again.findings import Divergence, Findings
from agentctl.compare.causes import Cause
from agentctl.events.agent import AgentToolResult
from agentctl.events.base import Event
from agentctl.events.codec import encode
from agentctl.events.local import LocalOutputs, LocalSessionCreated, LocalToolFacts
from agentctl.events.session import SessionError, SessionStatusIdle, SessionStatusRunning, SessionUsage
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.session.log import Record
from agentctl.session.notices import without_notice

_NEW_EACH_TIME = {"id", "processed_at", "local"}


_LEFT_OUT = {
    "local.checkpoint",
    "local.checkpoint_failed",
    "local.egress",
    "local.egress_started",
    "local.interrupted",
    "local.sandbox_lost",
    "local.sandbox_started",
    "local.forked",
    "local.session_created",
    "session.status_rescheduled",
}


_OF_USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation")


def log_findings(recorded: Sequence[Record], live: Sequence[Record], own: int) -> Findings:
    """Compare two logs event by event, without what is new each time: ids, times, and what follows from them."""
    former, now = [[*_comparable(records, own)] for records in (recorded, live)]
    for number, (record, body) in enumerate(former):
        other = now[number] if number < len(now) else None
        if other is None or other[1] != body:
            return Findings((_log_divergence(record, body, other),), {"exact": number}, (), number)
    return Findings((), {"exact": len(former)}, (), len(former))


def _comparable(records: Sequence[Record], own: int) -> Iterator[tuple[Record, JsonObject]]:
    """Yield what of a log has to be the same each time, with numbers in place of ids."""
    kept = [*_lasting(records, own)]
    rename = _renaming({record.event.id: f"event {number}" for number, record in enumerate(kept)})
    return ((record, rename(_body(record.event))) for record in kept)


def _lasting(records: Sequence[Record], own: int) -> Iterator[Record]:
    """Yield the events that come again each time: not requests without an answer, nor another process's beginning."""
    events = [record.event for record in records]
    answered = {each.model_request_start_id for each in events if isinstance(each, SpanModelRequestEnd)}
    failed = {each.model_request_start_id for each in events if _is_failed_request(each)}
    failed |= {each.id for each in events if isinstance(each, SpanModelRequestStart)} - answered
    running, outputs = False, None
    for record in records:
        event = record.event
        is_repeated = isinstance(event, SessionStatusRunning) and running
        if isinstance(event, SessionStatusRunning | SessionStatusIdle):
            running = isinstance(event, SessionStatusRunning)
        if isinstance(event, LocalOutputs):
            is_repeated, outputs = event.files == outputs, event.files
        if record.seq >= own and not is_repeated and not _is_left_out(event, failed):
            yield record


def _is_failed_request(event: Event) -> TypeGuard[SpanModelRequestEnd]:
    return isinstance(event, SpanModelRequestEnd) and bool(event.is_error)


def _is_left_out(event: Event, failed: Collection[str]) -> bool:
    if event.type in _LEFT_OUT or isinstance(event, LocalSessionCreated) or _is_failed_request(event):
        return True
    if isinstance(event, SpanModelRequestStart):
        return event.id in failed
    if isinstance(event, SessionError):
        return (event.error.get("retry_status") or {}).get("type") == "retrying"
    return isinstance(event, LocalToolFacts) and not event.facts


def _body(event: Event) -> JsonObject:
    body = {name: value for name, value in encode(event).items() if name not in _NEW_EACH_TIME}
    if isinstance(event, SessionUsage):
        return {"type": event.type, "usage": {name: event.usage.get(name) for name in _OF_USAGE}}
    if isinstance(event, AgentToolResult) and "content" in body:  # a notice names the folders of the sandbox
        return body | {"content": [*without_notice(body["content"] or ())]}
    return body if not isinstance(event, SpanModelRequestStart) else {"type": event.type}


def _renaming(names: Mapping[str, str]) -> Callable[[Any], Any]:
    def rename(value: Any) -> Any:
        match value:
            case str():
                return names.get(value, value)
            case dict():
                return {name: rename(item) for name, item in value.items()}
            case list() | tuple():
                return [rename(item) for item in value]
            case _:
                return value

    return rename


def _log_divergence(record: Record, body: JsonObject, other: tuple[Record, JsonObject] | None) -> Divergence:
    if other is None:
        line = f"the rerun ends before {record.event.type}"
    elif other[1]["type"] != body["type"]:
        line = f"the log goes on with {other[0].event.type} and not with {record.event.type}"
    else:
        names = sorted(name for name in body.keys() | other[1].keys() if body.get(name) != other[1].get(name))
        line = f"{record.event.type} has another {', '.join(names)}"
    was, now = canonical_json(body), canonical_json(other[1]) if other else ""
    live_seq = other[0].seq if other else None
    return Divergence(
        record.seq, live_seq, record.event.type, {}, "different", Cause("output_differs", line), None, was, now
    )
