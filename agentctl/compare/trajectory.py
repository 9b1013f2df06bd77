"""The calls of two sessions beside each other.

Calls that ask for the same are found first; in what is left, calls of one tool that ask for something
alike stand for each other. Calls of one answer ran side by side, so their order says nothing.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from agentctl.compare.alignment import Pair, best, common, gaps
from agentctl.compare.arguments import Bags, is_alike, key_of
from agentctl.compare.calls import Call
from agentctl.compare.difference import Difference, Layer, Place, Step

_MOST_SCORED = 400


def aligned(one: Sequence[Call], other: Sequence[Call]) -> tuple[Step, ...]:
    """Return the steps of two sessions, in the order of the first one's calls."""
    partners: dict[int, tuple[int, bool]] = {}
    threads, others = _by_thread(one), _by_thread(other)
    for mine, theirs in zip(threads, others, strict=False):
        for left, right, is_same in _partners(mine, theirs):
            partners[left.seq] = (right.seq, is_same)
    return tuple(_merged(one, other, partners))


def trajectory_layer(steps: Sequence[Step]) -> Layer:
    """Say which calls only one side has."""
    found = [step for step in steps if step.a is None or step.b is None]
    return Layer("trajectory", tuple(map(_one_sided, found)), len(steps))


def _one_sided(step: Step) -> Difference:
    call = step.call
    place = Place(call.seq, "", {"name": call.name, "input": call.input})
    if step.a is not None:
        return Difference("trajectory", "only_a", call.name, place, None, step)
    return Difference("trajectory", "only_b", call.name, None, place, step)


def _by_thread(calls: Sequence[Call]) -> list[list[Call]]:
    """Divide calls by thread; threads have other ids in each session, and stand in the order of their first calls."""
    found: dict[str, list[Call]] = {"": []}
    for call in calls:
        found.setdefault(call.thread, []).append(call)
    return list(found.values())


def _partners(one: Sequence[Call], other: Sequence[Call]) -> Iterator[tuple[Call, Call, bool]]:
    """Yield the calls that stand for each other, and whether they ask for the same."""
    start = _same_from_start(one, other)
    yield from ((one[place], other[place], True) for place in range(start))
    mine, theirs = _Keyed(one[start:]), _Keyed(other[start:])
    # The two are put into an order of their own, so that it does not matter which is called A.
    if swapped := mine.keys > theirs.keys:
        mine, theirs = theirs, mine
    for left, right, is_same in _pairs(mine, theirs):
        pair = mine.calls[left], theirs.calls[right]
        yield (pair[1], pair[0], is_same) if swapped else (*pair, is_same)


def _same_from_start(one: Sequence[Call], other: Sequence[Call]) -> int:
    most = min(len(one), len(other))
    differing = (place for place in range(most) if not _is_same(one[place], other[place]))
    return next(differing, most)


def _is_same(one: Call, other: Call) -> bool:
    return one.name == other.name and one.input == other.input


class _Keyed:
    """Calls in an order that does not depend on which of an answer's calls came first, with what they ask for."""

    def __init__(self, calls: Sequence[Call]) -> None:
        keyed = sorted((call.turn, f"{call.name} {key_of(call)}", call.seq, call) for call in calls)
        self.calls = [call for *_, call in keyed]
        self.keys = [key for _, key, _, _ in keyed]
        self.turns = [turn for turn, *_ in keyed]


def _pairs(mine: _Keyed, theirs: _Keyed) -> Iterator[tuple[int, int, bool]]:
    found = common(mine.keys, theirs.keys)
    found += _of_one_answer(mine, theirs, found)
    yield from ((left, right, True) for left, right in found)
    bags = Bags()
    for left, right in _left_over(mine, theirs, sorted(found)):
        for one, other in _alike([mine.calls[place] for place in left], [theirs.calls[place] for place in right], bags):
            yield left[one], right[other], False


def _of_one_answer(mine: _Keyed, theirs: _Keyed, found: Sequence[Pair]) -> list[Pair]:
    """Return calls that ask for the same and were passed over, though only the order inside of an answer differs."""
    taken, given = {left for left, _ in found}, {right for _, right in found}
    waiting: dict[str, list[int]] = {}
    for place, key in enumerate(theirs.keys):
        if place not in given:
            waiting.setdefault(key, []).append(place)
    if not waiting:
        return []
    turns = sorted((mine.turns[left], theirs.turns[right]) for left, right in found)
    firsts = [turn for turn, _ in turns]
    before = [0, *accumulate((turn for _, turn in turns), max)]
    behind = [*reversed([*accumulate((turn for _, turn in reversed(turns)), min)]), 1 << 62]
    added = []
    for place, key in enumerate(mine.keys):
        if place in taken or not waiting.get(key):
            continue
        turn = mine.turns[place]
        least, most = before[bisect_left(firsts, turn)], behind[bisect_right(firsts, turn)]
        match = next((other for other in waiting[key] if least <= theirs.turns[other] <= most), None)
        if match is not None:
            waiting[key].remove(match)
            added.append((place, match))
    return added


def _left_over(mine: _Keyed, theirs: _Keyed, found: Sequence[Pair]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the calls between those that were found, side by side."""
    given = {right for _, right in found}
    rising: list[Pair] = []
    for left, right in found:
        if not rising or right > rising[-1][1]:
            rising.append((left, right))
    taken = {left for left, _ in found}
    for lefts, rights in gaps(rising, len(mine.calls), len(theirs.calls)):
        ones = [place for place in lefts if place not in taken]
        others = [place for place in rights if place not in given]
        if ones and others:
            yield ones, others


def _alike(one: Sequence[Call], other: Sequence[Call], bags: Bags) -> list[Pair]:
    """Pair calls of one tool that ask for something alike."""

    def score(left: int, right: int) -> float:
        share = bags.likeness(one[left], other[right])
        return 1.0 + share if is_alike(share) else 0.0

    if len(one) * len(other) <= _MOST_SCORED:
        return best(len(one), len(other), score)
    pairs = common([call.name for call in one], [call.name for call in other])
    return [pair for pair in pairs if score(*pair)]


def _merged(one: Sequence[Call], other: Sequence[Call], partners: dict[int, tuple[int, bool]]) -> Iterator[Step]:
    by_seq = {call.seq: call for call in other}
    given = {seq for seq, _ in partners.values()}
    alone = [call for call in other if call.seq not in given]
    number, at, place = 0, 0, 0
    for call in one:
        partner, is_same = partners.get(call.seq, (None, False))
        while partner is not None and place < len(alone) and alone[place].seq < partner:
            number += 1
            yield Step(number, None, alone[place], next_a=call.seq)
            place += 1
        number += 1
        if partner is None:
            yield Step(number, call, None, next_b=other[at].seq if at < len(other) else None)
        else:
            while at < len(other) and other[at].seq <= partner:
                at += 1
            yield Step(number, call, by_seq[partner], is_same)
    for call in alone[place:]:
        number += 1
        yield Step(number, None, call)
