"""What each refusal of the API is called, whether it passes, and what a person is told."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from agentctl.errors import CredentialsError, ModelError
from agentctl.model.failure import broken_off, refused, without_secrets

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def body(kind: str, message: str = "no", **details: Any) -> object:
    return {"type": "error", "error": {"type": kind, "message": message, "details": details}}


def explain(status: int, content: object = None, **headers: str) -> ModelError:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return refused(status, content, httpx2.Headers({"request-id": "req_9", **named}), NOW)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (307, "redirect_error", False),
        (400, "invalid_request_error", False),
        (402, "billing_error", False),
        (403, "permission_error", False),
        (404, "not_found_error", False),
        (408, "timeout_error", True),
        (409, "conflict_error", True),
        (412, "invalid_request_error", False),
        (413, "request_too_large", False),
        (422, "invalid_request_error", False),
        (429, "rate_limit_error", True),
        (499, "invalid_request_error", False),
        (500, "api_error", True),
        (501, "api_error", True),
        (502, "api_error", True),
        (503, "api_error", True),
        (504, "timeout_error", True),
        (529, "overloaded_error", True),
    ],
)
@pytest.mark.parametrize("content", [None, "<html>nginx</html>", [1], {"error": "text"}, {"error": {"type": 7}}])
def test_a_status_alone_says_enough(status: int, kind: str, retryable: bool, content: object) -> None:
    error = explain(status, content)
    assert (error.kind, error.retryable, error.status_code) == (kind, retryable, status)
    assert error.request_id == "req_9"
    assert "nginx" not in error.message


def test_the_type_counts_more_than_the_status() -> None:
    error = explain(500, body("overloaded_error", "try later"))
    assert error.kind == "overloaded_error"
    assert error.message == "the model's API is overloaded (HTTP 500): try later"


def test_a_type_of_the_future_is_passed_on() -> None:
    error = explain(418, body("teapot_error", "short and stout"))
    assert (error.kind, error.retryable) == ("teapot_error", False)
    assert "teapot_error" in error.message
    assert "short and stout" in error.message


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (429, "rate_limit_error", "enforced_spend_limit_reached"),
        (429, "rate_limit_error", "contract_spend_limit_reached"),
        (402, "billing_error", "linked_organization_spend_limit_reached"),
        (402, "billing_error", "linked_organization_billing_unavailable"),
        (400, "invalid_request_error", "organization_on_hold"),
    ],
)
@pytest.mark.parametrize("should_retry", ["true", "false"])
def test_where_only_money_helps_nothing_is_tried_again(status: int, kind: str, code: str, should_retry: str) -> None:
    error = explain(status, body(kind, "stop", error_code=code), retry_after="1", x_should_retry=should_retry)
    assert (error.kind, error.retryable) == (code, False)
    assert error.hint is not None


def test_a_limit_that_people_set_themselves_comes_as_a_bad_request() -> None:
    error = explain(400, body("invalid_request_error", "You have reached your specified API usage limits. You will …"))
    assert (error.kind, error.retryable) == ("usage_limit_reached", False)
    assert error.hint is not None
    assert "Limits" in error.hint


def test_a_ramp_limit_passes() -> None:
    error = explain(429, body("rate_limit_error", error_code="ramp_limit_exceeded"), retry_after="30")
    assert (error.kind, error.retryable, error.retry_after_seconds) == ("rate_limit_error", True, 30)


def test_a_conversation_that_is_too_long_is_told_apart() -> None:
    error = explain(400, body("invalid_request_error", "prompt is too long: 1000001 tokens > 1000000 maximum"))
    assert error.kind == "prompt_too_long"
    assert error.hint is not None
    assert "1000001 tokens" in error.message


def test_thinking_that_is_no_longer_accepted_is_told_apart() -> None:
    text = "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to …"
    assert explain(400, body("invalid_request_error", text)).kind == "thinking_mismatch"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("99999", 99999.0),
        ("inf", 366 * 86400.0),
        ("1e400", 366 * 86400.0),
        ("nan", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("Fri, 20 Nov 2026 12:02:00 GMT", 120.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("Fri, 20 Nov 2026 12:02:00 -0000", 120.0),
        ("Fri, 99 Nov 2026 12:02:00 GMT", None),
    ],
)
def test_how_long_to_wait(text: str, seconds: float | None) -> None:
    assert explain(429, retry_after=text).retry_after_seconds == seconds


def test_milliseconds_are_the_better_answer() -> None:
    assert explain(429, retry_after="7", retry_after_ms="250").retry_after_seconds == 0.25
    assert explain(429, retry_after="7", retry_after_ms="nan").retry_after_seconds == 7
    assert explain(429).retry_after_seconds is None


def test_the_server_may_say_whether_to_try_again() -> None:
    assert explain(400, x_should_retry="true").retryable
    assert not explain(529, x_should_retry="false").retryable


def test_of_a_refused_key_nothing_is_repeated() -> None:
    error = explain(401, body("authentication_error", "Incorrect key provided: sk-ant-ab*****yz"))
    assert isinstance(error, CredentialsError)
    assert "sk-" not in error.message
    assert "yz" not in error.message
    assert error.hint is not None
    assert "ANTHROPIC_API_KEY" in error.hint
    assert "ant auth login" in error.hint


@pytest.mark.parametrize(
    "text",
    ["your key sk-ant-api03-abc_DEF is wrong", "got Bearer abc.def-ghi, no", "sk_live_x", "(sk-proj-***1234)"],
)
def test_keys_are_masked_wherever_a_server_repeats_them(text: str) -> None:
    masked = without_secrets(text)
    assert "[key]" in masked
    for part in ("abc", "live", "1234", "ghi"):
        assert part not in masked


def test_what_a_server_says_is_one_line_of_bounded_length() -> None:
    line = without_secrets("a task-force\n\tof " + "x" * 10_000)
    assert line.startswith("a task-force of x")
    assert len(line) < 600


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [
        ("overloaded_error", True),
        ("api_error", True),
        ("rate_limit_error", True),
        ("timeout_error", True),
        ("invalid_request_error", False),
        ("permission_error", False),
        ("teapot_error", False),
    ],
)
def test_an_error_in_the_middle_goes_by_its_type(kind: str, retryable: bool) -> None:
    error = broken_off(body(kind), "req_1", begun=True)
    assert (error.kind, error.retryable, error.status_code, error.request_id) == (kind, retryable, None, "req_1")


def test_an_error_in_the_middle_that_says_nothing_may_pass() -> None:
    assert broken_off("garbage", None, begun=True).retryable


def test_a_key_may_be_refused_in_the_middle() -> None:
    assert isinstance(broken_off(body("authentication_error"), None, begun=True), CredentialsError)
