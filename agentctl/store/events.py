"""The event log in SQLite: append, and read after a number.

Each row holds the event's canonical JSON, with strings of 64 KiB and more taken out into blobs;
``blobs`` says which (a JSON object of JSON Pointers, RFC 6901, to SHA-256 names). The hash of a row
is ``sha256(previous hash ‖ body ‖ blobs)``, so a change to any byte of the past shows in every hash
behind it; the first row's previous hash is the empty string. Whoever reads checks the hashes.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from agentctl.canonical import JsonObject
from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.codec import decode, encode, type_of
from agentctl.events.large import chained, detached, put_back
from agentctl.events.local import LocalForked, LocalSessionCreated
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.store.anchors import Anchor, drop_anchor, read_anchor, write_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database
from agentctl.store.keys import find_verify_key
from agentctl.store.lineage import Stretch, lineage, where
from agentctl.store.sessions import create_fork, create_row, update_row

_PAGE_ROWS = 256
_NO_LIMIT = (1 << 63) - 1

_read_json = json.JSONDecoder().raw_decode
"""Without the search for white space, of which canonical JSON has none."""

Row: TypeAlias = tuple[int, str, str, str]


class DamagedEventError(StoreError):
    """An event that is not as it was written: number ``seq``; ``how`` says what is wrong with it."""

    def __init__(self, session_id: str, seq: int, how: object) -> None:
        super().__init__(
            f"event #{seq} of {session_id} is damaged: {how}",
            hint=f"what comes before it can be had with: agentctl events {session_id} --salvage -o jsonl",
        )
        self.seq, self.how = seq, str(how)


class SqliteEventLog:
    """The EventLog over one writing connection.

    ``check`` is called in the transaction of each append, and stops it with what it raises. ``after`` is
    called behind each append, with the session's id and what was stored.
    """

    def __init__(
        self,
        home: Home,
        database: Database,
        check: Callable[[], None] = lambda: None,
        after: Callable[[str, Sequence[Record]], None] = lambda _session_id, _records: None,
    ) -> None:
        self._home = home
        self._database = database
        self._check = check
        self._after = after
        self._blobs = Blobs(home.blobs)
        self._key = find_verify_key(home)

    def append(self, session_id: str, events: Sequence[Event]) -> Sequence[Record]:
        """Store events, all or none, durable on return. Raises StoreError.

        Nothing but ``local.session_created`` can be the first event of a session, and nothing but
        ``local.forked`` the first of a fork's own.
        """
        prepared = [(event, *self._detach(encode(event))) for event in events]
        is_forked = any(isinstance(event, LocalForked) for event in events[:1])
        rests = is_forked or any(type_of(event) == "session.status_idle" for event in events)  # perhaps for long
        # An anchor never says more than what is durable.
        records = self._database.write(lambda connection: self._insert(connection, session_id, prepared), sure=rests)
        if records[0].seq == 1:
            drop_anchor(self._home, session_id)
        if rests:
            write_anchor(self._home, session_id, Anchor(records[-1].seq, records[-1].hash), self._key)
        self._after(session_id, records)
        return records

    def read(self, session_id: str, *, after: int = 0) -> Iterator[Record]:
        """Yield the events behind number ``after``, in order. Raises StoreError."""
        with self._database.reading() as connection:
            if after and after in _marks(connection, session_id, None):
                return  # asked before every step, and hardly ever is there anything
            anchor = read_anchor(self._home, session_id)
            yield from read_events(connection, self._blobs, session_id, after=after, anchor=anchor)

    def _insert(
        self, connection: sqlite3.Connection, session_id: str, prepared: Sequence[tuple[Event, str, str]]
    ) -> list[Record]:
        self._check()
        first = prepared[0][0]
        head = connection.execute(
            "SELECT key, head_seq, head_hash FROM sessions WHERE id = ?", (session_id,)
        ).fetchone()
        if head is not None and isinstance(first, LocalSessionCreated | LocalForked):
            raise already_there(session_id)
        if isinstance(first, LocalSessionCreated):
            head = (create_row(connection, first), 0, "")
        elif isinstance(first, LocalForked):
            past = read_events(connection, self._blobs, first.parent, until=first.at)
            head = create_fork(connection, first, past)
        elif head is None:
            raise NotFoundError(f"there is no session {session_id}")
        return _insert_rows(connection, head, prepared)

    def _detach(self, body: JsonObject) -> tuple[str, str]:
        return detached(body, lambda data: self._blobs.put([data])[0])


def read_events(
    connection: sqlite3.Connection,
    blobs: Blobs,
    session_id: str,
    *,
    after: int = 0,
    until: int | None = None,
    anchor: Anchor | None = None,
) -> Iterator[Record]:
    """Yield a session's events behind number ``after``, up to ``until``; what is appended meanwhile too.

    Read a page at a time, so that a slow reader neither holds the log in memory nor keeps the
    writers from checkpointing. Raises StoreError for the first event that is missing, was changed
    or cannot be read, and for an end that was cut off; everything before it is as it was written.
    """
    for seq, body, taken, row_hash in read_rows(connection, session_id, after=after, until=until, anchor=anchor):
        yield record_of(session_id, blobs, seq, body, taken, row_hash)


def read_rows(
    connection: sqlite3.Connection,
    session_id: str,
    *,
    after: int = 0,
    until: int | None = None,
    anchor: Anchor | None = None,
) -> Iterator[Row]:
    """Yield the same as ``read_events`` as it is stored: number, body, blobs, hash. Raises StoreError."""
    last = _NO_LIMIT if until is None else until
    marks = _marks(connection, session_id, anchor)
    stretches = lineage(connection, session_id)
    former = hash_at(connection, stretches, after)
    while page := _page(connection, session_id, stretches, after, last):
        for seq, body, taken, row_hash in page:
            if seq != after + 1:
                raise DamagedEventError(session_id, after + 1, "it is missing")
            if former is None or chained(former, body, taken) != row_hash or marks.get(seq, row_hash) != row_hash:
                raise DamagedEventError(session_id, seq, "it is not what was written")
            yield seq, body, taken, row_hash
            after, former = seq, row_hash
    if after < min(last, max(marks, default=0)):
        raise DamagedEventError(session_id, after + 1, f"it is missing, and so is all behind it up to #{max(marks)}")


def already_there(session_id: str) -> UsageError:
    """Say that an id is taken."""
    return UsageError(
        f"there is a session {session_id} already, begun with another input",
        hint="choose another id for --session; the same input again would report that session",
    )


def last_event(connection: sqlite3.Connection, blobs: Blobs, session_id: str, kind: str) -> Record | None:
    """Return a session's last event of a type. Raises StoreError for a row that cannot be read."""
    condition, values = where(lineage(connection, session_id))
    row = connection.execute(
        f"SELECT seq, body, blobs, hash FROM events WHERE {condition} AND type = ? ORDER BY seq DESC LIMIT 1",
        (*values, kind),
    ).fetchone()
    return None if row is None else record_of(session_id, blobs, *row)


def header_events(
    connection: sqlite3.Connection, blobs: Blobs, session_id: str, until: int | None = None
) -> list[Event]:
    """Return what says what a session depends on: its first event, and every fork up to number ``until``.

    Raises StoreError for a row that is missing or cannot be read. The hashes are not checked.
    """
    begun = [each for each in lineage(connection, session_id) if until is None or each.after < until]
    return [_first_of(connection, blobs, session_id, stretch).event for stretch in begun]


def _first_of(connection: sqlite3.Connection, blobs: Blobs, session_id: str, stretch: Stretch) -> Record:
    rows = _rows(connection, stretch.key, stretch.after, stretch.after + 1, 1)
    if not rows:
        raise DamagedEventError(session_id, stretch.after + 1, "it is missing")
    return record_of(session_id, blobs, *rows[0])


def find_event(connection: sqlite3.Connection, session_id: str, name: str) -> int:
    """Return the number of an event that is named by its number (``12`` or ``#12``) or its id. Raises NotFoundError."""
    digits = name.removeprefix("#")
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
    condition, values = where(lineage(connection, session_id))
    row = connection.execute(
        f"SELECT seq FROM events WHERE {condition} AND (seq = ? OR id = ?)",
        (*values, number, name.encode(errors="replace").decode()),
    ).fetchone()
    if row is None:
        last = connection.execute("SELECT head_seq FROM sessions WHERE id = ?", (session_id,)).fetchone()
        raise NotFoundError(
            f"there is no event {name or '(nothing)'} in session {session_id}",
            hint=f"its events are #1 to #{last[0]}; see: agentctl events {session_id}" if last else None,
        )
    return int(row[0])


def has_type(connection: sqlite3.Connection, session_id: str, pattern: str, *, after: int = 0) -> bool:
    """Say whether a session has an event of a type behind a number; ``agent.*`` is every type that begins so."""
    condition, values = where(lineage(connection, session_id))
    row = connection.execute(
        f"SELECT 1 FROM events WHERE {condition} AND seq > ? AND type GLOB ? LIMIT 1", (*values, after, pattern)
    ).fetchone()
    return row is not None


def taken_up_at(connection: sqlite3.Connection, session_id: str, record: Record) -> str | None:
    """Return when an event that a person sent was taken up, None while it waits."""
    condition, values = where(lineage(connection, session_id))
    rows = connection.execute(
        f"SELECT body FROM events WHERE {condition} AND seq > ? AND type = 'local.input_processed' ORDER BY seq",
        (*values, record.seq),
    )
    for (body,) in rows:
        try:
            value = json.loads(body)
            if record.event.id in value.get("event_ids", ()):
                return str(value["processed_at"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue  # whoever comes to that event says so
    return None


def _marks(connection: sqlite3.Connection, session_id: str, anchor: Anchor | None) -> dict[int, str]:
    """Return what is known of the hashes from elsewhere: the index of sessions, and the anchor."""
    head = connection.execute("SELECT head_seq, head_hash FROM sessions WHERE id = ?", (session_id,)).fetchone()
    if head is not None and anchor is not None and head[0] < anchor.seq:
        return dict([anchor])  # the index is never behind the anchor, unless somebody has changed it
    return dict(mark for mark in (head, anchor) if mark is not None) if head else {}


def hash_at(connection: sqlite3.Connection, stretches: Sequence[Stretch], seq: int) -> str | None:
    """Return the hash of an event as it stands there. Returns None where there is no such event."""
    if seq == 0:
        return ""
    condition, values = where(stretches)
    row = connection.execute(f"SELECT hash FROM events WHERE {condition} AND seq = ?", (*values, seq)).fetchone()
    return None if row is None else str(row[0])


def _page(
    connection: sqlite3.Connection, session_id: str, stretches: Sequence[Stretch], after: int, last: int
) -> list[Row]:
    stretch = next((each for each in stretches if after < each.until), None)
    if stretch is None:
        return []
    last = min(last, stretch.until)
    try:
        return _rows(connection, stretch.key, after, last, _PAGE_ROWS)
    except sqlite3.DatabaseError as error:
        found = _readable_rows(connection, stretch.key, after, last)
        if not found:
            raise DamagedEventError(session_id, after + 1, error) from error
        return found


def _rows(connection: sqlite3.Connection, key: int, after: int, last: int, most: int) -> list[Row]:
    return connection.execute(
        "SELECT seq, body, blobs, hash FROM events WHERE session = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
        (key, after, last, most),
    ).fetchall()


def _readable_rows(connection: sqlite3.Connection, key: int, after: int, last: int) -> list[Row]:
    """Return the rows before one that the database itself cannot read."""
    found: list[Row] = []
    with contextlib.suppress(sqlite3.DatabaseError):
        for _ in range(_PAGE_ROWS):
            found += _rows(connection, key, found[-1][0] if found else after, last, 1)
    return found


def record_of(session_id: str, blobs: Blobs, seq: int, body: str, taken: str, row_hash: str) -> Record:
    """Read an event from what is stored of it. Raises StoreError."""
    try:
        value, _ = _read_json(body)
        if taken:
            put_back(value, taken, blobs.read)
        return Record(seq, decode(value), row_hash)
    except StoreError as error:
        raise DamagedEventError(session_id, seq, error.message) from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedEventError(session_id, seq, f"it cannot be read ({error})") from error


def _insert_rows(
    connection: sqlite3.Connection, head: tuple[int, int, str], prepared: Sequence[tuple[Event, str, str]]
) -> list[Record]:
    key, seq, row_hash = head
    records = []
    for event, body, taken in prepared:
        seq += 1
        row_hash = chained(row_hash, body, taken)
        connection.execute(
            "INSERT INTO events (session, seq, id, type, body, blobs, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, seq, event.id, type_of(event), body, taken, row_hash),
        )
        records.append(Record(seq, event, row_hash))
    update_row(connection, key, [event for event, _, _ in prepared], seq, row_hash)
    return records
