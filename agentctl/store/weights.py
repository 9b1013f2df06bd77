"""What the record takes on the disk, and which session how much of it."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field

from agentctl.paths import Home
from agentctl.store.blobs import Blobs
from agentctl.store.naming import Named, named_blobs

KINDS = ("uploads", "changes", "outputs", "texts", "others", "unnamed")
"""What blobs are: files that sessions began with, what calls made of them, outputs, long strings, or nobody's."""


@dataclass(slots=True)
class Weights:
    """Bytes: of the database in use and free in it, of each session's own events by its row, of each blob.

    ``users`` are the rows of the sessions that name a blob, ``names`` the blobs that a session names; ``kinds`` says
    what each blob is. ``unreadable`` are the rows of sessions whose events cannot be read, and so not be counted.
    """

    used: int
    free: int
    events: dict[int, int]
    blobs: dict[str, int] = field(default_factory=dict)
    leftover_files: int = 0
    leftover_bytes: int = 0
    users: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    names: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    kinds: dict[str, str] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)

    @property
    def total(self) -> int:
        """What the database and the blobs take together, without what is free."""
        return self.used + sum(self.blobs.values()) + self.leftover_bytes

    def of_kind(self, kind: str) -> tuple[int, int]:
        """Return how many blobs are of a kind, and their bytes."""
        sizes = [size for digest, size in self.blobs.items() if self.kinds.get(digest, "unnamed") == kind]
        left = (self.leftover_files, self.leftover_bytes) if kind == "unnamed" else (0, 0)
        return len(sizes) + left[0], sum(sizes) + left[1]

    def of_sessions(self) -> dict[int, int]:
        """Return what each session takes alone: its share of the database, and blobs that only it names."""
        own = {key: self.share(key) for key in self.events}
        for digest, users in self.users.items():
            if len(users) == 1:
                key = next(iter(users))
                own[key] = own.get(key, 0) + self.blobs.get(digest, 0)
        return own

    def share(self, key: int) -> int:
        """Return which part of the database is there for a session's events."""
        of_all = sum(self.events.values())
        return self.used * self.events.get(key, 0) // of_all if of_all else 0

    def without(self, key: int) -> int:
        """Take a session for removed; return how many bytes that makes free."""
        freed = self.share(key)
        self.used -= freed
        self.events.pop(key, None)
        for digest in self.names.pop(key, ()):
            self.users[digest].discard(key)
            if not self.users[digest]:
                freed += self.blobs.pop(digest, 0)
        return freed


def weigh(home: Home, connection: sqlite3.Connection) -> Weights:
    """Look at the whole record. Raises StoreError, sqlite3.DatabaseError where it cannot be read."""
    weights = _without_sessions(home, connection)
    weights.events = _events(connection)
    for named in named_blobs(home, connection):
        _count(weights, named)
    return weights


def weigh_what_is_readable(home: Home, connection: sqlite3.Connection) -> Weights:
    """Look at the whole record, session by session where that cannot be read at once. Raises StoreError."""
    try:
        return weigh(home, connection)
    except sqlite3.DatabaseError:
        weights = _without_sessions(home, connection)
    for (key,) in connection.execute("SELECT key FROM sessions").fetchall():
        try:
            weights.events |= _events(connection, key)
            for named in list(named_blobs(home, connection, [key])):
                _count(weights, named)
        except sqlite3.DatabaseError:
            weights.unreadable.add(key)
    return weights


def _without_sessions(home: Home, connection: sqlite3.Connection) -> Weights:
    page = _pragma(connection, "page_size")
    free = _pragma(connection, "freelist_count") * page
    weights = Weights(_pragma(connection, "page_count") * page - free, free, {})
    for found in Blobs(home.blobs).stored():
        if found.digest is None:
            weights.leftover_files += 1
            weights.leftover_bytes += found.size
        else:
            weights.blobs[found.digest] = found.size
    return weights


def _count(weights: Weights, named: Named) -> None:
    weights.users[named.digest].add(named.session)
    weights.names[named.session].add(named.digest)
    known = weights.kinds.get(named.digest, "unnamed")
    weights.kinds[named.digest] = min(known, named.kind, key=KINDS.index)


def _events(connection: sqlite3.Connection, key: int | None = None) -> dict[int, int]:
    rows = connection.execute(
        "SELECT session, sum(length(CAST(body AS BLOB)) + length(blobs) + length(hash) + length(id) + length(type)) "
        "FROM events WHERE ?1 IS NULL OR session = ?1 GROUP BY session",
        (key,),
    )
    return {int(key): int(size) for key, size in rows}


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
