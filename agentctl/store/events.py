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

from agentctl.canonical import JsonObject, canonical_json, sha256_hex
from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.codec import decode, encode, type_of
from agentctl.events.local import LocalForked, LocalSessionCreated
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.store.anchors import Anchor, drop_anchor, read_anchor, write_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database
from agentctl.store.lineage import Stretch, lineage, where
from agentctl.store.sessions import create_fork, create_row, update_row

_BLOB_BYTES = 64 * 1024
_PAGE_ROWS = 256
_NO_LIMIT = (1 << 63) - 1

_read_json = json.JSONDecoder().raw_decode
"""Without the search for white space, of which canonical JSON has none."""

Row: TypeAlias = tuple[int, str, str, str]


class SqliteEventLog:
    """The EventLog over one writing connection.

    ``check`` is called in the transaction of each append, and stops it with what it raises.
    """

    def __init__(self, home: Home, database: Database, check: Callable[[], None] = lambda: None) -> None:
        self._home = home
        self._database = database
        self._check = check
        self._blobs = Blobs(home.blobs)

    def append(self, session_id: str, events: Sequence[Event]) -> Sequence[Record]:
        """Store events, all or none, durable on return. Raises StoreError.

        Nothing but ``local.session_created`` can be the first event of a session, and nothing but
        ``local.forked`` the first of a fork's own.
        """
        prepared = [(event, *self._detach(encode(event))) for event in events]
        records = self._database.write(lambda connection: self._insert(connection, session_id, prepared))
        if records[0].seq == 1 or isinstance(records[0].event, LocalForked):
            drop_anchor(self._home, session_id)
        if any(type_of(event) == "session.status_idle" for event in events):
            write_anchor(self._home, session_id, records[-1].seq, records[-1].hash)
        return records

    def read(self, session_id: str, *, after: int = 0) -> Iterator[Record]:
        """Yield the events behind number ``after``, in order. Raises StoreError."""
        with self._database.reading() as connection:
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
        taken: dict[str, str] = {}
        small = _without_large(body, "", taken, self._blobs)
        return canonical_json(small), canonical_json(taken) if taken else ""


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
    former = _hash_at(connection, stretches, after)
    while page := _page(connection, session_id, stretches, after, last):
        for seq, body, taken, row_hash in page:
            if seq != after + 1:
                raise _damaged(session_id, after + 1, "it is missing")
            if former is None or chained(former, body, taken) != row_hash or marks.get(seq, row_hash) != row_hash:
                raise _damaged(session_id, seq, "it is not what was written")
            yield seq, body, taken, row_hash
            after, former = seq, row_hash
    if after < min(last, max(marks, default=0)):
        raise _damaged(session_id, after + 1, f"it is missing, and so is all behind it up to #{max(marks)}")


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

    Raises StoreError for a row that cannot be read. The hashes are not checked.
    """
    begun = [each for each in lineage(connection, session_id) if until is None or each.after < until]
    rows = [row for each in begun for row in _rows(connection, each.key, each.after, each.after + 1, 1)]
    return [record_of(session_id, blobs, *row).event for row in rows]


def find_event(connection: sqlite3.Connection, session_id: str, name: str) -> int:
    """Return the number of an event that is named by its number (``12`` or ``#12``) or its id. Raises NotFoundError."""
    digits = name.removeprefix("#")
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
    condition, values = where(lineage(connection, session_id))
    row = connection.execute(
        f"SELECT seq FROM events WHERE {condition} AND (seq = ? OR id = ?)", (*values, number, name)
    ).fetchone()
    if row is None:
        last = connection.execute("SELECT head_seq FROM sessions WHERE id = ?", (session_id,)).fetchone()
        raise NotFoundError(
            f"there is no event {name} in session {session_id}",
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
        except (ValueError, TypeError):
            continue  # whoever comes to that event says so
        if record.event.id in value.get("event_ids", ()):
            return str(value["processed_at"])
    return None


def _marks(connection: sqlite3.Connection, session_id: str, anchor: Anchor | None) -> dict[int, str]:
    """Return what is known of the hashes from elsewhere: the index of sessions, and the anchor."""
    head = connection.execute("SELECT head_seq, head_hash FROM sessions WHERE id = ?", (session_id,)).fetchone()
    return dict(mark for mark in (head, anchor) if mark is not None) if head else {}


def _hash_at(connection: sqlite3.Connection, stretches: Sequence[Stretch], seq: int) -> str | None:
    if seq == 0:
        return ""
    condition, values = where(stretches)
    row = connection.execute(f"SELECT hash FROM events WHERE {condition} AND seq = ?", (*values, seq)).fetchone()
    return None if row is None else str(row[0])


def chained(former: str, body: object, taken: object) -> str:
    """Return the hash of an event, from that of the one before it and from what is stored of it."""
    return sha256_hex(f"{former}{body}{taken}")


def _damaged(session_id: str, seq: int, how: object) -> StoreError:
    return StoreError(
        f"event #{seq} of {session_id} is damaged: {how}",
        hint=f"what comes before it can be had with: agentctl events {session_id} --salvage -o jsonl",
    )


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
            raise _damaged(session_id, after + 1, error) from error
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
            for pointer, digest in json.loads(taken).items():
                _put_back(value, pointer, blobs.read(digest).decode("utf-8"))
        return Record(seq, decode(value), row_hash)
    except StoreError as error:
        raise _damaged(session_id, seq, error.message) from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise _damaged(session_id, seq, error) from error


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


def _without_large(value: object, pointer: str, taken: dict[str, str], blobs: Blobs) -> object:
    if isinstance(value, str):
        if len(value) < _BLOB_BYTES // 4 or not _is_large(value):
            return value
        taken[pointer] = blobs.put([value.encode("utf-8")])[0]
        return ""
    if isinstance(value, dict):
        return {name: _without_large(item, f"{pointer}/{_escaped(name)}", taken, blobs) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_large(item, f"{pointer}/{index}", taken, blobs) for index, item in enumerate(value)]
    return value


def _is_large(text: str) -> bool:
    try:
        return len(text.encode("utf-8")) >= _BLOB_BYTES
    except UnicodeEncodeError:  # a lone surrogate cannot be a blob's bytes; it stays in the row, escaped
        return False


def _put_back(value: JsonObject, pointer: str, text: str) -> None:
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    place: object = value
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]  # type: ignore[index]
    if isinstance(place, list):
        place[int(last)] = text
    else:
        place[last] = text  # type: ignore[index]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
