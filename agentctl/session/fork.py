"""Forks: what one depends on, and where a log can be gone on from.

A fork depends on what its parent does, but for what it says otherwise.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from agentctl.errors import StoreError, UsageError
from agentctl.events.agent import (
    AgentCustomToolUse,
    AgentMessage,
    AgentThinking,
    AgentThreadContextCompacted,
    AgentToolResult,
    AgentToolUse,
)
from agentctl.events.base import Event
from agentctl.events.local import (
    LocalCompactionFailed,
    LocalCompactionResponse,
    LocalContextFull,
    LocalFilesChanged,
    LocalFilesUploaded,
    LocalForked,
    LocalLimitReached,
    LocalModelResponse,
    LocalNudged,
    LocalSandboxStarted,
    LocalSessionCreated,
    LocalToolFacts,
)
from agentctl.events.session import SessionError
from agentctl.events.span import SpanModelRequestEnd
from agentctl.session.log import Record

DIFFERING = (
    "agent",
    "agent_hash",
    "environment",
    "environment_hash",
    "model",
    "request",
    "sandbox",
    "limits",
    "title",
    "vaults",
    "prices",
)
"""The members of a session's first event that a fork can have otherwise."""

_IN_AN_ANSWER = (AgentThinking, AgentMessage, AgentToolUse, AgentCustomToolUse)
_BEHIND_AN_ANSWER = (
    AgentToolResult,
    AgentThreadContextCompacted,
    LocalCompactionFailed,
    LocalContextFull,
    LocalLimitReached,
    LocalNudged,
    SessionError,
)


def forked(created: LocalSessionCreated, fork: LocalForked) -> LocalSessionCreated:
    """Return the first event of a session as it would be if the fork had begun it."""
    changed = {name: value for name in DIFFERING if (value := getattr(fork, name)) is not None}
    return replace(
        created,
        id=fork.id,
        processed_at=fork.processed_at,
        session_id=fork.session_id,
        agentctl_version=fork.agentctl_version,
        rerun_of=fork.rerun_of,
        **changed,
    )


def header_of(session_id: str, events: Iterable[Event]) -> LocalSessionCreated:
    """Return what a session depends on, from its first event and the forks that led to it.

    Raises StoreError for a record that does not begin with that.
    """
    created: LocalSessionCreated | None = None
    for event in events:
        if isinstance(event, LocalSessionCreated):
            created = event
        elif isinstance(event, LocalForked) and created is not None:
            created = forked(created, event)
    if created is None:
        raise StoreError(
            f"session {session_id} does not begin with its definitions, so it cannot be run here",
            hint=f"what can be read of it: agentctl events {session_id} --salvage -o jsonl",
        )
    return created


class Joints:
    """A fold over a log that says where it can be gone on from.

    An answer of the model, a result of a call and the start of a sandbox are each several events that
    were stored together. Between two of them the log says half of what happened.
    """

    def __init__(self) -> None:
        self._following: tuple[type[Event], ...] = ()

    def is_one_with_former(self, event: Event) -> bool:
        """Take one more event; say whether the one before it means nothing, or something else, without it."""
        if isinstance(event, self._following) and not _is_found_between_calls(event):
            if isinstance(event, SpanModelRequestEnd):
                self._following = _BEHIND_AN_ANSWER
            return True
        self._following = _following(event)
        return False


def whole(records: Iterable[Record], until: int | None) -> Iterator[Record]:
    """Yield records up to a number, or up to the next place behind it where a log can be gone on from."""
    joints = Joints()
    for record in records:
        is_one = joints.is_one_with_former(record.event)
        if until is not None and record.seq > until and not is_one:
            return
        yield record


def _following(event: Event) -> tuple[type[Event], ...]:
    match event:
        case LocalModelResponse() | LocalCompactionResponse():
            return (*_IN_AN_ANSWER, SpanModelRequestEnd)
        case AgentToolResult():
            return (LocalToolFacts, LocalFilesChanged)
        case LocalSandboxStarted():
            return (LocalFilesUploaded,)
        case _:
            return ()


def _is_found_between_calls(event: Event) -> bool:
    return isinstance(event, LocalFilesChanged) and event.tool_use_id is None


def refuse_imported(created: LocalSessionCreated) -> None:
    """Raise UsageError for a session that another program has recorded: what it ran with is not known."""
    if created.imported is not None:
        raise UsageError(
            f"session {created.session_id} was imported from a transcript of {created.imported.get('format')}, "
            "and can only be looked at",
            hint="show, events, replay, diff and check read it; what its model and tools were is not in it",
        )
