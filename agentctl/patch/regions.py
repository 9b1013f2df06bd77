"""Where two texts differ, found in bounded time.

Myers' greedy algorithm (1986) gives the smallest difference where that is small; a large one is
first split at lines that both texts have exactly once (as in patience diff), and what is left when
the work it may cost is spent is replaced as a whole.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

MOST_EDITS = 400
"""Insertions and deletions up to which the smallest difference of two parts is looked for."""

MOST_STEPS = 3_000_000
"""What one comparison may cost, in comparisons of lines: about half a second."""


class Region(NamedTuple):
    """Lines ``old_start`` to ``old_end`` of one text that stand for ``new_start`` to ``new_end`` of the other."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def regions(old: Sequence[bytes], new: Sequence[bytes]) -> list[Region]:
    """Return where two texts differ, in order; regions neither overlap nor touch."""
    numbers: dict[bytes, int] = {}
    comparison = _Comparison(
        [numbers.setdefault(line, len(numbers)) for line in old],
        [numbers.setdefault(line, len(numbers)) for line in new],
    )
    return comparison.regions()


class _Comparison:
    """Two texts as numbers of lines, and the steps that may still be taken."""

    def __init__(self, old: list[int], new: list[int]) -> None:
        self._old, self._new = old, new
        self._steps_left = MOST_STEPS

    def regions(self) -> list[Region]:
        found: list[Region] = []
        waiting = [Region(0, len(self._old), 0, len(self._new))]
        while waiting:
            part = self._trimmed(waiting.pop())
            if part.old_start == part.old_end and part.new_start == part.new_end:
                continue
            smaller = self._divided(part)
            if smaller is None:
                found.append(part)
            else:
                waiting += smaller
        return _joined(sorted(found))

    def _trimmed(self, part: Region) -> Region:
        """Take off what both begin and end with."""
        old, new = self._old, self._new
        o1, o2, n1, n2 = part
        while o1 < o2 and n1 < n2 and old[o1] == new[n1]:
            o1, n1 = o1 + 1, n1 + 1
        while o1 < o2 and n1 < n2 and old[o2 - 1] == new[n2 - 1]:
            o2, n2 = o2 - 1, n2 - 1
        return Region(o1, o2, n1, n2)

    def _divided(self, part: Region) -> list[Region] | None:
        """Return the parts of a part that may differ. Returns None for one that differs as a whole."""
        if part.old_start == part.old_end or part.new_start == part.new_end or self._steps_left <= 0:
            return None
        same = self._smallest(part)
        if same is None:
            same = self._anchors(part)
        return _between(part, same) if same else None

    def _smallest(self, part: Region) -> list[tuple[int, int]] | None:
        """Return the pairs of equal lines of the smallest difference. Returns None where it is too large."""
        old, new = self._old, self._new
        o1, o2, n1, n2 = part
        reached = {1: 0}
        former: list[dict[int, int]] = []
        for edits in range(min(MOST_EDITS, o2 - o1 + n2 - n1) + 1):
            former.append(reached.copy())
            for diagonal in range(-edits, edits + 1, 2):
                down = diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])
                start = at = reached[diagonal + 1] if down else reached[diagonal - 1] + 1
                other = at - diagonal
                while o1 + at < o2 and n1 + other < n2 and old[o1 + at] == new[n1 + other]:
                    at, other = at + 1, other + 1
                reached[diagonal] = at
                self._steps_left -= at - start + 1
                if o1 + at >= o2 and n1 + other >= n2:
                    return _pairs(part, former, diagonal, at)
            if self._steps_left <= 0:
                return None
        return None

    def _anchors(self, part: Region) -> list[tuple[int, int]]:
        """Return lines that both parts have exactly once, as many as there are in the same order in both."""
        o1, o2, n1, n2 = part
        in_old, in_new = Counter(self._old[o1:o2]), Counter(self._new[n1:n2])
        places = {line: at for at, line in enumerate(self._new[n1:n2], n1) if in_new[line] == 1}
        shared = [
            (at, places[line]) for at, line in enumerate(self._old[o1:o2], o1) if in_old[line] == 1 and line in places
        ]
        return _rising(shared)


def _pairs(part: Region, former: list[dict[int, int]], diagonal: int, at: int) -> list[tuple[int, int]]:
    """Go back along the way that was found; return the pairs of equal lines on it, first to last."""
    found: list[tuple[int, int]] = []
    for edits in range(len(former) - 1, -1, -1):
        reached = former[edits]
        down = diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])
        came_from = diagonal + 1 if down else diagonal - 1
        start = reached[came_from] if down else reached[came_from] + 1
        found += ((part.old_start + place, part.new_start + place - diagonal) for place in range(at - 1, start - 1, -1))
        diagonal, at = came_from, reached[came_from]
    return found[::-1]


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest part of ``pairs``, sorted by their first, in which the second ones rise."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int | None] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else None)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [number]
    chosen: list[tuple[int, int]] = []
    at = last[-1] if last else None
    while at is not None:
        chosen.append(pairs[at])
        at = before[at]
    return chosen[::-1]


def _between(part: Region, same: Sequence[tuple[int, int]]) -> list[Region]:
    """Return what lies between pairs of equal lines."""
    marks = [(part.old_start - 1, part.new_start - 1), *same, (part.old_end, part.new_end)]
    gaps = (Region(one[0] + 1, two[0], one[1] + 1, two[1]) for one, two in pairwise(marks))
    return [gap for gap in gaps if gap.old_start < gap.old_end or gap.new_start < gap.new_end]


def _joined(found: Sequence[Region]) -> list[Region]:
    """Make one of regions that touch."""
    whole: list[Region] = []
    for region in found:
        if whole and whole[-1].old_end == region.old_start and whole[-1].new_end == region.new_start:
            region = Region(whole[-1].old_start, region.old_end, whole[-1].new_start, region.new_end)
            whole.pop()
        whole.append(region)
    return whole
