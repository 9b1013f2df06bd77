"""Whether a record is as it was written: its chain of hashes, its end, what it names, and the index made of it."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from agentctl.errors import StoreError, UsageError
from agentctl.events.codec import NOT_UNDERSTOOD
from agentctl.paths import Home
from agentctl.session.contents import named_contents
from agentctl.session.log import Record
from agentctl.session.members import check_members
from agentctl.store.anchors import Anchor, has_anchor_file, read_anchor, read_seal
from agentctl.store.blobs import Blobs
from agentctl.store.events import DamagedEventError, read_rows, record_of
from agentctl.store.indexcheck import IndexCheck
from agentctl.store.keys import VerifyKey
from agentctl.store.lineage import lineage, where
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
    index: dict[str, object] = field(default_factory=dict)

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
    connection.execute("BEGIN")  # what a session that runs now appends meanwhile is left for another time
    try:
        _read(connection, home, session_id, tell, found)
    finally:
        connection.execute("ROLLBACK")
    found.seal = _seal(home, session_id, key, found.anchor)
    return found


def _read(
    connection: sqlite3.Connection, home: Home, session_id: str, tell: Callable[[Record], None], found: Integrity
) -> None:
    blobs, index, seen = Blobs(home.blobs), IndexCheck(connection, session_id), dict[str, str | None]()
    snapshots = SnapshotCheck(Place(connection, blobs, session_id))

    def take(record: Record) -> None:
        check_members(record.event)
        tell(record)
        _check_contents(record, blobs, seen, found)
        if not found.damages:
            snapshots.add(record)

    read = _records(connection, blobs, session_id, found)
    while records := list(islice(read, _AT_ONCE)):
        for record in records:
            _understood(record, take, found)
        if not found.damages:
            for record in records:
                _understood(record, index.add, found)
            _understood(records[-1], lambda _: index.keep(), found)
    found.blobs = len(seen)
    if not found.damages and found.anchor is None and has_anchor_file(home, session_id):
        found.damages.append(
            Damage(None, f"{home.anchors / session_id}.json, which says where it ends, cannot be read")
        )
    if not found.damages:
        found.damages += _wrong_columns(connection, session_id)
    if not found.damages:
        found.damages += [Damage(seq, what) for seq, what in index.strangers()]
        found.index = index.differences()
        wrong = [f"the index says another {name} than the events" for name in found.index]
        wrong += [
            f"the snapshot of #{seq}, where show begins, says otherwise than the events" for seq in snapshots.wrong
        ]
        found.damages += [Damage(None, what, is_computed=True) for what in wrong]


def _understood(record: Record, deed: Callable[[Record], None], found: Integrity) -> None:
    try:
        deed(record)
    except UsageError as error:
        found.damages.append(Damage(record.seq, f"it is not what its type says: {error.message}"))
    except (*NOT_UNDERSTOOD, sqlite3.Error) as error:
        found.damages.append(Damage(record.seq, f"it cannot be read ({error})"))


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
        f"SELECT seq FROM events WHERE {condition} AND CASE WHEN json_valid(body) THEN "
        "type IS NOT json_extract(body, '$.type') "
        "OR id IS NOT CAST(coalesce(json_extract(body, '$.id'), '') AS TEXT) ELSE 1 END ORDER BY seq LIMIT 1",
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
