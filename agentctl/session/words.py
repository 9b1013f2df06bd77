"""What an event says in words, for whoever looks for some.

The model's own bytes are not read twice: of a message only its thoughts, which no other event has.
"""

import json
from collections.abc import Iterator

from agentctl.canonical import JsonObject
from agentctl.events.agent import AgentCustomToolUse, AgentMessage, AgentToolResult, AgentToolUse
from agentctl.events.base import Event, UnknownEvent
from agentctl.events.content import describe
from agentctl.events.local import (
    LocalCheckpointFailed,
    LocalCompactionFailed,
    LocalCompactionResponse,
    LocalContextFull,
    LocalEgress,
    LocalFilesChanged,
    LocalFilesUploaded,
    LocalForked,
    LocalImported,
    LocalModelResponse,
    LocalOutputs,
    LocalSandboxLost,
    LocalSessionCreated,
    LocalStuck,
    LocalStuckWarned,
)
from agentctl.events.session import SessionError, SessionStatusIdle
from agentctl.events.user import SystemMessage, UserCustomToolResult, UserMessage, UserToolConfirmation

SILENT = (
    "agent.thinking",
    "agent.thread_context_compacted",
    "local.checkpoint",
    "local.egress_started",
    "local.input_processed",
    "local.interrupted",
    "local.limits_changed",
    "local.sandbox_started",
    "local.tool_facts",
    "local.tool_started",
    "session.status_rescheduled",
    "session.status_running",
    "session.status_terminated",
    "session.usage",
    "span.model_request_end",
    "span.model_request_start",
    "user.interrupt",
)
"""Types of events that say nothing in words."""

_LONGEST_WORD = 4096


def words_of(event: Event) -> str:
    """Return the text that an event can be found by; empty where there is none."""
    match event:
        case UserMessage() | SystemMessage() | AgentMessage():
            return describe(event.content)
        case AgentToolUse() | AgentCustomToolUse():
            return "\n".join([event.name, *_strings_in(event.input)])
        case AgentToolResult() | UserCustomToolResult():
            return describe(event.content or ())
        case UserToolConfirmation():
            return event.deny_message or ""
        case SessionError():
            return "\n".join(_strings_in(event.error))
        case SessionStatusIdle():
            return "\n".join(_strings_in(event.stop_details))
        case UnknownEvent():
            return "\n".join(_strings_in({name: item for name, item in event.body.items() if name not in _FRAME}))
        case _:
            return _local(event)


def _local(event: Event) -> str:
    match event:
        case LocalSessionCreated() | LocalForked():
            return event.title or ""
        case LocalModelResponse():
            return _blocks(event.raw, "thinking")
        case LocalCompactionResponse():
            return _blocks(event.raw, "text")
        case LocalFilesChanged():
            return "\n".join(str(change.get("path")) for change in event.changes)
        case LocalFilesUploaded():
            return "\n".join(event.skipped)
        case LocalOutputs():
            return "\n".join(str(file.get("path")) for file in event.files)
        case LocalEgress():
            return f"{event.host} {event.reason or ''}".rstrip()
        case LocalSandboxLost() | LocalCheckpointFailed():
            return event.reason
        case LocalCompactionFailed() | LocalContextFull() | LocalStuckWarned() | LocalStuck():
            return event.line
        case LocalImported():
            return "\n".join(_strings_in(event.body))
        case _:
            return ""


_FRAME = ("type", "id", "processed_at")


def _blocks(raw: str, kind: str) -> str:
    """Return the text of the blocks of a kind in a message of the model."""
    message: JsonObject = json.loads(raw)
    blocks = [block for block in message.get("content") or () if block.get("type") == kind]
    return "\n".join(str(block.get(kind) or "") for block in blocks)


def _strings_in(value: object) -> Iterator[str]:
    """Yield the strings of a JSON value, but what is data: long, and without a space."""
    if isinstance(value, str):
        if len(value) <= _LONGEST_WORD or " " in value:
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings_in(item)
