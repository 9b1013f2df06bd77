"""What went wrong with a request to the API, in words for a person and for the harness.

Decisions follow the error's code, then its type, then the HTTP status, as the API promises to keep
them. Texts may change, so they are only passed on; the three that are read, because nothing else
tells these cases apart, are named below.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from agentctl.errors import CredentialsError, ModelError

NO_KEY_HINT = "set ANTHROPIC_API_KEY, or log in with `ant auth login`"

_LONGEST_WAIT_SECONDS = 366 * 24 * 3600.0  # "infinity" as a number that JSON can carry
_LONGEST_TEXT = 500

_KIND_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

# Codes that call for something else than their type does: waiting does not help.
_STOP_CODES = (
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "linked_organization_spend_limit_reached",
    "linked_organization_billing_unavailable",
    "organization_on_hold",
)

# The texts that are read, and what each is called here.
_KIND_BY_TEXT = (
    ("You have reached your specified", "usage_limit_reached"),
    ("prompt is too long", "prompt_too_long"),
    ("Invalid `signature` in `thinking` block", "thinking_mismatch"),
)

_RETRYABLE_KINDS = (
    "api_error",
    "conflict_error",
    "overloaded_error",
    "rate_limit_error",
    "timeout_error",
)

_WORDS = {
    "api_error": "the model's API failed",
    "billing_error": "the model's API is not paid for",
    "conflict_error": "the model's API met a conflict",
    "invalid_request_error": "the model's API refused the request",
    "not_found_error": "the model's API does not know what was asked for",
    "overloaded_error": "the model's API is overloaded",
    "permission_error": "the model's API does not permit this to your key",
    "prompt_too_long": "the conversation no longer fits into the model's context window",
    "rate_limit_error": "the model's API limits how much you may ask at a time",
    "redirect_error": "the model's API answered with a redirect, which is not followed",
    "request_too_large": "the request is larger than the model's API accepts",
    "thinking_mismatch": "the model's API no longer accepts the thinking in this conversation",
    "timeout_error": "the model's API took too long",
    **dict.fromkeys(_STOP_CODES, "the model's API refuses to spend more"),
    "organization_on_hold": "your organization is on hold",
    "usage_limit_reached": "your own limit of the API's use is reached",
}

_BILLING_HINT = "see Plans & Billing in the Claude Console"
_LIMITS_HINT = "see Limits in the Claude Console, then resume the session"
_LATER_HINT = "resume the session later"
_SHORTEN_HINT = "start a new session, or fork this one at an earlier event"

_HINTS = {
    "api_error": _LATER_HINT,
    "billing_error": _BILLING_HINT,
    "not_found_error": "is the model's id right, and is the model not retired?",
    "overloaded_error": _LATER_HINT,
    "permission_error": "use a key of a workspace that may use this model and its features",
    "prompt_too_long": _SHORTEN_HINT,
    "rate_limit_error": _LATER_HINT,
    "redirect_error": "is ANTHROPIC_BASE_URL right, and does no portal ask you to log in?",
    "request_too_large": _SHORTEN_HINT,
    "thinking_mismatch": "fork the session before the answer that is refused",
    "timeout_error": _LATER_HINT,
    **dict.fromkeys(_STOP_CODES, _LIMITS_HINT),
    "linked_organization_billing_unavailable": _BILLING_HINT,
    "organization_on_hold": _BILLING_HINT,
    "usage_limit_reached": _LIMITS_HINT,
}


def refused(status_code: int, body: object, headers: Mapping[str, str], now: datetime) -> ModelError:
    """Explain an answer whose HTTP status is not a success.

    ``body`` is the decoded JSON, or text that is not JSON; ``headers`` finds names in any case;
    ``now`` is what a date in ``retry-after`` is compared with. A refused key gives
    CredentialsError, and nothing that the server said about it is repeated.
    """
    request_id = headers.get("request-id")
    if status_code == 401:
        return CredentialsError("the model's API refused the key", hint=NO_KEY_HINT, request_id=request_id)
    kind = _kind(body, status_code)
    return ModelError(
        _sentence(kind, body, f"HTTP {status_code}"),
        kind=kind,
        retryable=_is_retryable(kind, status_code, headers),
        retry_after_seconds=_retry_after_seconds(headers, now),
        status_code=status_code,
        request_id=request_id,
        hint=_HINTS.get(kind),
        unbilled=True,
    )


def broken_off(body: object, request_id: str | None, *, begun: bool) -> ModelError:
    """Explain an ``error`` event in a stream that began well; its HTTP status says nothing.

    ``begun`` says that the message itself had begun: what was made of it is paid for.
    """
    kind = _kind(body, 500)
    if kind == "authentication_error":
        return CredentialsError("the model's API refused the key", hint=NO_KEY_HINT, request_id=request_id)
    return ModelError(
        _sentence(kind, body, "in the middle of an answer"),
        kind=kind,
        retryable=kind in _RETRYABLE_KINDS,
        request_id=request_id,
        hint=_HINTS.get(kind),
        unbilled=not begun,
    )


def without_secrets(text: str) -> str:
    """Return a server's text as one line of bounded length, with whatever looks like a key masked.

    Some gateways repeat part of the key in what they say.
    """
    line = " ".join(text.split())
    masked = re.sub(r"\b(?:sk|Bearer)[-_ ][^\s'\",;]+", "[key]", line)
    return masked if len(masked) <= _LONGEST_TEXT else masked[:_LONGEST_TEXT] + "…"


def _kind(body: object, status_code: int) -> str:
    code, error_type = _field(body, "details", "error_code"), _field(body, "type")
    if code in _STOP_CODES:
        return str(code)
    text = _field(body, "message") or ""
    for beginning, kind in _KIND_BY_TEXT:
        if status_code == 400 and beginning in text:
            return kind
    if 300 <= status_code < 400:
        return "redirect_error"
    by_status = "api_error" if status_code >= 500 else "invalid_request_error"
    return error_type or _KIND_BY_STATUS.get(status_code, by_status)


def _is_retryable(kind: str, status_code: int, headers: Mapping[str, str]) -> bool:
    if kind in _STOP_CODES:
        return False
    match headers.get("x-should-retry"):
        case "true":
            return True
        case "false":
            return False
    return status_code in (408, 409, 429) or status_code >= 500


def _sentence(kind: str, body: object, circumstance: str) -> str:
    words = _WORDS.get(kind, f"the model's API failed with {without_secrets(kind)}")
    text = _field(body, "message")
    return f"{words} ({circumstance})" + (f": {without_secrets(text)}" if text else "")


def _field(body: object, *path: str) -> str | None:
    """Return a text inside of the body's ``error``, None for a body of another shape."""
    value: object = body
    for key in ("error", *path):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) and value else None


def _retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    milliseconds = _number(headers.get("retry-after-ms"))
    text = headers.get("retry-after")
    seconds = _number(text) if milliseconds is None else milliseconds / 1000
    if seconds is None and text is not None:
        seconds = _seconds_until(text, now)
    return None if seconds is None else min(seconds, _LONGEST_WAIT_SECONDS)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(number) or number < 0 else number


def _seconds_until(date: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
