"""Does our own code make the same log of the same answers and observations?"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, TypeAlias

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


def log_findings(recorded: Iterable[Record], live: Iterable[Record], own: int) -> Findings:
    """Compare two logs event by event, without what is new each time: ids, times, and what follows from them.

    Both are gone over twice, and nothing of them is kept: they may be read anew each time.
    """
    former, now = _lasting(recorded, own), _lasting(live, own)
    pairs = zip_longest(_those(recorded, own, former), _those(live, own, now))
    for number, (record, other) in enumerate(pairs):
        if record is None:
            break
        if other is None or not _alike(_body(record.event), _body(other.event), former, now):
            return Findings((_log_divergence(record, other, former, now),), {"exact": number}, (), number)
    return Findings((), {"exact": len(former)}, (), len(former))


_Numbers: TypeAlias = Mapping[str, int]
"""The ids of the events that are compared, each with its number among them."""


def _lasting(records: Iterable[Record], own: int) -> _Numbers:
    """Number the events that come again each time: not requests without an answer, nor another process's beginning."""
    kept: list[str] = []
    asked, answered, failed = set[str](), set[str](), set[str]()
    running, outputs = False, None
    for record in records:
        event = record.event
        is_repeated = isinstance(event, SessionStatusRunning) and running
        match event:
            case SessionStatusRunning() | SessionStatusIdle():
                running = isinstance(event, SessionStatusRunning)
            case LocalOutputs():
                is_repeated, outputs = event.files == outputs, event.files
            case SpanModelRequestStart():
                asked.add(event.id)
            case SpanModelRequestEnd():
                (failed if event.is_error else answered).add(event.model_request_start_id)
            case _:
                pass
        if record.seq >= own and not is_repeated and not _is_left_out(event):
            kept.append(event.id)
    left_out = failed | (asked - answered)
    return {name: number for number, name in enumerate(name for name in kept if name not in left_out)}


def _those(records: Iterable[Record], own: int, numbers: _Numbers) -> Iterator[Record]:
    return (record for record in records if record.seq >= own and record.event.id in numbers)


def _is_left_out(event: Event) -> bool:
    match event:
        case LocalSessionCreated():
            return True
        case SpanModelRequestEnd():
            return bool(event.is_error)
        case SessionError():
            return (event.error.get("retry_status") or {}).get("type") == "retrying"
        case LocalToolFacts():
            return not event.facts
        case _:
            return event.type in _LEFT_OUT


def _body(event: Event) -> JsonObject:
    match event:
        case SpanModelRequestStart():
            return {"type": event.type}
        case SessionUsage():
            return {"type": event.type, "usage": {name: event.usage.get(name) for name in _OF_USAGE}}
    body = {name: value for name, value in encode(event).items() if name not in _NEW_EACH_TIME}
    if isinstance(event, AgentToolResult) and "content" in body:  # a notice names the folders of the sandbox
        return body | {"content": [*without_notice(body["content"] or ())]}
    return body


def _alike(one: Any, other: Any, former: _Numbers, now: _Numbers) -> bool:
    """Say whether two values are the same once events go by their numbers; nothing is made for it."""
    match one:
        case str():
            return isinstance(other, str) and former.get(one, one) == now.get(other, other)
        case dict():
            if not isinstance(other, dict) or one.keys() != other.keys():
                return False
            return all(_alike(value, other[name], former, now) for name, value in one.items())
        case list() | tuple():
            if not isinstance(other, list | tuple) or len(one) != len(other):
                return False
            return all(_alike(*pair, former, now) for pair in zip(one, other, strict=True))
        case _:
            return bool(one == other)


def _renamed(value: Any, numbers: _Numbers) -> Any:
    match value:
        case str():
            return f"event {numbers[value]}" if value in numbers else value
        case dict():
            return {name: _renamed(item, numbers) for name, item in value.items()}
        case list() | tuple():
            return [_renamed(item, numbers) for item in value]
        case _:
            return value


def _log_divergence(record: Record, other: Record | None, former: _Numbers, now: _Numbers) -> Divergence:
    body = _renamed(_body(record.event), former)
    if other is None:
        line = f"the rerun ends before {record.event.type}"
        return _divergence(record, None, line, canonical_json(body), "")
    others = _renamed(_body(other.event), now)
    if others["type"] != body["type"]:
        line = f"the log goes on with {other.event.type} and not with {record.event.type}"
    else:
        names = sorted(name for name in body.keys() | others.keys() if body.get(name) != others.get(name))
        line = f"{record.event.type} has another {', '.join(names)}"
    return _divergence(record, other.seq, line, canonical_json(body), canonical_json(others))


def _divergence(record: Record, live_seq: int | None, line: str, was: str, now: str) -> Divergence:
    cause = Cause("output_differs", line)
    return Divergence(record.seq, live_seq, record.event.type, {}, "different", cause, None, was, now)
