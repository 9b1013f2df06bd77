"""The index of sessions: one row each, computed from its events in the transaction that stores them."""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentctl.canonical import canonical_json
from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.content import text_of
from agentctl.events.local import LocalForked, LocalInterrupted, LocalSessionCreated
from agentctl.events.session import (
    SessionError,
    SessionStatusIdle,
    SessionStatusRescheduled,
    SessionStatusRunning,
    SessionStatusTerminated,
    SessionUsage,
)
from agentctl.events.user import UserMessage
from agentctl.session.log import Record
from agentctl.store.baselines import session_of
from agentctl.store.lineage import has_forks, key_of
from agentctl.store.rows import COLUMNS, SessionRow, row_of

_PREFIX = "sesn_"
_SHORTEST = 8
_SHORTEST_CHOSEN = 24
_FIRST = ("first_message",)
_NAME = re.compile(r"@(?:~(?P<back>[0-9]{1,9}))?|=(?P<baseline>[a-z0-9][a-z0-9_.-]{0,63})|[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class ForkRow:
    """Where a session was forked from: ``at`` is the number of the last event that both have.

    ``first_message`` is the first thing that was said in the fork itself.
    """

    parent: str
    at: int
    first_message: str | None


def list_forks(connection: sqlite3.Connection) -> dict[str, ForkRow]:
    """Return where each session that is a fork was forked from, by its id."""
    if not has_forks(connection):
        return {}
    own_words = (
        "SELECT CASE WHEN json_valid(body) THEN CAST(json_extract(body, '$.content[0].text') AS BLOB) END FROM events "
        "WHERE session = forks.key AND seq BETWEEN forks.parent_seq + 2 AND forks.parent_seq + 3 "
        "AND type = 'user.message'"
    )
    rows = connection.execute(
        f"SELECT forks.id, parents.id, forks.parent_seq, ({own_words}) "
        "FROM sessions AS forks JOIN sessions AS parents ON parents.key = forks.parent AND parents.key < forks.key"
    )
    return {
        str(name): ForkRow(str(parent), int(at), said and bytes(said).decode("utf-8", "replace")[:500])
        for name, parent, at, said in rows
    }


def session_ids(connection: sqlite3.Connection) -> set[str]:
    """Return the ids of all sessions."""
    return {str(name) for (name,) in connection.execute("SELECT id FROM sessions")}


def count_sessions(connection: sqlite3.Connection) -> int:
    """Return how many sessions there are."""
    return int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])


def has_sandbox(connection: sqlite3.Connection, kind: str) -> bool:
    """Say whether any session has had a sandbox of that kind."""
    return connection.execute("SELECT 1 FROM sessions WHERE sandbox = ? LIMIT 1", (kind,)).fetchone() is not None


def sessions_by_image(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many sessions keep to each image, by the image's id."""
    # A fork with another sandbox than its parent's says so in the first event of its own.
    first = "coalesce(parent_seq, 0) + 1" if has_forks(connection) else "1"
    rows = connection.execute(
        "SELECT CASE WHEN json_valid(body) THEN CAST(json_extract(body, '$.sandbox.image_digest') AS BLOB) END "
        "AS image, count(*) "
        f"FROM sessions JOIN events ON events.session = sessions.key AND events.seq = {first} "
        "WHERE sandbox = 'docker' GROUP BY image"
    )
    return {bytes(image).decode("utf-8", "replace"): int(number) for image, number in rows if image is not None}


def find_session(connection: sqlite3.Connection, name: str) -> SessionRow:
    """Find a session by its id, a unique beginning of it, ``@`` (the newest), ``@~N`` (the Nth before it) or ``=NAME``.

    Raises NotFoundError, and UsageError for a name that means more than one or cannot be a name.
    """
    return row_of(_find(connection, name))


def find_session_id(connection: sqlite3.Connection, name: str) -> str:
    """Find only the id, as ``find_session`` does: also where the rest of the row is damaged."""
    return str(_find(connection, name)[0])


def _find(connection: sqlite3.Connection, name: str) -> Sequence[Any]:
    parsed = _NAME.fullmatch(name)
    if parsed is None:
        raise UsageError("a session is named by its id, the beginning of one, @, @~N, or = and the name of a baseline")
    if name.startswith("@"):
        return _nth_newest(connection, int(parsed["back"] or 0))
    if parsed["baseline"]:
        name = session_of(connection, parsed["baseline"])
    exact: Sequence[Any] | None = connection.execute(f"SELECT {COLUMNS} FROM sessions WHERE id = ?", (name,)).fetchone()
    if exact:
        return exact
    found = [*_beginning(connection, name), *_beginning(connection, _PREFIX + name)]
    if not found:
        raise NotFoundError(f"there is no session {name}", hint="see: agentctl ls")
    if len(found) > 1:
        raise UsageError(f"{name} is the beginning of more than one session", hint="write more of the id")
    values: Sequence[Any] = found[0]
    return values


def short_name(connection: sqlite3.Connection, session_id: str) -> str:
    """Return a short name that finds this session and no other: the beginning of its id, mostly without ``sesn_``.

    Of an id that somebody chose enough stays to be read: ``report-2026-11-20``.
    """
    name = session_id.removeprefix(_PREFIX)
    shortest = _SHORTEST if session_id.startswith(_PREFIX) else _SHORTEST_CHOSEN
    for length in range(min(shortest, len(name)), len(name) + 1):
        found = [*_beginning(connection, name[:length]), *_beginning(connection, _PREFIX + name[:length])]
        if [values[0] for values in found] == [session_id]:
            return name[:length]
    return session_id


def storable(text: str) -> str:
    """Return a text that SQLite takes: half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes ``?``."""
    return text.encode("utf-8", "replace").decode("utf-8")


def create_row(connection: sqlite3.Connection, event: LocalSessionCreated) -> int:
    """Insert the row of a new session; return its key."""
    time = event.processed_at or ""
    cursor = connection.execute(
        "INSERT INTO sessions (id, created_at, updated_at, title, agent, environment, model, sandbox, status, "
        "head_seq, head_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'idle', 0, '')",
        (
            event.session_id,
            time,
            time,
            event.title and storable(event.title),
            storable(str(event.agent.get("name", ""))),
            storable(str(event.environment.get("name", ""))),
            storable(event.model),
            storable(str(event.sandbox.get("kind", ""))),
        ),
    )
    return int(cursor.lastrowid or 0)


def create_fork(
    connection: sqlite3.Connection, event: LocalForked, past: Iterable[Record], parent: str | None = None
) -> tuple[int, int, str]:
    """Insert the row of a session that has the ``past`` of another; return its key, head number and head hash.

    ``parent`` is who recorded that past, where it is not the one that the event names. Raises NotFoundError for a
    parent that is not there, StoreError for a past that is not what the event says.
    """
    shared = key_of(connection, parent or event.parent)
    records = list(past)
    created = records[0].event if records else None
    if not isinstance(created, LocalSessionCreated) or (records[-1].seq, records[-1].hash) != (event.at, event.at_hash):
        raise StoreError(f"session {event.parent} has no event #{event.at} of that hash to be forked at")
    key = create_row(connection, replace(created, session_id=event.session_id, processed_at=event.processed_at))
    connection.execute("UPDATE sessions SET parent = ?, parent_seq = ? WHERE key = ?", (shared, event.at, key))
    update_row(connection, key, [record.event for record in records], event.at, event.at_hash)
    return key, event.at, event.at_hash


def update_row(connection: sqlite3.Connection, key: int, events: Sequence[Event], seq: int, head: str) -> None:
    """Bring the row up to date with events that have just been stored."""
    changes: dict[str, str | int | None] = {"head_seq": seq, "head_hash": head}
    for event in events:
        changes |= {name: value for name, value in _changes(event).items() if name not in _FIRST or name not in changes}
        if event.processed_at:
            changes["updated_at"] = event.processed_at
    first = changes.pop("first_message", None)
    columns = ", ".join(f"{name} = ?" for name in changes)
    connection.execute(f"UPDATE sessions SET {columns} WHERE key = ?", (*changes.values(), key))
    if first is not None:
        connection.execute(
            "UPDATE sessions SET first_message = ? WHERE key = ? AND first_message IS NULL", (first, key)
        )


def _changes(event: Event) -> dict[str, str | int | None]:
    match event:
        case UserMessage():
            return {"first_message": storable(text_of(event.content)[:500])}
        case LocalForked():
            return _changes_of_fork(event)
        case SessionStatusRunning():
            return {"status": "running", "stop_reason": None, "error": None}
        case SessionStatusRescheduled():
            return {"status": "rescheduling"}
        case SessionStatusIdle():
            return {"status": "idle", "stop_reason": canonical_json(event.stop_reason)}
        case SessionStatusTerminated():
            return {"status": "terminated"}
        case LocalInterrupted():
            return {"status": "interrupted"}
        case SessionUsage():
            return {"usage": canonical_json({**event.usage, **event.extra})}
        case SessionError():
            return {"error": canonical_json(event.error)}
        case _:
            return {}


def _changes_of_fork(event: LocalForked) -> dict[str, str | int | None]:
    """A fork is nobody's work yet, and what it costs is its own."""
    changed = {
        "title": event.title,
        "model": event.model,
        "agent": (event.agent or {}).get("name"),
        "environment": (event.environment or {}).get("name"),
        "sandbox": (event.sandbox or {}).get("kind"),
    }
    kept = {name: storable(str(value)) for name, value in changed.items() if value is not None}
    return {"status": "idle", "stop_reason": None, "usage": None, "error": None, **kept}


def _beginning(connection: sqlite3.Connection, prefix: str) -> list[Any]:
    # A range, not LIKE: in LIKE the underscore of every id would match any character.
    return connection.execute(
        f"SELECT {COLUMNS} FROM sessions WHERE id >= ? AND id < ? LIMIT 2", (prefix, prefix + "\x7f")
    ).fetchall()


def _nth_newest(connection: sqlite3.Connection, back: int) -> Sequence[Any]:
    values: Sequence[Any] | None = connection.execute(
        f"SELECT {COLUMNS} FROM sessions ORDER BY key DESC LIMIT 1 OFFSET ?", (back,)
    ).fetchone()
    if values is None:
        raise NotFoundError(
            "there are no sessions yet" if back == 0 else f"there are not {back + 1} sessions",
            hint="see: agentctl ls",
        )
    return values
