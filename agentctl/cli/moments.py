"""Moments as people write them on the command line: how long ago, a day, or a time."""

from datetime import UTC, datetime, timedelta

from agentctl.definitions.amounts import parse_duration
from agentctl.errors import UsageError
from agentctl.ids import SystemClock, timestamp


def moment_of(option: str, text: str | None) -> str | None:
    """Read ``7d``, ``2026-11-20`` or ``2026-11-20T09:00:00Z`` as RFC 3339 in UTC; None stays None.

    A day begins at midnight in UTC. Raises UsageError.
    """
    if text is None:
        return None
    try:
        return ago(option, parse_duration(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        return timestamp(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        hint = "one is 7d, 12h, 2026-11-20 or 2026-11-20T09:00Z"
        raise UsageError(f"{option} {text or '(nothing)'} is no moment", hint=hint) from error


def ago(option: str, seconds: float) -> str:
    """Return the moment so long ago as RFC 3339 in UTC. Raises UsageError."""
    try:
        return timestamp(SystemClock().now() - timedelta(seconds=seconds))
    except OverflowError as error:
        raise UsageError(f"{option} reaches back before there was time") from error
