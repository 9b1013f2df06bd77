"""What was recorded since the last search, read into the index.

Of each session the index knows up to which event it was read, and that event's hash: what was removed, replaced
or put back from a copy is seen, and read anew. Read are the rows that are a session's own, so the past that
forks share is in the index once.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from agentctl.errors import StoreError
from agentctl.ids import time_of, timestamp
from agentctl.session.words import SILENT, words_of
from agentctl.store.blobs import Blobs
from agentctl.store.events import record_of
from agentctl.store.lineage import has_forks
from agentctl.store.query import indexed

_PAGE_ROWS = 256
_NEAR_ROWS = 4

_Row: TypeAlias = tuple[int, str, str, str, str, str]

_READ = (
    "SELECT seq, id, type, body, blobs, hash FROM events WHERE session = ? AND seq > ? AND seq <= ? "
    f"AND type NOT IN ({', '.join('?' for _ in SILENT)}) ORDER BY seq LIMIT {_PAGE_ROWS}"
)


class _Session(NamedTuple):
    """A session as the record has it; ``fork`` is the last event that is not its own."""

    id: str
    key: int
    agent: str
    fork: int
    head: int
    hash: str


class _Known(NamedTuple):
    """How far a session was read; ``unreadable`` counts events that could not be."""

    number: int
    id: str
    key: int
    until: int
    hash: str
    unreadable: int


class Indexing:
    """Reads from the database into an index that is open for writing."""

    def __init__(self, connection: sqlite3.Connection, blobs: Blobs, index: sqlite3.Connection) -> None:
        self._connection = connection
        self._blobs = blobs
        self._index = index

    def read_on(self, most: int) -> int:
        """Read about ``most`` events; return how many are left. Raises StoreError."""
        known = {row[1]: _Known(*row) for row in self._index.execute(f"SELECT {', '.join(_Known._fields)} FROM known")}
        there = list(self._sessions())
        forget(self._index, known.keys() - {session.id for session in there})
        left = 0
        for session in there:
            former = known.get(session.id)
            if former and (former.key, former.until, former.hash) == (session.key, session.head, session.hash):
                continue
            if most > 0:
                begin = former.until if former else session.fork
                former = self._read_session(session, former, most)
                most -= max(1, former.until - begin)
            left += session.head - (former.until if former else session.fork)
        return left

    def _sessions(self) -> Iterator[_Session]:
        fork = "coalesce(parent_seq, 0)" if has_forks(self._connection) else "0"
        rows = self._connection.execute(
            f"SELECT id, key, agent, {fork}, head_seq, head_hash FROM sessions WHERE head_seq > {fork} ORDER BY key"
        )
        yield from map(_Session._make, rows.fetchall())

    def _read_session(self, session: _Session, former: _Known | None, most: int) -> _Known:
        """Read on in a session; return how far."""
        if former is not None and not self._goes_on(former, session):
            forget(self._index, [session.id])
            former = None
        now = former or self._begun(session)
        taken = 0
        for page in self._pages(session, now.until):
            if page is None:
                now = now._replace(unreadable=now.unreadable + 1)
                continue
            lost = sum(0 if self._take(now.number, session, row) else 1 for row in page)
            now = now._replace(until=page[-1][0], hash=page[-1][5], unreadable=now.unreadable + lost)
            taken += len(page)
            if taken >= most:
                break
        else:
            now = now._replace(until=session.head, hash=session.hash)
        self._index.execute(
            "UPDATE known SET until = ?, hash = ?, unreadable = ? WHERE number = ?",
            (now.until, now.hash, now.unreadable, now.number),
        )
        return now

    def _goes_on(self, former: _Known, session: _Session) -> bool:
        """Say whether what was read is still the beginning of what there is."""
        try:
            row = self._connection.execute(
                "SELECT hash FROM events WHERE session = ? AND seq = ?", (session.key, former.until)
            ).fetchone()
        except sqlite3.DatabaseError:
            return True  # nothing better is to be had
        return former.key == session.key and row == (former.hash,)

    def _begun(self, session: _Session) -> _Known:
        cursor = self._index.execute(
            "INSERT INTO known (id, key, agent, until, hash, unreadable) VALUES (?, ?, ?, ?, '', 0)",
            (session.id, session.key, session.agent, session.fork),
        )
        return _Known(int(cursor.lastrowid or 0), session.id, session.key, session.fork, "", 0)

    def _pages(self, session: _Session, after: int) -> Iterator[list[_Row] | None]:
        """Yield what is said behind an event; None, and nothing more, where the database cannot be read."""
        while True:
            try:
                page = self._connection.execute(_READ, (session.key, after, session.head, *SILENT)).fetchall()
            except sqlite3.DatabaseError:
                yield None
                return
            if not page:
                return
            yield page
            after = page[-1][0]

    def _take(self, number: int, session: _Session, row: _Row) -> bool:
        """Index one event. Returns False where it cannot be read."""
        seq, event_id, kind, body, taken, row_hash = row
        try:
            event = record_of(session.id, self._blobs, seq, body, taken, row_hash).event
            text = words_of(event)
            at = _in_one_form(event.processed_at or self._time_near(session, seq)) if text else None
        except (StoreError, sqlite3.DatabaseError, ValueError, TypeError, AttributeError, KeyError):
            return False
        if text.strip():
            cursor = self._index.execute(
                "INSERT INTO places (session, seq, id, type, at) VALUES (?, ?, ?, ?, ?)",
                (number, seq, event_id, kind, at),
            )
            self._index.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (cursor.lastrowid, indexed(text)))
        return True

    def _time_near(self, session: _Session, seq: int) -> str | None:
        """Return when something happened next to an event that has no time: what a person says has none before long."""
        for order in ("seq > ? ORDER BY seq", "seq < ? ORDER BY seq DESC"):
            rows = self._connection.execute(
                "SELECT CASE WHEN json_valid(body) THEN CAST(json_extract(body, '$.processed_at') AS BLOB) END "
                f"FROM events WHERE session = ? AND {order} LIMIT {_NEAR_ROWS}",
                (session.key, seq),
            )
            for (time,) in rows:
                if time is not None:
                    return bytes(time).decode("utf-8", "replace")
        return None


def forget(index: sqlite3.Connection, session_ids: Iterable[str]) -> None:
    """Remove from an index what was read of some sessions."""
    mine = "SELECT number FROM known WHERE id = ?"
    for session_id in session_ids:
        index.execute(
            f"DELETE FROM words WHERE rowid IN (SELECT number FROM places WHERE session = ({mine}))", (session_id,)
        )
        index.execute(f"DELETE FROM places WHERE session = ({mine})", (session_id,))
        index.execute("DELETE FROM known WHERE id = ?", (session_id,))
        index.execute("DELETE FROM tallies WHERE id = ?", (session_id,))


def _in_one_form(time: str | None) -> str | None:
    """Write a time so that texts sort as times do."""
    moment = time_of(time)
    return None if moment is None else timestamp(moment)
