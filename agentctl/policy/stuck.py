"""Is the agent going in circles?

What is compared are rounds (``policy.rounds``), as hashes, so that any length of session takes the same
little memory. Far more rounds that wait for something may be alike than others.

The first verdict is a warning that the model is told; what came before it is forgotten then, so that
the model has its full number of tries to do better. A verdict after a warning is final. A warning is
forgotten when a person says something, and when the model has moved on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from agentctl.canonical import hash_of
from agentctl.events.agent import AgentCustomToolUse, AgentThreadContextCompacted, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.content import message_of
from agentctl.events.local import (
    LocalFilesChanged,
    LocalInputProcessed,
    LocalModelResponse,
    LocalStuck,
    LocalStuckWarned,
    LocalToolStarted,
)
from agentctl.events.user import UserCustomToolResult, UserMessage
from agentctl.policy import advice
from agentctl.policy.advice import Found, Reason
from agentctl.policy.rounds import Circle, OpenRound, Result, Round, round_of
from agentctl.session.changing import changed

_ROUNDS_TO_FORGET = 10
"""Rounds unlike their two predecessors after which the model has moved on from what it was warned of."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How often in a row each thing may be seen, the last time included; ``local.stuck`` of an agent.

    ``waiting`` stands in place of the first three where the calls wait for something.
    """

    same_result: int = 4
    same_error: int = 3
    alternating: int = 6
    waiting: int = 30
    no_action: int = 3
    context_window: int = 3

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Thresholds | None":
        """Read ``local.stuck`` of an agent's snapshot; None where nobody is to look."""
        if body.get("enabled") is False:
            return None
        return cls(**{each.name: body[each.name] for each in fields(cls) if each.name in body})


@dataclass(frozen=True, slots=True)
class Stuck:
    """A verdict: in a word, in a line for a person, and in words for the model.

    ``final`` says that the model has been told before.
    """

    reason: Reason
    line: str
    advice: str
    final: bool


@dataclass(frozen=True)
class Watch:
    """A fold over a session's log, of a size that does not grow with it.

    ``former`` is the tail without its last round, which is not whole before it is known what its last call
    did to files. ``idle`` counts answers in a row without any call. ``shortened`` counts how often in a row the
    conversation was shortened with at most one of ``answers`` in between. ``new_rounds`` are those
    since a warning that were unlike their two predecessors.
    """

    open: OpenRound = OpenRound()
    circle: Circle = Circle()
    former: Circle = Circle()
    idle: int = 0
    shortened: int = 0
    answers: int = 0
    warned: bool = False
    new_rounds: int = 0

    def after(self, event: Event) -> "Watch":
        """Return the watch after one more event; most events change nothing and return the watch itself."""
        match event:
            case LocalModelResponse():
                return self._after_answer(event)
            case AgentToolUse() | AgentCustomToolUse():
                return changed(self, open=OpenRound((*self.open.calls, event)))
            case LocalToolStarted():
                return self._after_start(event)
            case AgentToolResult():
                return self._after_result(event.tool_use_id, event)
            case UserCustomToolResult():
                return self._after_result(event.custom_tool_use_id, event)
            case LocalFilesChanged():
                return self._after_changes(event)
            case LocalInputProcessed() | LocalStuck():
                return Watch()
            case UserMessage():
                return self if event.processed_at is None else Watch()
            case LocalStuckWarned():
                return Watch(warned=True)
            case AgentThreadContextCompacted():
                return changed(self, shortened=self.shortened + 1 if self.answers <= 1 else 1, answers=0)
            case _:
                return self

    def verdict(self, thresholds: Thresholds) -> Stuck | None:
        """Say whether the agent is stuck; to be asked before each request to the model."""
        found = _circle(self.circle, thresholds) or self._standstill(thresholds)
        return Stuck(*found, final=self.warned) if found else None

    def _after_answer(self, event: LocalModelResponse) -> "Watch":
        if event.tool_uses:
            return changed(self, open=OpenRound(), idle=0, answers=self.answers + 1)
        message = message_of(event.raw)
        acts = any(str(block.get("type")).endswith("tool_use") for block in message.get("content") or ())
        return changed(self, open=OpenRound(), idle=0 if acts else self.idle + 1, answers=self.answers + 1)

    def _after_start(self, event: LocalToolStarted) -> "Watch":
        if self.open.started_at is not None:
            return self
        return changed(self, open=changed(self.open, started_at=event.processed_at))

    def _after_result(self, call_id: str, result: Result) -> "Watch":
        if not self.open.waits_for(call_id):
            return self
        answered = changed(self.open, results=(*self.open.results, result))
        if not answered.is_whole:
            return changed(self, open=answered)
        return self._with_round(round_of(answered, result.processed_at), self.circle, self.new_rounds)

    def _after_changes(self, event: LocalFilesChanged) -> "Watch":
        """Add what a call did to files to its round, which is over already if the call was the last."""
        if event.tool_use_id is None or not event.changes:
            return self
        effect = hash_of([{**change, "mtime": None} for change in event.changes])
        if self.open.calls:
            return changed(self, open=changed(self.open, effects=(*self.open.effects, effect)))
        last = self.circle.last
        if last is None:
            return self
        return self._with_round(last.with_effect(effect), self.former, self.new_rounds - (not self.former.has(last)))

    def _with_round(self, this: Round, former: Circle, new_rounds: int) -> "Watch":
        new_rounds += not former.has(this)
        return changed(
            self,
            open=OpenRound(),
            former=former,
            circle=former.after(this),
            new_rounds=new_rounds,
            warned=self.warned and new_rounds < _ROUNDS_TO_FORGET,
        )

    def _standstill(self, most: Thresholds) -> Found | None:
        if self.idle >= most.no_action:
            return advice.did_nothing(self.idle)
        if self.shortened >= most.context_window:
            return advice.ran_full(self.shortened)
        return None


def _circle(circle: Circle, most: Thresholds) -> Found | None:
    if circle.last is None:
        return None
    tools = advice.names(circle.last)
    if circle.last.failed and circle.repeats >= most.same_error:
        return advice.same("same_error", tools, f"failed in the same way {circle.repeats} times in a row")
    if circle.repeats >= most.same_result:
        return advice.same("same_result", tools, f"gave the same result {circle.repeats} times in a row")
    if circle.repeats + circle.waits >= most.waiting:
        return advice.waited(tools, circle.repeats + circle.waits)
    if circle.alternating >= (most.waiting if circle.alternating_waits else most.alternating):
        return advice.took_turns(advice.names(circle.before or circle.last), tools, circle.alternating)
    return None
