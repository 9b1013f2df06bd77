"""Sequences beside each other: what both have, in the same order."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agentctl.compare import alignment
from agentctl.compare.alignment import best, common, gaps

LETTERS = st.text("abc", max_size=12)


def longest(one: str, other: str) -> int:
    """Count the items of a longest common subsequence, as it is defined."""
    if not one or not other:
        return 0
    if one[0] == other[0]:
        return 1 + longest(one[1:], other[1:])
    return max(longest(one[1:], other), longest(one, other[1:]))


@given(st.text("ab", max_size=7), st.text("ab", max_size=7))
@settings(max_examples=60, deadline=None)
def test_the_longest_that_two_have_in_common_is_found(one: str, other: str) -> None:
    pairs = common(one, other)
    assert all(one[left] == other[right] for left, right in pairs)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(pairs))
    assert len(pairs) == longest(one, other)


@given(LETTERS, LETTERS)
@settings(max_examples=60, deadline=None)
def test_what_is_in_no_pair_is_in_a_gap_once(one: str, other: str) -> None:
    pairs = common(one, other)
    left: list[int] = []
    right: list[int] = []
    for mine, theirs in gaps(pairs, len(one), len(other)):
        left += mine
        right += theirs
    assert sorted([*left, *(pair[0] for pair in pairs)]) == list(range(len(one)))
    assert sorted([*right, *(pair[1] for pair in pairs)]) == list(range(len(other)))


def test_long_sequences_are_matched_in_order_too() -> None:
    one = [str(number % 700) for number in range(4000)]
    other = [item for place, item in enumerate(one) if place % 9] + ["new"] * 50
    pairs = common(one, other)
    assert all(one[left] == other[right] for left, right in pairs)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(pairs))
    assert len(pairs) > len(other) // 3


def test_the_pairs_with_the_greatest_sum_are_taken() -> None:
    scores = [[0.0, 2.0, 0.0], [1.5, 0.0, 1.0]]
    assert best(2, 3, lambda mine, other: scores[mine][other]) == [(0, 1), (1, 2)]
    assert best(0, 3, lambda mine, other: 1.0) == []
    assert alignment.common([], []) == []
