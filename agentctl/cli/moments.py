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
        return timestamp(SystemClock().now() - timedelta(seconds=parse_duration(text)))
    except ValueError:
        pass
    except OverflowError as error:
        raise UsageError(f"{option} {text} is before there was time") from error
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{option} {text} is no moment", hint="one is 7d, 12h, 2026-11-20 or 2026-11-20T09:00Z"
        ) from error
    return timestamp(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
