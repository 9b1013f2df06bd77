"""The event log in SQLite: append, and read after a number.

Each row holds the event's canonical JSON, with strings of 64 KiB and more taken out into blobs;
``blobs`` says which (a JSON object of JSON Pointers, RFC 6901, to SHA-256 names). The hash of a row
is ``sha256(previous hash ‖ body ‖ blobs)``, so a change to any byte of the past shows in every hash
behind it; the first row's previous hash is the empty string.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence

from agentctl.canonical import JsonObject, canonical_json, sha256_hex
from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.codec import decode, encode, type_of
from agentctl.events.local import LocalSessionCreated
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.store.anchors import write_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database, reading
from agentctl.store.sessions import create_row, update_row

_BLOB_BYTES = 64 * 1024


class SqliteEventLog:
    """The EventLog over one writing connection."""

    def __init__(self, home: Home, database: Database) -> None:
        self._home = home
        self._database = database
        self._blobs = Blobs(home.blobs)

    def append(self, session_id: str, events: Sequence[Event]) -> Sequence[Record]:
        """Store events, all or none, durable on return. Raises StoreError.

        Nothing but ``local.session_created`` can be the first event of a session.
        """
        prepared = [(event, *self._detach(encode(event))) for event in events]
        records = self._database.write(lambda connection: _insert(connection, session_id, prepared))
        if any(type_of(event) == "session.status_idle" for event in events):
            write_anchor(self._home, session_id, records[-1].seq, records[-1].hash)
        return records

    def read(self, session_id: str, *, after: int = 0) -> Iterator[Record]:
        """Yield the events behind number ``after``, in order. Raises StoreError."""
        with reading(self._home) as connection:
            yield from read_events(connection, self._blobs, session_id, after=after)

    def _detach(self, body: JsonObject) -> tuple[str, str]:
        taken: dict[str, str] = {}
        small = _without_large(body, "", taken, self._blobs)
        return canonical_json(small), canonical_json(taken) if taken else ""


def read_events(
    connection: sqlite3.Connection, blobs: Blobs, session_id: str, *, after: int = 0
) -> Iterator[Record]:
    """Yield a session's events behind number ``after``. Raises StoreError for a row that cannot be read."""
    rows = connection.execute(
        "SELECT seq, body, blobs, hash FROM events WHERE seq > ? "
        "AND session = (SELECT key FROM sessions WHERE id = ?) ORDER BY seq",
        (after, session_id),
    )
    for seq, body, taken, row_hash in rows:
        try:
            value = json.loads(body)
            for pointer, digest in json.loads(taken or "{}").items():
                _put_back(value, pointer, blobs.read(digest).decode("utf-8"))
            yield Record(seq, decode(value), row_hash)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise StoreError(f"event #{seq} of {session_id} is damaged: {error}") from error


def _insert(
    connection: sqlite3.Connection, session_id: str, prepared: Sequence[tuple[Event, str, str]]
) -> list[Record]:
    head = connection.execute(
        "SELECT key, head_seq, head_hash FROM sessions WHERE id = ?", (session_id,)
    ).fetchone()
    first = prepared[0][0]
    if head is None and isinstance(first, LocalSessionCreated):
        head = (create_row(connection, first), 0, "")
    elif head is None:
        raise NotFoundError(f"there is no session {session_id}")
    elif isinstance(first, LocalSessionCreated):
        raise UsageError(f"there is a session {session_id} already", hint="choose another id for --session")
    key, seq, row_hash = head
    records = []
    for event, body, taken in prepared:
        seq += 1
        row_hash = sha256_hex(row_hash + body + taken)
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
        return {
            name: _without_large(item, f"{pointer}/{_escaped(name)}", taken, blobs) for name, item in value.items()
        }
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
