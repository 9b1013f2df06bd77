"""Baselines: names that people give to sessions which others are compared with and checked against.

A command that takes a session takes ``=NAME`` too; no id begins with that. The session of a baseline is
not removed before the name is.
"""

import re
import sqlite3
from dataclasses import dataclass

from agentctl.errors import NotFoundError, UsageError
from agentctl.store.lineage import key_of

MARK = "="
"""What stands before the name of a baseline where a session is named."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_FIRST_WITH_BASELINES = 3


@dataclass(frozen=True, slots=True)
class Baseline:
    """A name, the id of its session, and when it was given (RFC 3339)."""

    name: str
    session_id: str
    set_at: str


def list_baselines(connection: sqlite3.Connection) -> list[Baseline]:
    """Return the baselines, sorted by name."""
    if not _has_baselines(connection):
        return []
    rows = connection.execute(
        "SELECT name, id, set_at FROM baselines JOIN sessions ON sessions.key = baselines.session ORDER BY name"
    )
    return [Baseline(*row) for row in rows]


def session_of(connection: sqlite3.Connection, name: str) -> str:
    """Return the id of the session that has a baseline's name. Raises NotFoundError."""
    for baseline in list_baselines(connection):
        if baseline.name == name:
            return baseline.session_id
    raise _missing(name)


def set_baseline(connection: sqlite3.Connection, name: str, session_id: str, now: str) -> str | None:
    """Give a name to a session; return the id of the one that had it before. Raises UsageError, NotFoundError."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name or '(nothing)'} cannot be the name of a baseline", hint="one is of a-z, 0-9, and - _ . behind these"
        )
    former = next((each.session_id for each in list_baselines(connection) if each.name == name), None)
    connection.execute(
        "INSERT INTO baselines (name, session, set_at) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET session = excluded.session, set_at = excluded.set_at",
        (name, key_of(connection, session_id), now),
    )
    return former


def remove_baseline(connection: sqlite3.Connection, name: str) -> str:
    """Take a name away; return the id of the session that had it. Raises NotFoundError."""
    former = session_of(connection, name)
    connection.execute("DELETE FROM baselines WHERE name = ?", (name,))
    return former


def _has_baselines(connection: sqlite3.Connection) -> bool:
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) >= _FIRST_WITH_BASELINES


def _missing(name: str) -> NotFoundError:
    return NotFoundError(f"there is no baseline {name}", hint="see: agentctl baseline ls")
