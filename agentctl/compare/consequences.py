"""Which later differences follow from an earlier one, as far as the record can show it.

A later call is a *consequence* only where a value that just one side had observed turns up in what that side
asks for afterwards, and in nothing that it had asked for before. Everything else is a later difference:
perhaps it follows, but nobody can tell.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentctl.compare.arguments import texts_in
from agentctl.compare.calls import Call
from agentctl.compare.difference import Difference, Step

_VALUE = re.compile(r"[\w./:@+-]*\w")
_TELLING = re.compile(r"[\d./_:@-]|\w{5}")
_LEAST = 3
_MOST_TEXT = 100_000


@dataclass(frozen=True, slots=True)
class Cause:
    """Where a value comes from: the number of the event that it was observed in, and the value."""

    event: int
    value: str


def consequences(steps: Sequence[Step], found: Sequence[Difference]) -> Mapping[int, Cause]:
    """Return the causes of what is asked for otherwise, by the numbers of the steps."""
    by_step: dict[int, list[Difference]] = {}
    for difference in found:
        if difference.step is not None:
            by_step.setdefault(difference.step.number, []).append(difference)
    sides = _Learnt(), _Learnt()
    causes: dict[int, Cause] = {}
    for step in steps:
        differences = by_step.get(step.number, [])
        if any(each.layer in ("trajectory", "arguments") for each in differences):
            cause = _cause(sides, step)
            if cause is not None:
                causes[step.number] = cause
        for learnt, call in zip(sides, (step.a, step.b), strict=True):
            learnt.ask(call)
        for each in differences:
            if each.layer == "observations":
                _observe(sides, each)
    return causes


class _Learnt:
    """What one side has observed and the other has not, and what it had asked for anyway."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self._asked: set[str] = set()

    def ask(self, call: Call | None) -> None:
        if call is not None and not self.values:
            self._asked.update(_values(call.input))

    def observe(self, values: set[str], event: int) -> None:
        for value in values - self._asked:
            self.values.setdefault(value, event)

    def cause_of(self, values: set[str]) -> Cause | None:
        known = sorted((self.values[value], -len(value), value) for value in values if value in self.values)
        return Cause(known[0][0], known[0][2]) if known else None


def _cause(sides: tuple[_Learnt, _Learnt], step: Step) -> Cause | None:
    if not any(side.values for side in sides):
        return None
    mine = _values(step.a.input if step.a is not None else None)
    theirs = _values(step.b.input if step.b is not None else None)
    return sides[0].cause_of(mine - theirs) or sides[1].cause_of(theirs - mine)


def _observe(sides: tuple[_Learnt, _Learnt], difference: Difference) -> None:
    seen = [set[str](), set[str]()]
    for own, place in zip(seen, (difference.a, difference.b), strict=True):
        if place is not None:
            own |= set(_values(place.value["text"]))
    for side, own, other, place in zip(sides, seen, reversed(seen), (difference.a, difference.b), strict=True):
        if place is not None and place.event is not None:
            side.observe(own - other, place.event)


def _values(value: Any) -> set[str]:
    return set(_found(value))


def _found(value: Any) -> Iterator[str]:
    for text in texts_in(value):
        for found in _VALUE.findall(text[:_MOST_TEXT]):
            if len(found) >= _LEAST and _TELLING.search(found):
                yield found
