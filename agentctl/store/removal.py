"""The removal of whole sessions: the one place where events are deleted.

Triggers forbid it everywhere else. Here the trigger is dropped and made again within the one transaction that
deletes, so no other connection ever finds the events without it. What stands in the record of another, because
that was forked from it, stays: a session goes with its forks, or not at all.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.paths import Home
from agentctl.store.anchors import drop_anchor
from agentctl.store.baselines import list_baselines
from agentctl.store.database import Database
from agentctl.store.leases import Lease
from agentctl.store.lineage import forks_of, has_forks
from agentctl.store.search import forget_sessions

_TRIGGER = "events_no_delete"


@dataclass(frozen=True, slots=True)
class Doomed:
    """A session that is to be removed: its row, its id, and what its own events come to in number and bytes."""

    key: int
    session_id: str
    events: int
    size: int
    has_checkpoint: bool


def family_of(connection: sqlite3.Connection, session_id: str) -> list[str]:
    """Return a session and all that were forked from it, or from these; itself first."""
    family = [session_id]
    if has_forks(connection):
        for name in family:
            family += forks_of(connection, name)
    return family


def doomed(connection: sqlite3.Connection, session_ids: Sequence[str]) -> list[Doomed]:
    """Return what would be removed. Raises NotFoundError."""
    found = []
    for session_id in session_ids:
        row = connection.execute(
            "SELECT key, count(events.seq), coalesce(sum(length(CAST(body AS BLOB)) + length(hash)), 0), "
            "coalesce(max(type = 'local.checkpoint'), 0) "
            "FROM sessions LEFT JOIN events ON events.session = sessions.key WHERE sessions.id = ? GROUP BY key",
            (session_id,),
        ).fetchone()
        if row is None:
            raise NotFoundError(f"there is no session {session_id}", hint="see: agentctl ls")
        found.append(Doomed(int(row[0]), session_id, int(row[1]), int(row[2]), bool(row[3])))
    return found


def refuse_bound(connection: sqlite3.Connection, session_ids: Sequence[str]) -> None:
    """Raise UsageError where a session that stays, or a baseline, needs one of these."""
    for each in list_baselines(connection):
        if each.session_id in session_ids:
            raise UsageError(
                f"session {each.session_id} is the baseline {each.name}",
                hint=f"take the name away first: agentctl baseline rm {each.name}",
            )
    for session_id in session_ids if has_forks(connection) else ():
        for fork in forks_of(connection, session_id):
            if fork not in session_ids:
                raise UsageError(
                    f"session {fork} was forked from {session_id}, and has its past from there",
                    hint="remove both with --forks",
                )


def remove_sessions(home: Home, database: Database, session_ids: Sequence[str]) -> None:
    """Remove sessions, all or none, with all that is kept of them beside the record but blobs and images.

    Raises BusyError where one is being run, UsageError as ``refuse_bound`` does, and StoreError.
    """
    with contextlib.ExitStack() as held:
        leases = [held.enter_context(Lease(home, session_id)) for session_id in session_ids]
        with database.reading() as connection:
            refuse_bound(connection, session_ids)
        forget_sessions(home, session_ids)
        database.write(lambda connection: _delete(connection, session_ids))
        for session_id in session_ids:
            drop_anchor(home, session_id)
            _unlink(home.logs / f"{session_id}.log")
        for lease in leases:
            lease.forget()


def _delete(connection: sqlite3.Connection, session_ids: Sequence[str]) -> None:
    refuse_bound(connection, session_ids)
    # What is forked is younger than what it was forked from, and goes before it.
    keys = sorted((each.key for each in doomed(connection, session_ids)), reverse=True)
    connection.execute("PRAGMA secure_delete = ON")
    with _deleting_allowed(connection):
        for key in keys:
            connection.execute("DELETE FROM events WHERE session = ?", (key,))
            connection.execute("DELETE FROM sessions WHERE key = ?", (key,))


@contextlib.contextmanager
def _deleting_allowed(connection: sqlite3.Connection) -> Iterator[None]:
    """Let events be deleted until this ends; whatever happens, the transaction leaves the trigger as it was."""
    row = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?", (_TRIGGER,)
    ).fetchone()
    if row is None:
        raise StoreError("the database has lost the trigger that keeps its events", hint="see: agentctl verify")
    connection.execute(f"DROP TRIGGER {_TRIGGER}")
    yield
    connection.execute(row[0])


def _unlink(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
