"""Ids and the clock: the one place that asks the machine for the time and for chance.

An id is a prefix of the Managed Agents API (``sesn_``, ``sevt_``) and 26 characters: 48 bits of
milliseconds since 1970 and 80 random bits in Crockford's base 32, so ids sort by the time they were
made.
"""

import secrets
import time
from datetime import UTC, datetime
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)


class Clock(Protocol):
    """Where the time comes from; tests give one that does not move by itself."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring."""
        return time.monotonic()


def timestamp(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with microseconds: ``2026-11-20T04:54:51.000000Z``."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment(text: str) -> datetime:
    """Read an RFC 3339 timestamp. Raises ValueError for anything else."""
    return datetime.fromisoformat(text)


def time_of(text: str | None) -> datetime | None:
    """Read a time as a record has it. Returns None for one that is missing, cannot be read or has no zone."""
    try:
        found = None if text is None else moment(text)
    except (ValueError, TypeError):
        return None
    return found if found is not None and found.tzinfo is not None else None


def new_id(prefix: str, clock: Clock) -> str:
    """Make an id such as ``sesn_01jd3v…``."""
    number = int(clock.now().timestamp() * 1000) << 80 | secrets.randbits(80)
    return prefix + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
