"""Times of files on their way into a record and back."""

import json

from hypothesis import given
from hypothesis import strategies as st

from agentctl.canonical import canonical_json
from agentctl.sandbox.inside.files import nanoseconds_of, seconds_of

NANOSECONDS = st.integers(-(10**9) * 10**9, 4 * 10**9 * 10**9)
"""From 1938 to 2096."""


@given(NANOSECONDS)
def test_a_time_comes_back_to_the_microsecond_and_is_written_with_six_digits(time: int) -> None:
    written = canonical_json(seconds_of(time))
    assert nanoseconds_of(json.loads(written)) == time // 1000 * 1000
    assert len(written.partition(".")[2]) <= 6
    assert "e" not in written or abs(time) < 10**6


@given(st.integers(-(10**9), 4 * 10**9))
def test_a_whole_second_is_written_as_one(second: int) -> None:
    assert canonical_json(seconds_of(second * 10**9 + 999)) == str(second)


@given(NANOSECONDS, NANOSECONDS)
def test_what_came_later_does_not_come_before(one: int, other: int) -> None:
    assert (one <= other) <= (seconds_of(one) <= seconds_of(other))
