"""Two sessions that differ in one thing, made of events as a harness makes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentctl.canonical import JsonObject, exact_json
from agentctl.compare.sessions import Compared, compare
from agentctl.compare.side import Side
from agentctl.events.agent import AgentMessage, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import (
    LocalEgress,
    LocalFilesChanged,
    LocalModelResponse,
    LocalOutputs,
    LocalSandboxStarted,
    LocalSessionCreated,
    LocalToolFacts,
    LocalToolStarted,
)
from agentctl.events.make import Maker
from agentctl.events.session import SessionStatusIdle, SessionStatusRunning
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import UserMessage, UserToolConfirmation
from agentctl.session.log import Record
from tests.kit import MODEL, FixedClock

USAGE = {"input_tokens": 20, "output_tokens": 100, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 80}


@dataclass(frozen=True)
class Done:
    """A call, and what came of it."""

    name: str = "bash"
    input: JsonObject = field(default_factory=lambda: {"command": "ls"})
    text: str = "ok"
    exit_code: int | None = 0
    is_error: bool = False
    changes: Sequence[JsonObject] = ()
    permission: str = "allow"
    answer: str | None = None
    thread: str | None = None
    answered: bool = True


@dataclass(frozen=True)
class Plan:
    """A session: what it begins with, its answers with their calls, and how it ends."""

    turns: tuple[tuple[Done, ...], ...] = ((Done(),),)
    created: JsonObject = field(default_factory=dict)
    facts: JsonObject = field(default_factory=dict)
    message: str = "Look into it."
    said: str = "I have looked."
    hosts: tuple[tuple[str, bool], ...] = ()
    outputs: tuple[JsonObject, ...] = ()
    stop_reason: str = "end_turn"
    seconds: float = 1.0
    usage: JsonObject = field(default_factory=lambda: dict(USAGE))

    def but(self, **changed: Any) -> "Plan":
        return replace(self, **changed)

    def with_call(self, turn: int, call: Done) -> "Plan":
        turns = list(self.turns)
        turns[turn] = (call,)
        return replace(self, turns=tuple(turns))


def bash(command: str, text: str = "ok", **more: Any) -> Done:
    return Done("bash", {"command": command}, text, **more)


def changed(path: str, digest: str = "1", kind: str = "created", **more: Any) -> JsonObject:
    return {"change": kind, "path": path, "kind": "file", "mode": 0o644, "size": 3, "sha256": digest * 64, **more}


def events_of(plan: Plan, session_id: str = "sesn_one", clock: FixedClock | None = None) -> list[Event]:
    """Make the events of a session."""
    clock = clock or FixedClock()
    make = Maker(clock)
    created: JsonObject = {
        "agentctl_version": "0.1.0",
        "agent": {"name": "analyst", "model": {"id": MODEL}, "system": "Be exact."},
        "agent_hash": "sha256:" + "a1" * 32,
        "environment": {"name": "data", "config": {"type": "docker", "packages": {"pip": ["pandas"]}}},
        "environment_hash": "sha256:" + "b2" * 32,
        "model": MODEL,
        "request": {"model": MODEL},
        "sandbox": {"kind": "docker", "image": "debian", "image_digest": "sha256:" + "c3" * 32},
        "uploads": [],
        "limits": {"max_turns": 40},
    }
    events: list[Event] = [make(LocalSessionCreated, session_id=session_id, **created | plan.created)]
    events += [make(UserMessage, content=[text_block(plan.message)]), make(SessionStatusRunning)]
    events.append(make(LocalSandboxStarted, facts={"kind": "docker", "container_id": session_id, **plan.facts}))
    for turn in plan.turns:
        events += _turn(turn, plan, make, clock)
    for host, allowed in plan.hosts:
        facts = {"scheme": "https", "duration_seconds": 0.1, "bytes_sent": 1, "bytes_received": 2}
        reason = None if allowed else "not among the allowed hosts"
        events.append(make(LocalEgress, host=host, port=443, allowed=allowed, reason=reason, **facts))
    events += _answer([], plan, make, clock, [text_block(plan.said)])
    events += [make(LocalOutputs, files=list(plan.outputs))] if plan.outputs else []
    return [*events, make(SessionStatusIdle, stop_reason={"type": plan.stop_reason})]


def _turn(turn: Sequence[Done], plan: Plan, make: Maker, clock: FixedClock) -> list[Event]:
    calls = [
        make(
            AgentToolUse,
            name=done.name,
            input=done.input,
            evaluated_permission=done.permission,
            session_thread_id=done.thread,
        )
        for done in turn
    ]
    events = _answer(calls, plan, make, clock, [])
    events.append(make(LocalToolStarted, tool_use_ids=[call.id for call in calls]))
    for call, done in zip(calls, turn, strict=True):
        if done.answer is not None:
            events.append(make(UserToolConfirmation, tool_use_id=call.id, result=done.answer))
        if not done.answered:
            continue
        facts = {"duration_seconds": 0.1} | ({} if done.exit_code is None else {"exit_code": done.exit_code})
        content = [text_block(done.text)] if done.text else []
        events.append(make(AgentToolResult, tool_use_id=call.id, content=content, is_error=done.is_error))
        events.append(make(LocalToolFacts, tool_use_id=call.id, facts=facts))
        if done.changes:
            events.append(make(LocalFilesChanged, tool_use_id=call.id, changes=list(done.changes)))
    return events


def _answer(
    calls: Sequence[AgentToolUse], plan: Plan, make: Maker, clock: FixedClock, said: Sequence[JsonObject]
) -> list[Event]:
    start = make(SpanModelRequestStart)
    clock.pass_by(plan.seconds)
    blocks = [{"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": call.input} for call in calls]
    message = {"model": MODEL, "content": [*said, *blocks], "usage": plan.usage, "stop_reason": "end_turn"}
    response = make(
        LocalModelResponse,
        model_request_start_id=start.id,
        model=MODEL,
        raw=exact_json(message),
        tool_uses=[{"id": f"toolu_{call.id}", "event_id": call.id} for call in calls],
    )
    public = [make(AgentMessage, content=list(said))] if said else []
    return [
        start,
        response,
        *public,
        *calls,
        make(SpanModelRequestEnd, model_request_start_id=start.id, model_usage=plan.usage),
    ]


def side_of(plan: Plan, name: str = "A") -> Side:
    """Fold the events of a session."""
    events = events_of(plan, f"sesn_{name.lower()}")
    return Side.of(name, (Record(number, event, "") for number, event in enumerate(events, 1)))


def compared(a: Plan, b: Plan, **how: Any) -> Compared:
    return compare(side_of(a, "A"), side_of(b, "B"), **how)


def differing(a: Plan, b: Plan, **how: Any) -> list[str]:
    """Name the layers that differ."""
    return [layer.name for layer in compared(a, b, **how).differing]


Change = Callable[[Plan], Plan]
