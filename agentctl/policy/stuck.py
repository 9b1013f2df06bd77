"""Is the agent going in circles?

What is compared are *rounds*: the calls of one answer with their results, as hashes, so that any
length of session takes the same little memory. Results are compared to the letter: a time, a process
id, a line more in a log is something new, and whoever sees something new is not stuck.

What a call did to files belongs to its result: a call that prints the same again and changes files again
has done something new, unless they become what they were a round ago.

Waiting is not going in circles. A round that took long, or whose command says that it waits, counts
apart, and far more of them may be alike.

The first verdict is a warning that the model is told; what came before it is forgotten then, so that
the model has its full number of tries to do better. A verdict after a warning is final. A warning is
forgotten when a person says something, and when the model has moved on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

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
from agentctl.ids import time_of
from agentctl.session.changing import changed
from agentctl.visible import visible_line

Reason: TypeAlias = Literal["same_result", "same_error", "alternating", "waiting", "no_action", "context_window"]

_Use: TypeAlias = AgentToolUse | AgentCustomToolUse
_Result: TypeAlias = AgentToolResult | UserCustomToolResult
_Found: TypeAlias = tuple[Reason, str, str]

_LONG_SECONDS = 5.0
"""A round that takes this long waits for something, or works at something: it is no idle circle."""

_SAYS_IT_WAITS = re.compile(r"\b(?:sleep|wait)\b")

_ROUNDS_TO_FORGET = 10
"""Rounds unlike their two predecessors after which the model has moved on from what it was warned of."""

_LONGEST_NAME = 64
_MOST_NAMES = 3


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
class _Round:
    """The calls of one answer with their results, in whichever order they were made and ended."""

    signature: tuple[str, ...]
    tools: tuple[str, ...]
    failed: bool
    waits: bool


@dataclass(frozen=True)
class _Open:
    """The answer that is being worked at: its calls, the results there are, and since when its calls run.

    ``effects`` are hashes of what its calls did to files.
    """

    calls: tuple[_Use, ...] = ()
    results: tuple[_Result, ...] = ()
    started_at: str | None = None
    effects: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Circle:
    """The tail of the rounds.

    ``repeats`` and ``waits`` count the rounds in a row that are like ``last``; those that wait,
    apart. ``alternating`` counts the rounds in a row in which two different ones take turns, and
    ``alternating_waits`` says that one of those waits.
    """

    last: _Round | None = None
    before: _Round | None = None
    repeats: int = 0
    waits: int = 0
    alternating: int = 0
    alternating_waits: bool = False

    def after(self, this: _Round) -> "_Circle":
        """Return the tail after one more round."""
        is_last = _alike(this, self.last)
        is_before = not is_last and _alike(this, self.before)
        return _Circle(
            last=this,
            before=self.last,
            repeats=(self.repeats if is_last else 0) + (not this.waits),
            waits=(self.waits if is_last else 0) + this.waits,
            alternating=self.alternating + 1 if is_before else 1 if is_last or self.last is None else 2,
            alternating_waits=this.waits or (self.alternating_waits if is_before else _waits(self.last)),
        )

    def has(self, this: _Round) -> bool:
        """Say whether the last round, or the one before it, was like this one."""
        return _alike(this, self.last) or _alike(this, self.before)


@dataclass(frozen=True)
class Watch:
    """A fold over a session's log, of a size that does not grow with it.

    ``former`` is the tail without its last round, which is not whole before it is known what its last call
    did to files. ``idle`` counts answers in a row without any call. ``shortened`` counts how often in a row the
    conversation was shortened with at most one of ``answers`` in between. ``new_rounds`` are those
    since a warning that were unlike their two predecessors.
    """

    open: _Open = _Open()
    circle: _Circle = _Circle()
    former: _Circle = _Circle()
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
                return changed(self, open=_Open((*self.open.calls, event)))
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
            return changed(self, open=_Open(), idle=0, answers=self.answers + 1)
        message = message_of(event.raw)
        acts = any(str(block.get("type")).endswith("tool_use") for block in message.get("content") or ())
        return changed(self, open=_Open(), idle=0 if acts else self.idle + 1, answers=self.answers + 1)

    def _after_start(self, event: LocalToolStarted) -> "Watch":
        if self.open.started_at is not None:
            return self
        return changed(self, open=changed(self.open, started_at=event.processed_at))

    def _after_result(self, call_id: str, result: _Result) -> "Watch":
        calls, results = self.open.calls, (*self.open.results, result)
        if all(call.id != call_id for call in calls) or call_id in map(_call_id, self.open.results):
            return self
        if len(results) < len(calls):
            return changed(self, open=changed(self.open, results=results))
        this = _round(self.open, results, _seconds(self.open.started_at, result.processed_at))
        return self._with_round(this, self.circle, self.new_rounds)

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
        this = changed(last, signature=_sorted(*last.signature, effect))
        return self._with_round(this, self.former, self.new_rounds - (not self.former.has(last)))

    def _with_round(self, this: _Round, former: _Circle, new_rounds: int) -> "Watch":
        new_rounds += not former.has(this)
        return changed(
            self,
            open=_Open(),
            former=former,
            circle=former.after(this),
            new_rounds=new_rounds,
            warned=self.warned and new_rounds < _ROUNDS_TO_FORGET,
        )

    def _standstill(self, most: Thresholds) -> _Found | None:
        if self.idle >= most.no_action:
            return _did_nothing(self.idle)
        if self.shortened >= most.context_window:
            return _ran_full(self.shortened)
        return None


def _circle(circle: _Circle, most: Thresholds) -> _Found | None:
    if circle.last is None:
        return None
    tools = _names(circle.last)
    if circle.last.failed and circle.repeats >= most.same_error:
        return _same("same_error", tools, f"failed in the same way {circle.repeats} times in a row")
    if circle.repeats >= most.same_result:
        return _same("same_result", tools, f"gave the same result {circle.repeats} times in a row")
    if circle.repeats + circle.waits >= most.waiting:
        return _waited(tools, circle.repeats + circle.waits)
    if circle.alternating >= (most.waiting if circle.alternating_waits else most.alternating):
        return _took_turns(_names(circle.before or circle.last), tools, circle.alternating)
    return None


# --- rounds ---


def _round(answer: _Open, results: tuple[_Result, ...], seconds: float) -> _Round:
    calls = answer.calls
    by_call = {_call_id(result): result for result in results}
    return _Round(
        signature=_sorted(*(hash_of(_together(call, by_call[call.id])) for call in calls), *answer.effects),
        tools=tuple(sorted({call.name[:_LONGEST_NAME] for call in calls})[:_MOST_NAMES]),
        failed=all(result.is_error for result in results),
        waits=seconds >= _LONG_SECONDS or any(map(_says_it_waits, calls)),
    )


def _sorted(*hashes: str) -> tuple[str, ...]:
    return tuple(sorted(hashes))


def _call_id(result: _Result) -> str:
    return result.tool_use_id if isinstance(result, AgentToolResult) else result.custom_tool_use_id


def _together(call: _Use, result: _Result) -> list[object]:
    return [call.name, call.input, result.content or [], bool(result.is_error)]


def _says_it_waits(call: _Use) -> bool:
    command = call.input.get("command") if call.name == "bash" else None
    return isinstance(command, str) and _SAYS_IT_WAITS.search(command) is not None


def _alike(one: _Round, other: _Round | None) -> bool:
    return other is not None and one.signature == other.signature


def _waits(last: _Round | None) -> bool:
    return last is not None and last.waits


def _seconds(start: str | None, end: str | None) -> float:
    began, ended = time_of(start), time_of(end)
    return 0.0 if began is None or ended is None else (ended - began).total_seconds()


# --- in words ---

_OTHERWISE = (
    "It will not come out differently by itself. Look at what you know, and try something else; if there is nothing "
    "else to try, say what keeps you from going on. If you are waiting for something, wait longer in a single call. "
    "The session will be stopped if this goes on."
)


def _names(of: _Round) -> str:
    first, *others = map(visible_line, of.tools)
    if len(others) > 1:
        return f"{first} and other tools"
    return f"{first} and {others[0]}" if others else first


def _same(reason: Reason, tools: str, came_out: str) -> _Found:
    line = f"the same call of {tools} {came_out}"
    return reason, line, f"You are going in circles: {line}. {_OTHERWISE}"


def _took_turns(one: str, other: str, times: int) -> _Found:
    line = f"two calls, of {one} and of {other}, took turns {times} times, each with the result it had before"
    return "alternating", line, f"You are going in circles: {line}. {_OTHERWISE}"


def _waited(tools: str, times: int) -> _Found:
    line = f"the same call of {tools} waited {times} times in a row, and nothing changed"
    advice = (
        f"You are waiting for something that does not come: {line}. Find out whether it is still going on at all. "
        "If it is, wait much longer in a single call; if not, say so. The session will be stopped if this goes on."
    )
    return "waiting", line, advice


def _did_nothing(times: int) -> _Found:
    line = f"the model answered {times} times in a row without doing anything"
    advice = (
        f"You have answered {times} times in a row without calling a tool. If there is something left to do, do it "
        "now with a tool; if not, give your final answer. The session will be stopped if this goes on."
    )
    return "no_action", line, advice


def _ran_full(times: int) -> _Found:
    line = f"the conversation filled the context window {times} times in a row with hardly an answer in between"
    advice = (
        f"Your context window has filled {times} times in a row, so that the conversation had to be shortened. Ask "
        "tools for less at a time: parts of files, the last lines of an output, narrower searches. The session will be "
        "stopped if this goes on."
    )
    return "context_window", line, advice
