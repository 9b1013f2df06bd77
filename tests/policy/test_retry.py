"""Trying again: how long to wait, and when not to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentctl.errors import CredentialsError, ModelError
from agentctl.model.failure import _HINTS, _RETRYABLE_KINDS, _STOP_CODES
from agentctl.policy.retry import DEFAULT, Failure, RetryPolicy, after_failure

FAILED = Failure("api_error", retryable=True)
ALMOST_ONE = math.nextafter(1.0, 0.0)

FINAL = [
    "authentication_error",
    "billing_error",
    "permission_error",
    "invalid_request_error",
    "not_found_error",
    "request_too_large",
    "prompt_too_long",
    "thinking_mismatch",
    "redirect_error",
    "script_error",
    "usage_limit_reached",
    *_STOP_CODES,
]


def waits(failure: Failure, chance: float = ALMOST_ONE, policy: RetryPolicy = DEFAULT) -> list[float]:
    """All the waits of a request that never succeeds."""
    found: list[float] = []
    while (wait := after_failure(failure, len(found) + 1, sum(found), chance, policy)) is not None:
        found.append(wait)
    return found


def asked(seconds: float | None) -> float | None:
    return after_failure(Failure("rate_limit_error", True, seconds), 1, 0.0, 0.0)


def test_the_longest_wait_doubles_up_to_half_a_minute_and_seven_are_made() -> None:
    assert waits(FAILED) == pytest.approx([0.5, 1, 2, 4, 8, 16, 30])


def test_chance_takes_any_part_of_a_wait_so_that_sessions_that_failed_together_come_back_apart() -> None:
    assert waits(FAILED, 0.0) == [0.0] * 7
    assert waits(FAILED, 0.5) == [0.25, 0.5, 1, 2, 4, 8, 15]


@pytest.mark.parametrize("kind", ["overloaded_error", "rate_limit_error"])
def test_an_overloaded_api_is_waited_for_four_times_as_long(kind: str) -> None:
    assert waits(Failure(kind, retryable=True)) == pytest.approx([2, 4, 8, 16, 32, 64, 120])


@pytest.mark.parametrize("kind", ["connection_error", "timeout_error", "stream_cut_error", "protocol_error"])
def test_a_connection_that_fails_or_a_stream_that_is_cut_is_tried_again(kind: str) -> None:
    assert len(waits(Failure(kind, retryable=True))) == 7
    assert waits(Failure(kind, retryable=False)) == []


@pytest.mark.parametrize("kind", FINAL)
def test_a_refused_key_an_unpaid_bill_a_spend_limit_or_a_bad_request_is_never_tried_again(kind: str) -> None:
    assert after_failure(Failure(kind, retryable=True, retry_after_seconds=1.0), 1, 0.0, 0.5) is None


def test_every_kind_that_the_client_tells_apart_is_either_final_or_retried() -> None:
    assert set(_HINTS) - set(_RETRYABLE_KINDS) <= set(FINAL)
    assert not set(FINAL) & set(_RETRYABLE_KINDS)


def test_a_retry_after_is_obeyed_and_chance_comes_on_top() -> None:
    assert asked(5.0) == 5.0
    assert asked(120.0) == 120.0
    assert after_failure(Failure("api_error", True, 5.0), 2, 0.0, 0.5) == 5.5


@pytest.mark.parametrize("seconds", [120.1, 99_999.0, 366 * 86_400.0, math.inf])
def test_a_retry_after_that_nobody_would_sit_through_ends_the_attempts_and_says_when_to_resume(seconds: float) -> None:
    assert asked(seconds) is None
    assert Failure("rate_limit_error", True, seconds).asked_seconds == seconds


@pytest.mark.parametrize("seconds", [-5.0, -math.inf, math.nan, None])
def test_a_retry_after_that_is_no_time_is_ignored(seconds: float | None) -> None:
    assert asked(seconds) == 0.0
    assert Failure("rate_limit_error", True, seconds).asked_seconds is None


def test_a_date_in_the_past_and_a_zero_are_followed_at_once_but_for_the_usual_wait() -> None:
    assert after_failure(Failure("api_error", True, 0.0), 1, 0.0, 0.5) == 0.25


def test_ten_minutes_of_waiting_are_enough() -> None:
    always = Failure("overloaded_error", True, 110.0)
    assert len(waits(always, 0.0)) == 5
    assert sum(waits(always, 0.0)) <= 600 < sum(waits(always, 0.0)) + 110
    assert after_failure(FAILED, 2, 600.0, 0.5) is None


def test_the_policy_can_be_another_one() -> None:
    assert waits(FAILED, policy=RetryPolicy(most_attempts=1)) == []
    assert waits(FAILED, policy=RetryPolicy(first_wait_seconds=8, longest_wait_seconds=10, most_attempts=4)) == (
        pytest.approx([8, 10, 10])
    )


def test_a_failure_is_taken_from_an_error() -> None:
    error = ModelError("x", kind="overloaded_error", retryable=True, retry_after_seconds=3.0)
    assert Failure.of(error) == Failure("overloaded_error", True, 3.0)
    assert after_failure(Failure.of(CredentialsError("no key")), 1, 0.0, 0.5) is None


@given(
    st.sampled_from([*FINAL, *_RETRYABLE_KINDS, "connection_error", "new_error"]),
    st.booleans(),
    st.none() | st.floats(),
    st.integers(1, 10**6),
    st.floats(0, 10**6),
    st.floats(0, 1, exclude_max=True),
)
def test_a_wait_is_always_a_time_that_passes(
    kind: str, retryable: bool, retry_after: float | None, attempt: int, waited: float, chance: float
) -> None:
    wait = after_failure(Failure(kind, retryable, retry_after), attempt, waited, chance)
    if wait is not None:
        assert math.isfinite(wait)
        assert 0 <= wait <= 240
        assert waited + wait <= 600
        assert attempt < 8
        assert retryable
        assert kind not in FINAL
