"""What every session did, summed up; kept beside the record until the session goes on."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from agentctl import __version__
from agentctl.canonical import canonical_json
from agentctl.errors import StoreError
from agentctl.events.base import Event
from agentctl.paths import Home
from agentctl.session.tally import COUNTED, Place, Sums, Tally, tally_as_json, tally_from_json
from agentctl.store.blobs import Blobs
from agentctl.store.events import header_events, record_of
from agentctl.store.leases import is_running
from agentctl.store.lineage import has_forks, lineage, where
from agentctl.store.reckoned import reckoned

_PAGE_ROWS = 512
_KEPT_TOGETHER = 64

_Row: TypeAlias = tuple[int, str, str, str]

_READ = (
    "SELECT seq, body, blobs, hash FROM events WHERE session = ? AND seq > ? "
    f"AND type IN ({', '.join('?' for _ in COUNTED)}) ORDER BY seq LIMIT {_PAGE_ROWS}"
)


@dataclass(frozen=True, slots=True)
class SessionTally:
    """What one session did. ``unreadable`` counts the events that could not be read, and so are not in it."""

    session_id: str
    agent: str
    sums: dict[Place, Sums]
    unreadable: int


@dataclass(frozen=True, slots=True)
class _Session:
    is_fork: bool
    id: str
    key: int
    agent: str
    status: str
    hash: str
    updated_at: str

    @property
    def basis(self) -> str:
        """What the sums are made from: the events, and the program with its prices."""
        return f"{self.hash} {__version__}"


def tally_sessions(
    home: Home, connection: sqlite3.Connection, progress: Callable[[int], None] = lambda _left: None
) -> Iterator[SessionTally]:
    """Yield what each session did; ``progress`` is told how many sessions are left to be read. Raises StoreError."""
    sessions = list(_sessions(connection))
    kept = reckoned(home)
    known = kept.use(lambda file: {row[:2]: row[2] for row in file.execute("SELECT id, basis, body FROM tallies")})
    new: list[tuple[str, str, str]] = []
    left = sum((session.id, session.basis) not in known for session in sessions)
    for session in sessions:
        body = known.get((session.id, session.basis))
        if body is None:
            progress(left)
            left -= 1
            body = canonical_json(_tallied(home, connection, session))
            new.append((session.id, session.basis, body))
        if len(new) >= _KEPT_TOGETHER:
            _keep(home, new)
            new = []
        yield _read(home, session, body)
    if new:
        _keep(home, new)


def _keep(home: Home, new: Sequence[tuple[str, str, str]]) -> None:
    put = "INSERT OR REPLACE INTO tallies (id, basis, body) VALUES (?, ?, ?)"
    reckoned(home).use(lambda file: file.executemany(put, new))


def _sessions(connection: sqlite3.Connection) -> Iterator[_Session]:
    parent = "parent" if has_forks(connection) else "NULL"
    rows = connection.execute(
        f"SELECT id, key, agent, status, head_hash, updated_at, {parent} FROM sessions ORDER BY key"
    )
    for row in rows.fetchall():
        yield _Session(row[-1] is not None, *row[:-1])


def _read(home: Home, session: _Session, body: str) -> SessionTally:
    value = json.loads(body)
    sums = tally_from_json(value["sums"])
    if value["last"] and session.status in ("running", "rescheduling") and not is_running(home, session.id):
        # Nobody could record it; only the lease that nobody holds says so.
        sums.setdefault(Place(*value["last"]), Sums()).add(Sums(ends={"killed": 1}))
    return SessionTally(session.id, session.agent, sums, value["unreadable"])


def _tallied(home: Home, connection: sqlite3.Connection, session: _Session) -> dict[str, object]:
    blobs = Blobs(home.blobs)
    tally = Tally(lambda call_id: _tool_of(connection, blobs, session.id, call_id))
    unreadable = 0
    if session.is_fork:
        try:
            for former in header_events(connection, blobs, session.id)[:-1]:
                tally.begin(former)
        except StoreError:
            unreadable += 1
    for event in _own_events(connection, blobs, session):
        try:
            if event is None:
                raise ValueError("it cannot be read")
            tally.add(event)
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
            unreadable += 1
    tally.close(session.updated_at)
    return {"sums": tally_as_json(tally.sums), "last": tally.last, "unreadable": unreadable}


def _own_events(connection: sqlite3.Connection, blobs: Blobs, session: _Session) -> Iterator[Event | None]:
    """Yield the events that are a session's own; None for one that cannot be read."""
    after = 0
    while True:
        try:
            page: list[_Row] = connection.execute(_READ, (session.key, after, *COUNTED)).fetchall()
        except sqlite3.DatabaseError:
            yield None
            return
        if not page:
            return
        for row in page:
            yield _event(session.id, blobs, row)
        after = page[-1][0]


def _event(session_id: str, blobs: Blobs, row: _Row) -> Event | None:
    try:
        return record_of(session_id, blobs, *row).event
    except StoreError:
        return None


def _tool_of(connection: sqlite3.Connection, blobs: Blobs, session_id: str, call_id: str) -> str | None:
    """Return the name of the tool of a call, wherever in a session's past it was asked for."""
    condition, values = where(lineage(connection, session_id))
    row = connection.execute(
        f"SELECT seq, body, blobs, hash FROM events WHERE {condition} AND id = ?", (*values, call_id)
    ).fetchone()
    return getattr(_event(session_id, blobs, row), "name", None) if row else None
