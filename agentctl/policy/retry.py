"""Asking the model's API again: whether, and after how long.

The wait doubles from attempt to attempt up to a cap, and chance takes any part of it, so that many
sessions that failed together do not come back together. A server that says when to come back is
obeyed, up to a wait that a person would sit through; beyond it the session rests instead of sleeping.
"""

from dataclasses import dataclass

from agentctl.errors import ModelError

_PATIENT_KINDS = frozenset({"overloaded_error", "rate_limit_error"})
"""What passes by the minute rather than by the second."""

_FINAL_KINDS = frozenset(
    {
        "authentication_error",
        "billing_error",
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "invalid_request_error",
        "linked_organization_billing_unavailable",
        "linked_organization_spend_limit_reached",
        "not_found_error",
        "organization_on_hold",
        "permission_error",
        "prompt_too_long",
        "redirect_error",
        "request_too_large",
        "script_error",
        "thinking_mismatch",
        "usage_limit_reached",
    }
)
"""What the same request meets again however long it waits, whatever a header says."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What choosing needs to know of a failed attempt.

    ``kind`` and ``retryable`` are those of a ModelError. ``retry_after_seconds`` is what the server
    asked for, whatever number that was.
    """

    kind: str
    retryable: bool
    retry_after_seconds: float | None = None

    @classmethod
    def of(cls, error: ModelError) -> "Failure":
        """Take from an error what choosing needs."""
        return cls(error.kind, error.retryable, error.retry_after_seconds)

    @property
    def asked_seconds(self) -> float | None:
        """How long the server asked to wait; None where it asked for nothing that is a time (negative, NaN)."""
        asked = self.retry_after_seconds
        return asked if asked is not None and asked >= 0 else None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and how long. ``patient_factor`` stretches the waits for an API that is overloaded."""

    most_attempts: int = 8
    most_waiting_seconds: float = 600.0
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0
    patient_factor: float = 4.0
    longest_asked_seconds: float = 120.0


DEFAULT = RetryPolicy()


def after_failure(
    failure: Failure, attempt: int, waited_seconds: float, chance: float, policy: RetryPolicy = DEFAULT
) -> float | None:
    """Return how many seconds to wait before the next attempt, or None for giving up.

    ``attempt`` is the number of the attempt that failed, from 1; ``waited_seconds`` is what has been
    waited before it in all; ``chance`` is a random number from 0 up to, but not including, 1.
    """
    if not failure.retryable or failure.kind in _FINAL_KINDS or attempt >= policy.most_attempts:
        return None
    asked = failure.asked_seconds or 0.0
    if asked > policy.longest_asked_seconds:
        return None
    # Chance comes on top of what the server asked for: it asks everybody for the same.
    wait = asked + chance * _longest_wait(failure.kind, attempt, policy)
    return wait if waited_seconds + wait <= policy.most_waiting_seconds else None


def worth_another_try(failure: Failure) -> float | None:
    """Return after how many seconds a request that was given up makes sense again, where the server has said so."""
    return failure.asked_seconds if failure.retryable and failure.kind not in _FINAL_KINDS else None


def _longest_wait(kind: str, attempt: int, policy: RetryPolicy) -> float:
    doubled = policy.first_wait_seconds * 2.0 ** min(attempt - 1, 64)
    return min(doubled, policy.longest_wait_seconds) * (policy.patient_factor if kind in _PATIENT_KINDS else 1.0)
