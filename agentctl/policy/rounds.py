"""Rounds: the calls of one answer with their results, as hashes, and whether they repeat.

Results are compared to the letter: a time, a process id, a line more in a log is something new, and whoever
sees something new is not stuck.

What a call did to files belongs to its result: a call that prints the same again and changes files again
has done something new, unless they become what they were a round ago.

Waiting is not going in circles. A round that took long, or whose command says that it waits, counts apart.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

from agentctl.canonical import hash_of
from agentctl.events.agent import AgentCustomToolUse, AgentToolResult, AgentToolUse
from agentctl.events.user import UserCustomToolResult
from agentctl.ids import time_of
from agentctl.session.changing import changed

_Use: TypeAlias = AgentToolUse | AgentCustomToolUse
Result: TypeAlias = AgentToolResult | UserCustomToolResult

_LONG_SECONDS = 5.0
"""A round that takes this long waits for something, or works at something: it is no idle circle."""

_SAYS_IT_WAITS = re.compile(r"\b(?:sleep|wait)\b")

_LONGEST_NAME = 64
_MOST_NAMES = 3


@dataclass(frozen=True)
class Round:
    """The calls of one answer with their results, in whichever order they were made and ended."""

    signature: tuple[str, ...]
    tools: tuple[str, ...]
    failed: bool
    waits: bool

    def with_effect(self, effect: str) -> "Round":
        """Return the round with one more effect on files, a hash."""
        return changed(self, signature=_sorted(*self.signature, effect))


@dataclass(frozen=True)
class OpenRound:
    """A round that is not whole yet: the calls of an answer, the results there are, and since when its calls run.

    ``effects`` are hashes of what its calls did to files.
    """

    calls: tuple[_Use, ...] = ()
    results: tuple[Result, ...] = ()
    started_at: str | None = None
    effects: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every call has its result."""
        return len(self.results) == len(self.calls)

    def waits_for(self, call_id: str) -> bool:
        """Say whether a call is one of these and has no result yet."""
        return any(call.id == call_id for call in self.calls) and call_id not in map(_call_id, self.results)


@dataclass(frozen=True)
class Circle:
    """The tail of the rounds.

    ``repeats`` and ``waits`` count the rounds in a row that are like ``last``; those that wait,
    apart. ``alternating`` counts the rounds in a row in which two different ones take turns, and
    ``alternating_waits`` says that one of those waits.
    """

    last: Round | None = None
    before: Round | None = None
    repeats: int = 0
    waits: int = 0
    alternating: int = 0
    alternating_waits: bool = False

    def after(self, this: Round) -> "Circle":
        """Return the tail after one more round."""
        is_last = _alike(this, self.last)
        is_before = not is_last and _alike(this, self.before)
        return Circle(
            last=this,
            before=self.last,
            repeats=(self.repeats if is_last else 0) + (not this.waits),
            waits=(self.waits if is_last else 0) + this.waits,
            alternating=self.alternating + 1 if is_before else 1 if is_last or self.last is None else 2,
            alternating_waits=this.waits or (self.alternating_waits if is_before else _waits(self.last)),
        )

    def has(self, this: Round) -> bool:
        """Say whether the last round, or the one before it, was like this one."""
        return _alike(this, self.last) or _alike(this, self.before)


def round_of(whole: OpenRound, ended_at: str | None) -> Round:
    """Return what a round comes to whose last result came at ``ended_at``."""
    calls = whole.calls
    results = {_call_id(result): result for result in whole.results}
    return Round(
        signature=_sorted(*(hash_of(_together(call, results[call.id])) for call in calls), *whole.effects),
        tools=tuple(sorted({call.name[:_LONGEST_NAME] for call in calls})[:_MOST_NAMES]),
        failed=all(result.is_error for result in whole.results),
        waits=_seconds(whole.started_at, ended_at) >= _LONG_SECONDS or any(map(_says_it_waits, calls)),
    )


def _sorted(*hashes: str) -> tuple[str, ...]:
    return tuple(sorted(hashes))


def _call_id(result: Result) -> str:
    return result.tool_use_id if isinstance(result, AgentToolResult) else result.custom_tool_use_id


def _together(call: _Use, result: Result) -> list[object]:
    return [call.name, call.input, result.content or [], bool(result.is_error)]


def _says_it_waits(call: _Use) -> bool:
    command = call.input.get("command") if call.name == "bash" else None
    return isinstance(command, str) and _SAYS_IT_WAITS.search(command) is not None


def _alike(one: Round, other: Round | None) -> bool:
    return other is not None and one.signature == other.signature


def _waits(last: Round | None) -> bool:
    return last is not None and last.waits


def _seconds(start: str | None, end: str | None) -> float:
    began, ended = time_of(start), time_of(end)
    return 0.0 if began is None or ended is None else (ended - began).total_seconds()
