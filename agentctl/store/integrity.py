"""Whether a record is as it was written: its chain of hashes, its end, what it names, and the index made of it."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from agentctl.errors import StoreError
from agentctl.events.base import Event
from agentctl.events.local import LocalForked, LocalSessionCreated
from agentctl.paths import Home
from agentctl.session.contents import named_contents
from agentctl.session.log import Record
from agentctl.store.anchors import Anchor, read_anchor, read_seal
from agentctl.store.blobs import Blobs
from agentctl.store.events import DamagedEventError, read_rows, record_of
from agentctl.store.keys import VerifyKey
from agentctl.store.lineage import lineage, where
from agentctl.store.sessions import INDEXED, create_row, update_row
from agentctl.store.snapshots import Place, SnapshotCheck

_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was written: the event, None where it is none of them, and what is wrong.

    ``is_computed`` says that it was computed from events, and can be once more.
    """

    seq: int | None
    what: str
    is_computed: bool = False


@dataclass(slots=True)
class Integrity:
    """What was found.

    ``events`` is how many were read before the first that is damaged, ``head`` the hash of the last of
    them. ``anchor`` is what is known of the end from outside the database. ``seal`` says what a key says of it:
    ``absent`` where there is no seal (or no end to seal), ``unchecked`` where there is no key. ``index`` is
    what the index of sessions ought to say where it says otherwise.
    """

    events: int = 0
    head: str = ""
    blobs: int = 0
    damages: list[Damage] = field(default_factory=list)
    anchor: Anchor | None = None
    seal: Literal["valid", "wrong", "absent", "unchecked"] = "unchecked"
    has_key: bool = False
    index: dict[str, str | int | None] = field(default_factory=dict)

    @property
    def first(self) -> Damage | None:
        """The damage of the first event that has one."""
        return min(self.damages, key=lambda damage: damage.seq or 1 << 63, default=None)

    @property
    def can_be_mended(self) -> bool:
        """Whether only what is computed from the events is wrong, and the events are what a key says they were."""
        return all(damage.is_computed for damage in self.damages) and (not self.has_key or self.seal == "valid")

    @property
    def is_intact(self) -> bool:
        """Whether all is as it was written, as far as can be said; with a key that takes its seal."""
        return not self.damages and (not self.has_key or self.seal == "valid")


def examine(
    connection: sqlite3.Connection,
    home: Home,
    session_id: str,
    key: VerifyKey | None,
    tell: Callable[[Record], None] = lambda _: None,
) -> Integrity:
    """Read a whole session and all that it names; ``tell`` hears every event that can be read.

    Raises StoreError only where the database itself cannot be read.
    """
    found = Integrity(anchor=read_anchor(home, session_id), has_key=key is not None)
    blobs, index, seen = Blobs(home.blobs), _Index(connection, session_id), dict[str, str | None]()
    read = _records(connection, blobs, session_id, found)
    snapshots = SnapshotCheck(Place(connection, blobs, session_id))
    while records := list(islice(read, _AT_ONCE)):
        for record in records:
            tell(record)
            _check_contents(record, blobs, seen, found)
            if not found.damages:
                snapshots.add(record)
        index.add([record.event for record in records])
    found.blobs = len(seen)
    if not found.damages:
        found.damages += _wrong_columns(connection, session_id)
        found.index = index.differences()
        found.damages += [
            Damage(None, f"the index says another {name} than the events", is_computed=True) for name in found.index
        ]
        found.damages += [
            Damage(None, f"the snapshot of #{seq}, where show begins, says otherwise than the events", is_computed=True)
            for seq in snapshots.wrong
        ]
    found.seal = _seal(home, session_id, key, found.anchor)
    return found


def _records(connection: sqlite3.Connection, blobs: Blobs, session_id: str, found: Integrity) -> Iterator[Record]:
    try:
        for row in read_rows(connection, session_id, anchor=found.anchor):
            found.events, found.head = row[0], row[3]
            try:
                yield record_of(session_id, blobs, *row)
            except DamagedEventError as error:
                found.damages.append(Damage(error.seq, error.how))
    except DamagedEventError as error:
        found.damages.append(Damage(error.seq, error.how))


def _check_contents(record: Record, blobs: Blobs, seen: dict[str, str | None], found: Integrity) -> None:
    """Read what an event names, each content once; note the first thing that is wrong with it."""
    try:
        for digest in named_contents(record.event, blobs):
            if digest not in seen:
                seen[digest] = wrong_with(blobs, digest)
            if (wrong := seen[digest]) is not None:
                found.damages.append(Damage(record.seq, wrong))
                return
    except StoreError as error:
        found.damages.append(Damage(record.seq, error.message))


def wrong_with(blobs: Blobs, digest: str) -> str | None:
    """Say what is wrong with a blob; None where it is there, and what its name says."""
    hashed = hashlib.sha256()
    try:
        for piece in blobs.open(digest):
            hashed.update(piece)
    except StoreError as error:
        return error.message
    return None if hashed.hexdigest() == digest else f"blob {digest} is damaged"


def _wrong_columns(connection: sqlite3.Connection, session_id: str) -> list[Damage]:
    """Find rows whose id or type is not that of their event: the chain is over events, not over columns."""
    condition, values = where(lineage(connection, session_id))
    row = connection.execute(
        f"SELECT seq FROM events WHERE {condition} AND (type IS NOT json_extract(body, '$.type') "
        "OR id IS NOT CAST(coalesce(json_extract(body, '$.id'), '') AS TEXT)) ORDER BY seq LIMIT 1",
        values,
    ).fetchone()
    return [] if row is None else [Damage(row[0], "its row says another id or type than it does")]


def _seal(
    home: Home, session_id: str, key: VerifyKey | None, anchor: Anchor | None
) -> Literal["valid", "wrong", "absent", "unchecked"]:
    seal = read_seal(home, session_id)
    if anchor is None or seal is None:
        return "unchecked" if key is None else "absent"
    if key is None:
        return "unchecked"
    return "valid" if key.fits(seal, session_id, anchor.seq, anchor.hash) else "wrong"


class _Index:
    """The row of a session in the index, computed once more from its events."""

    def __init__(self, connection: sqlite3.Connection, session_id: str) -> None:
        self._connection, self._session_id = connection, session_id
        (schema,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'sessions'").fetchone()
        self._own = sqlite3.connect(":memory:")
        self._own.execute(schema)
        self._key: int | None = None
        self._forked_at: str | None = None

    def add(self, events: list[Event]) -> None:
        """Take more events."""
        if self._key is None and events and isinstance(events[0], LocalSessionCreated):
            self._key = create_row(self._own, events[0])
        for event in events:
            if isinstance(event, LocalForked) and event.session_id == self._session_id:
                self._forked_at = event.processed_at
        if self._key is not None:
            update_row(self._own, self._key, events, 0, "")

    def differences(self) -> dict[str, str | int | None]:
        """Return what the index ought to say where it says otherwise, by column."""
        columns = ", ".join(INDEXED)
        stored = self._connection.execute(f"SELECT {columns} FROM sessions WHERE id = ?", (self._session_id,))
        computed = self._own.execute(f"SELECT {columns} FROM sessions")
        said, meant = stored.fetchone(), computed.fetchone()
        self._own.close()
        if meant is None:
            return {}
        pairs = dict(zip(INDEXED, zip(said, meant, strict=True), strict=True))
        if self._forked_at is not None:
            pairs["created_at"] = (pairs["created_at"][0], self._forked_at)
        return {name: meant for name, (said, meant) in pairs.items() if said != meant}
