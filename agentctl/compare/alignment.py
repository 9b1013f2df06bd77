"""Which item of one sequence stands for which of another.

What both begin and end with is taken off first. In what is left the longest common subsequence is found
exactly where it is short, and by matching the first with the first, the second with the second of each
kind where it is long: then it takes as long as sorting does, whatever the sequences hold.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeAlias

Pair: TypeAlias = tuple[int, int]

Score: TypeAlias = Callable[[int, int], float]
"""Says how well two items fit, by their places; 0 where they do not."""

_MOST_CELLS = 40_000


def common(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[Pair]:
    """Return the places of items that both have in the same order, as many as can be found, in that order."""
    start = _same_from_start(one, other)
    end = _same_from_end(one, other, start)
    middle = _common(one[start : len(one) - end], other[start : len(other) - end])
    tail = range(end, 0, -1)
    return [
        *((place, place) for place in range(start)),
        *((start + left, start + right) for left, right in middle),
        *((len(one) - back, len(other) - back) for back in tail),
    ]


def gaps(pairs: Sequence[Pair], left: int, right: int) -> Iterator[tuple[range, range]]:
    """Yield what lies between the pairs of two sequences of these lengths, where anything does."""
    former = (-1, -1)
    for pair in (*pairs, (left, right)):
        mine, others = range(former[0] + 1, pair[0]), range(former[1] + 1, pair[1])
        if mine or others:
            yield mine, others
        former = pair


def best(left: int, right: int, score: Score) -> list[Pair]:
    """Return the pairs, in order, whose scores have the greatest sum; a score of 0 is no pair (Needleman-Wunsch)."""
    table = [[0.0] * (right + 1) for _ in range(left + 1)]
    scores = [[score(mine, other) for other in range(right)] for mine in range(left)]
    for mine in range(left - 1, -1, -1):
        row, below = table[mine], table[mine + 1]
        for other in range(right - 1, -1, -1):
            found = scores[mine][other]
            row[other] = max(below[other], row[other + 1], below[other + 1] + found if found else 0.0)
    pairs, mine, other = [], 0, 0
    while mine < left and other < right:
        found = scores[mine][other]
        if found and table[mine][other] == table[mine + 1][other + 1] + found:
            pairs.append((mine, other))
            mine, other = mine + 1, other + 1
        elif table[mine][other] == table[mine + 1][other]:
            mine += 1
        else:
            other += 1
    return pairs


def _same_from_start(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    most = min(len(one), len(other))
    return next((place for place in range(most) if one[place] != other[place]), most)


def _same_from_end(one: Sequence[Hashable], other: Sequence[Hashable], start: int) -> int:
    most = min(len(one), len(other)) - start
    return next((back for back in range(most) if one[-1 - back] != other[-1 - back]), most)


def _common(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[Pair]:
    shared = set(one) & set(other)
    mine = [place for place, item in enumerate(one) if item in shared]
    others = [place for place, item in enumerate(other) if item in shared]
    left, right = [one[place] for place in mine], [other[place] for place in others]
    found = _exact(left, right) if len(left) * len(right) <= _MOST_CELLS else _by_rank(left, right)
    return [(mine[place], others[match]) for place, match in found]


def _exact(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[Pair]:
    """Find a longest common subsequence, the earliest where there are several."""
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for left in range(len(one) - 1, -1, -1):
        row, below, item = lengths[left], lengths[left + 1], one[left]
        for right in range(len(other) - 1, -1, -1):
            row[right] = below[right + 1] + 1 if item == other[right] else max(below[right], row[right + 1])
    pairs, left, right = [], 0, 0
    while left < len(one) and right < len(other):
        if one[left] == other[right]:
            pairs.append((left, right))
            left, right = left + 1, right + 1
        elif lengths[left + 1][right] >= lengths[left][right + 1]:
            left += 1
        else:
            right += 1
    return pairs


def _by_rank(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[Pair]:
    """Match the nth of a kind with the nth of that kind, and keep the most that are in order on both sides."""
    places = {ranked: place for place, ranked in enumerate(_ranked(other))}
    pairs = [(place, places[ranked]) for place, ranked in enumerate(_ranked(one)) if ranked in places]
    return _longest_rising(pairs)


def _ranked(items: Sequence[Hashable]) -> Iterator[tuple[Hashable, int]]:
    seen: dict[Hashable, int] = {}
    for item in items:
        seen[item] = seen.get(item, 0) + 1
        yield item, seen[item]


def _longest_rising(pairs: Sequence[Pair]) -> list[Pair]:
    """Keep the most pairs whose second places rise; the first ones rise already."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int | None] = []
    for number, (_, place) in enumerate(pairs):
        at = bisect_left(ends, place)
        before.append(last[at - 1] if at else None)
        if at == len(ends):
            ends.append(place)
            last.append(number)
        else:
            ends[at], last[at] = place, number
    kept: list[Pair] = []
    following = last[-1] if last else None
    while following is not None:
        kept.append(pairs[following])
        following = before[following]
    return kept[::-1]
