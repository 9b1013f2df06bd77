"""Whose rows a session's events are: its own, and before a fork those of the session it was forked from.

A fork has the same past as its parent, not a copy of it: the events up to the fork stand in the
parent's rows, and the chain of hashes goes on from there.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from agentctl.errors import NotFoundError

_FIRST_WITH_FORKS = 2
_NO_LIMIT = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """The events behind number ``after``, up to ``until``, of the session with the row ``key``."""

    key: int
    after: int
    until: int

    @property
    def condition(self) -> str:
        """The stretch in SQL; ``values`` go with it."""
        return "(session = ? AND seq > ? AND seq <= ?)"

    @property
    def values(self) -> tuple[int, int, int]:
        """What stands in the places of ``condition``."""
        return self.key, self.after, self.until


def has_forks(connection: sqlite3.Connection) -> bool:
    """Say whether the database is of a version that knows of forks."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) >= _FIRST_WITH_FORKS


def lineage(connection: sqlite3.Connection, session_id: str) -> tuple[Stretch, ...]:
    """Return the stretches that make up a session, the oldest first; none for a session that is not there."""
    if not has_forks(connection):
        row = connection.execute("SELECT key, NULL, 0 FROM sessions WHERE id = ?", (session_id,)).fetchone()
    else:
        row = connection.execute(
            "SELECT key, parent, coalesce(parent_seq, 0) FROM sessions WHERE id = ?", (session_id,)
        ).fetchone()
    stretches: list[Stretch] = []
    until = younger = _NO_LIMIT
    while row is not None:
        key, parent, fork = row
        if key >= younger:
            break  # no parent is younger than its fork: somebody has changed the row
        younger = key
        if fork < until:  # a fork of a fork may begin before its parent's own events do
            stretches.append(Stretch(key, fork, until))
        until = min(until, fork)
        row = (
            parent
            and connection.execute(
                "SELECT key, parent, coalesce(parent_seq, 0) FROM sessions WHERE key = ?", (parent,)
            ).fetchone()
        )
    return tuple(reversed(stretches))


def forks_of(connection: sqlite3.Connection, session_id: str) -> list[str]:
    """Return the sessions that were forked from one, the oldest first."""
    if not has_forks(connection):
        return []
    rows = connection.execute(
        "SELECT id FROM sessions WHERE parent = (SELECT key FROM sessions WHERE id = ?) ORDER BY key", (session_id,)
    )
    return [str(name) for (name,) in rows]


def where(stretches: Sequence[Stretch]) -> tuple[str, tuple[int, ...]]:
    """Return a condition in SQL that holds for the events of a session, and the values of its places."""
    if not stretches:
        return "0", ()
    return f"({' OR '.join(each.condition for each in stretches)})", tuple(
        value for each in stretches for value in each.values
    )


def key_of(connection: sqlite3.Connection, session_id: str) -> int:
    """Return the row of a session. Raises NotFoundError."""
    row = connection.execute("SELECT key FROM sessions WHERE id = ?", (session_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no session {session_id}")
    return int(row[0])
