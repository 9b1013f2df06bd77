"""An event in one line."""

import json

from agentctl.canonical import JsonObject
from agentctl.events.agent import AgentCustomToolUse, AgentMessage, AgentToolResult, AgentToolUse
from agentctl.events.base import Event, UnknownEvent
from agentctl.events.content import describe
from agentctl.events.local import (
    LocalCheckpoint,
    LocalCheckpointFailed,
    LocalCompactionFailed,
    LocalCompactionResponse,
    LocalContextFull,
    LocalEgress,
    LocalEgressStarted,
    LocalFilesChanged,
    LocalFilesUploaded,
    LocalForked,
    LocalImported,
    LocalInputProcessed,
    LocalInterrupted,
    LocalLimitReached,
    LocalLimitsChanged,
    LocalModelResponse,
    LocalNudged,
    LocalOutputs,
    LocalSandboxLost,
    LocalSandboxStarted,
    LocalSessionCreated,
    LocalStuck,
    LocalStuckWarned,
    LocalToolFacts,
    LocalToolStarted,
)
from agentctl.events.session import SessionError, SessionStatusIdle, SessionUsage
from agentctl.events.span import SpanModelRequestEnd
from agentctl.events.user import SystemMessage, UserCustomToolResult, UserMessage, UserToolConfirmation
from agentctl.render.calls import asked, outcome
from agentctl.render.files import changed_text
from agentctl.render.numbers import count, duration, many, size, whole

_LONGEST_SECONDS = 1e9
"""More is no time that something took: what an event says may be anything."""


def gist(event: Event) -> str:
    """Say in a line what an event says; the text is as untrusted as the event."""
    match event:
        case UserMessage() | SystemMessage() | AgentMessage():
            return _first_line(describe(event.content))
        case AgentToolUse() | AgentCustomToolUse():
            return " ".join(filter(None, [f"{event.name}:", *asked(event.name, event.input)[:2], _permission(event)]))
        case AgentToolResult() | UserCustomToolResult():
            mark = "error: " if event.is_error else ""
            return mark + _first_line(describe(event.content or ()))
        case UserToolConfirmation():
            return f"{event.result} {event.tool_use_id} {event.deny_message or ''}".rstrip()
        case SessionStatusIdle():
            return str(event.stop_reason.get("type"))
        case SessionError():
            return f"{event.error.get('type')}: {event.error.get('message')}"
        case SessionUsage():
            return _tokens(event.usage)
        case SpanModelRequestEnd():
            return f"failed, {_tokens(event.model_usage)}" if event.is_error else _tokens(event.model_usage)
        case UnknownEvent():
            return json.dumps(event.body, ensure_ascii=False)
        case _:
            return _local(event)


def _local(event: Event) -> str:
    match event:
        case LocalSessionCreated():
            return ", ".join(map(str, (event.agent.get("name"), event.model, event.sandbox.get("kind"))))
        case LocalForked():
            return f"from #{event.at} of {event.parent}"
        case LocalImported():
            return f"line {event.line:,}: {_of_line(event.body)}"
        case LocalInputProcessed():
            return " ".join(event.event_ids)
        case LocalSandboxStarted():
            return _facts(event.facts)
        case LocalModelResponse() | LocalCompactionResponse():
            return f"{event.model}, {size(len(event.raw))}"
        case LocalSandboxLost() | LocalCheckpointFailed():
            return event.reason
        case LocalCheckpoint():
            return f"{size(event.size)} until {event.keep_until}, {event.image}"
        case LocalToolStarted():
            return " ".join(event.tool_use_ids)
        case LocalToolFacts():
            return ", ".join(outcome(event.facts))
        case LocalEgressStarted():
            return f"{event.scheme} {event.host}:{event.port}"
        case LocalEgress():
            return _egress(event)
        case LocalFilesUploaded():
            return f"{many(event.files, 'file')}, {size(event.bytes)}"
        case LocalFilesChanged():
            return changed_text(event)
        case LocalOutputs():
            return f"{many(len(event.files), 'file')}: {', '.join(str(file.get('path')) for file in event.files)}"
        case LocalLimitReached():
            return f"{event.limit}: {event.used:g} of {event.allowed:g}"
        case LocalLimitsChanged():
            return ", ".join(f"{name} {value}" for name, value in event.limits.items())
        case LocalStuckWarned() | LocalStuck() | LocalCompactionFailed() | LocalContextFull():
            return event.line
        case LocalNudged():
            return f"{event.reason}: {event.text}"
        case LocalInterrupted():
            return event.signal
        case _:
            return ""


def _of_line(body: JsonObject) -> str:
    """Say of what kind a line of a transcript is, as far as that is kept of it."""
    if "unreadable" in body:
        return f"not JSON, {size(len(str(body['unreadable'])))}"
    inner = [body[name].get("type") for name in ("payload", "data", "attachment") if isinstance(body.get(name), dict)]
    kinds = [each for each in (body.get("type"), body.get("subtype"), *inner) if isinstance(each, str)]
    return " ".join(kinds) or "more of what the events say"


def _facts(facts: JsonObject) -> str:
    kind = [str(facts["kind"])] if "kind" in facts else []
    return ", ".join([*kind, *(_fact(name, value) for name, value in facts.items() if name != "kind")])


def _fact(name: str, value: object) -> str:
    if name.endswith("_seconds") and isinstance(value, int | float) and 0 <= value < _LONGEST_SECONDS:
        return f"{name.removesuffix('_seconds').replace('_', ' ')} {duration(value)}"
    return f"{name.replace('_', ' ')} {_value(value)}"


def _value(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case {"count": int(number), "sha256": _}:  # packages: the list is a content of its own
            return f"{number:,}"
        case {"unknown": _}:
            return "unknown"
        case _:
            return str(value)


def _egress(event: LocalEgress) -> str:
    asked = f"{event.scheme} {event.host}:{event.port}"
    reason = f": {event.reason}" if event.reason else ""
    if not event.allowed:
        times = f" {event.times:,} times" if event.times else ""
        return f"refused {asked}{times}{reason}"
    return f"{asked}, {size(event.bytes_sent)} sent, {size(event.bytes_received)} received{reason}"


def _permission(event: AgentToolUse | AgentCustomToolUse) -> str:
    permission = event.evaluated_permission if isinstance(event, AgentToolUse) else None
    return f"({permission})" if permission in ("ask", "deny") else ""


def _tokens(usage: JsonObject) -> str:
    read = sum(whole(usage.get(name)) for name in ("input_tokens", "cache_read_input_tokens"))
    creation = usage.get("cache_creation")
    written = creation.values() if isinstance(creation, dict) else [usage.get("cache_creation_input_tokens")]
    read += sum(map(whole, written))
    return f"{count(read)} in, {count(whole(usage.get('output_tokens')))} out"


def _first_line(text: str) -> str:
    first, *others = text.strip().split("\n")
    return f"{first} (+{many(len(others), 'line')})" if others else first
