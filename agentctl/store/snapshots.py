"""What a session came to after every thousandth of its events, so that a reader need not begin at the first.

A snapshot is no part of the record. It is made by whoever writes, from the events as they stand there, and names
the hash of the last one: one that does not fit the record, or was made by another agentctl, is passed over, and so
is one that is not what its own sum says: bytes that went bad, or were changed by somebody who did not think of it.
Where there is a key, so is one that is not sealed with it. Forks use those of their parent, up to the fork.

A row holds the sum and the seal in a line (no seal without a key), and behind it the fold as JSON.
"""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from agentctl.canonical import exact_json
from agentctl.errors import AgentctlError
from agentctl.session.freezing import fold_version, frozen, thawed
from agentctl.session.glance import Glance
from agentctl.session.log import Record
from agentctl.store.anchors import Anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database
from agentctl.store.events import hash_at, read_events
from agentctl.store.keys import VerifyKey
from agentctl.store.lineage import key_of, lineage, where
from agentctl.store.version import SNAPSHOT_EVERY

_MOST_AT_ONCE = 4 * SNAPSHOT_EVERY
"""Events that one append has to read at most: a long record that has no snapshots gets them by and by."""

_KEPT = 10 * SNAPSHOT_EVERY
_FIRST_WITH_SNAPSHOTS = 4
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the events of a session are: a connection, the blobs, the session's id, and the key if there is one."""

    connection: sqlite3.Connection
    blobs: Blobs
    session_id: str
    key: VerifyKey | None = None


def glance_at(place: Place, *, until: int | None = None, anchor: Anchor | None = None) -> Glance:
    """Return what a session came to after number ``until``, or after all. Raises StoreError.

    The hashes are checked from the last snapshot on.
    """
    glance = last_snapshot(place, until) or Glance()
    events = read_events(place.connection, place.blobs, place.session_id, after=glance.seq, until=until, anchor=anchor)
    for record in events:
        glance.add(record)
    return glance


def last_snapshot(place: Place, until: int | None = None) -> Glance | None:
    """Return the last snapshot up to number ``until``. Returns None where there is none that fits the record."""
    for seq, row_hash, text in _believed(place, until):
        with contextlib.suppress(*_UNREADABLE):
            glance = thawed(json.loads(text))
            if isinstance(glance, Glance) and (glance.seq, glance.hash) == (seq, row_hash):
                return glance
    return None


def _believed(place: Place, until: int | None = None) -> Iterator[tuple[int, str, str]]:
    """Yield the number, hash and text of each snapshot that a reader would use, the last one first."""
    for seq, row_hash, text, is_whole, seal in _kept(place, until):
        is_sealed = place.key is None or place.key.fits_computed(seal, seq, row_hash, fold_version(), text)
        if is_whole and is_sealed:
            yield seq, row_hash, text


def _kept(place: Place, until: int | None = None) -> Iterator[tuple[int, str, str, bool, str]]:
    """Yield all that fit the record, the last one first: number, hash, text, whether the sum is right, the seal."""
    if int(place.connection.execute("PRAGMA user_version").fetchone()[0]) < _FIRST_WITH_SNAPSHOTS:
        return
    stretches = lineage(place.connection, place.session_id)
    condition, values = where(stretches)
    rows = place.connection.execute(
        f"SELECT seq, hash, body FROM snapshots WHERE {condition} AND version = ? AND seq <= ? ORDER BY seq DESC",
        (*values, fold_version(), (1 << 63) - 1 if until is None else until),
    )
    for seq, row_hash, body in rows:
        head, _, text = str(body).partition("\n")
        total, _, seal = head.partition(" ")
        if hash_at(place.connection, stretches, seq) == row_hash:
            yield seq, row_hash, text, total == _sum(seq, row_hash, text), seal


def _sum(seq: int, row_hash: str, text: str) -> str:
    return hashlib.sha256(f"{seq} {row_hash} {text}".encode("utf-8", "surrogatepass")).hexdigest()


class SnapshotCheck:
    """Computes once more what the snapshots of a session say; ``wrong`` are the places of those that say otherwise."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._left = {kept[0] for kept in _kept(place)}
        self._glance = Glance()
        self.wrong: list[int] = []

    def add(self, record: Record) -> None:
        """Take the next event; none may be left out."""
        if not self._left:
            return
        self._glance.add(record)
        if record.seq in self._left:
            self._left.remove(record.seq)
            found = next((kept for kept in _kept(self._place, record.seq) if kept[0] == record.seq), None)
            if found is not None and found[2:4] != (exact_json(frozen(self._glance)), True):
                self.wrong.append(record.seq)


def forget_snapshots(connection: sqlite3.Connection, session_id: str) -> None:
    """Remove the snapshots of a session, those of its parents' that it uses too."""
    condition, values = where(lineage(connection, session_id))
    connection.execute(f"DELETE FROM snapshots WHERE {condition}", values)


def keep_all_snapshots(database: Database, blobs: Blobs, session_id: str, head: int, key: VerifyKey | None) -> None:
    """Keep the snapshots of a session that was stored at once. Raises nothing."""
    for _ in range(-(-head // _MOST_AT_ONCE)):
        keep_snapshot(database, blobs, session_id, head, key)


def keep_snapshot(database: Database, blobs: Blobs, session_id: str, head: int, key: VerifyKey | None) -> None:
    """Keep a snapshot of a session that has ``head`` events, as far on as one append may read. Raises nothing."""
    with contextlib.suppress(AgentctlError, sqlite3.Error, *_UNREADABLE):
        with database.reading() as connection:
            place = Place(connection, blobs, session_id, key)
            glance = last_snapshot(place) or Glance()
            former, until = glance.seq, min(head, glance.seq + _MOST_AT_ONCE) // SNAPSHOT_EVERY * SNAPSHOT_EVERY
            for record in read_events(connection, blobs, session_id, after=former, until=until):
                glance.add(record)
        if glance.seq > former:
            database.write(lambda connection: _put(connection, session_id, glance, key))


def _put(connection: sqlite3.Connection, session_id: str, glance: Glance, seal_key: VerifyKey | None) -> None:
    key, text, version = key_of(connection, session_id), exact_json(frozen(glance)), fold_version()
    seal = seal_key.seal_computed(glance.seq, glance.hash, version, text) if seal_key else ""
    connection.execute(
        "INSERT OR REPLACE INTO snapshots (session, seq, hash, version, body) VALUES (?, ?, ?, ?, ?)",
        (key, glance.seq, glance.hash, version, f"{_sum(glance.seq, glance.hash, text)} {seal}\n{text}"),
    )
    # One is enough for who looks at the end. Some older ones stay, for forks.
    connection.execute(
        "DELETE FROM snapshots WHERE session = ? AND seq < ? AND seq % ? != 0",
        (key, glance.seq - SNAPSHOT_EVERY, _KEPT),
    )
