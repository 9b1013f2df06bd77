"""What a few runs of each side allow to be said, and no more.

Two numbers of runs are never compared by their means: a median and a range say what there was, and an exact
test says how often chance alone would part two groups as far.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH = 5
"""How many runs a side needs before anything is said about the sides beyond these runs."""

LEVEL = 0.05
"""What chance alone does more often than this is put down to chance."""

_MOST_EXACT = 24


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the middle and the most of some numbers, and how many there are."""

    least: float
    median: float
    most: float
    n: int


def spread(values: Sequence[float]) -> Spread | None:
    """Return the spread of some numbers; None of none."""
    if not values:
        return None
    ordered, middle = sorted(values), len(values) // 2
    median = ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Spread(ordered[0], median, ordered[-1], len(values))


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return how likely chance alone parts two groups of numbers as far (two-sided); None where one is empty.

    Exact for up to 24 numbers, equal ones included; beyond that by the normal distribution, corrected
    for equal numbers.
    """
    if not one or not other:
        return None
    ranks = _ranks([*one, *other])
    mine = sum(ranks[: len(one)])
    if len(ranks) <= _MOST_EXACT:
        return _exact(ranks, len(one), mine)
    return _normal(ranks, len(one), mine)


def fisher(one: tuple[int, int], other: tuple[int, int]) -> float | None:
    """Return how likely chance alone gives two groups shares as far apart (two-sided, exact).

    Each group is how many did and how many did not. None where one is empty.
    """
    rows, total = (sum(one), sum(other)), sum(one) + sum(other)
    did = one[0] + other[0]
    if not all(rows):
        return None
    ways = [
        math.comb(rows[0], first) * math.comb(rows[1], did - first)
        for first in range(max(0, did - rows[1]), min(rows[0], did) + 1)
    ]
    seen = math.comb(rows[0], one[0]) * math.comb(rows[1], other[0])
    return min(1.0, sum(way for way in ways if way <= seen) / math.comb(total, did))


def _ranks(values: Sequence[float]) -> list[int]:
    """Return twice the rank of each number, so that equal ones share a whole number."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    last = {value: place for place, value in enumerate(ordered)}
    return [first[value] + last[value] + 2 for value in values]


def _exact(ranks: Sequence[int], size: int, mine: int) -> float:
    """Count, of all ways to choose so many, those whose ranks add up to something as far from the middle."""
    ways: list[dict[int, int]] = [{0: 1}, *({} for _ in range(size))]
    for rank in ranks:
        for chosen in range(size - 1, -1, -1):
            for total, number in ways[chosen].items():
                ways[chosen + 1][total + rank] = ways[chosen + 1].get(total + rank, 0) + number
    middle = size * sum(ranks) / len(ranks)
    far = sum(number for total, number in ways[size].items() if abs(total - middle) >= abs(mine - middle))
    return far / math.comb(len(ranks), size)


def _normal(ranks: Sequence[int], size: int, mine: int) -> float:
    total = len(ranks)
    middle = size * sum(ranks) / total
    variance = size * (total - size) / (total * (total - 1)) * sum((rank - sum(ranks) / total) ** 2 for rank in ranks)
    if not variance:
        return 1.0
    # Ranks are doubled, so half a step is 1.
    return math.erfc(max(0.0, abs(mine - middle) - 1) / math.sqrt(2 * variance))
