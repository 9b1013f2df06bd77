"""Full-text search over all sessions.

Nobody who runs a session does anything for it: a search first reads what was recorded since the last one.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agentctl.paths import Home
from agentctl.store.blobs import Blobs
from agentctl.store.indexing import Indexing, forget
from agentctl.store.lineage import Stretch
from agentctl.store.query import BEGIN, BETWEEN, END
from agentctl.store.reckoned import reckoned

_BATCH_EVENTS = 4096
_CONTEXT_WORDS = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: an expression of ``query.matching``, and what narrows it down.

    ``types`` may end in ``.*``; ``since`` is RFC 3339 in UTC; ``stretches`` are those of one session.
    """

    expression: str
    types: Sequence[str] = ()
    agent: str | None = None
    since: str | None = None
    stretches: Sequence[Stretch] | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """An event that was found: ``text`` is a piece of what it says, ``marks`` where in that piece the words are."""

    text: str
    marks: tuple[tuple[int, int], ...]
    session_id: str
    agent: str
    seq: int
    event_id: str
    type: str
    at: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """The newest hits, how many there are in all, how many events of the record could not be read, and of whom."""

    hits: tuple[Hit, ...]
    total: int
    unreadable: int
    damaged: tuple[str, ...] = ()


class SearchIndex:
    """The index of one store, over an open connection to its database."""

    def __init__(self, home: Home, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._blobs = Blobs(home.blobs)
        self._file = reckoned(home)

    def catch_up(self, progress: Callable[[int], None] = lambda _left: None) -> None:
        """Read what is new in the record; ``progress`` is told how many events are left. Raises StoreError.

        Done in pieces, between which others may search, or read on.
        """
        while left := self._file.use(self._read_on):
            progress(left)

    def search(self, wanted: Wanted, limit: int) -> Found:
        """Return what is found in what was read. Raises StoreError."""
        begun = self._file.begun
        found = self._file.use(lambda index: _found(index, wanted, limit))
        if self._file.begun == begun:
            return found
        self.catch_up()  # it was damaged, and is empty
        return self._file.use(lambda index: _found(index, wanted, limit))

    def close(self) -> None:
        """Give back what is held."""
        self._file.close()

    def _read_on(self, index: sqlite3.Connection) -> int:
        return Indexing(self._connection, self._blobs, index).read_on(_BATCH_EVENTS)


def forget_sessions(home: Home, session_ids: Sequence[str]) -> None:
    """Remove what was read of these sessions. Raises StoreError."""
    if home.search.exists():
        reckoned(home).use(lambda index: forget(index, session_ids))


def _found(index: sqlite3.Connection, wanted: Wanted, limit: int) -> Found:
    condition, values = _condition(wanted)
    chosen = (
        "FROM words JOIN places ON places.number = words.rowid JOIN known ON known.number = places.session "
        f"WHERE words MATCH ? AND {condition}"
    )
    total = int(index.execute(f"SELECT count(*) {chosen}", (wanted.expression, *values)).fetchone()[0])
    rows = index.execute(
        f"SELECT words.rowid, known.id, known.agent, places.seq, places.id, places.type, places.at {chosen} "
        "ORDER BY places.at DESC, words.rowid DESC LIMIT ?",
        (wanted.expression, *values, limit),
    ).fetchall()
    pieces = [_piece(index, wanted.expression, row[0]) for row in rows]
    hits = tuple(Hit(text, marks, *row[1:]) for row, (text, marks) in zip(rows, pieces, strict=True))
    damaged = index.execute("SELECT id, unreadable FROM known WHERE unreadable > 0 ORDER BY key").fetchall()
    return Found(hits, total, sum(number for _, number in damaged), tuple(name for name, _ in damaged))


def _condition(wanted: Wanted) -> tuple[str, list[str | int]]:
    parts: list[str] = []
    values: list[str | int] = []
    for condition, each in _conditions(wanted):
        parts.append(condition)
        values += each
    return " AND ".join(parts) or "1", values


def _conditions(wanted: Wanted) -> Iterator[tuple[str, Sequence[str | int]]]:
    if wanted.types:
        yield f"({' OR '.join('places.type GLOB ?' for _ in wanted.types)})", wanted.types
    if wanted.agent is not None:
        yield "known.agent = ?", [wanted.agent]
    if wanted.since is not None:
        yield "places.at >= ?", [wanted.since]
    if wanted.stretches is not None:
        each = "(known.key = ? AND places.seq > ? AND places.seq <= ?)"
        yield (
            f"({' OR '.join(each for _ in wanted.stretches) or '0'})",
            [value for stretch in wanted.stretches for value in stretch.values],
        )


def _piece(index: sqlite3.Connection, expression: str, number: int) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return a piece of a text around what was found in it, and where that is in the piece."""
    (marked,) = index.execute(
        "SELECT snippet(words, 0, ?, ?, '', ?) FROM words WHERE words MATCH ? AND rowid = ?",
        (BEGIN, END, _CONTEXT_WORDS, expression, number),
    ).fetchone()
    text, marks = "", []
    before, *pieces = marked.replace(BETWEEN, "").split(BEGIN)
    text += before
    for piece in pieces:
        inner, _, behind = piece.partition(END)
        marks.append((len(text), len(text) + len(inner)))
        text += inner + behind
    return text, tuple(marks)
