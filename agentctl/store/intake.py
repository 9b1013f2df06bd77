"""Sessions that come in from a file: stored as they are, hash by hash, beside what is there already.

The same session again changes nothing, and one that has gone on since it was stored is gone on with; any
other session of an id that is taken is refused. A fork shares the rows of its parent where that is here;
where it is not, the past that both have is stored under the parent's id.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple, Protocol, TypeAlias

from agentctl.errors import StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.codec import type_of
from agentctl.events.local import LocalForked, LocalSessionCreated
from agentctl.session.log import Record
from agentctl.store.anchors import Anchor
from agentctl.store.lineage import lineage, where
from agentctl.store.sessions import create_fork, create_row, update_row

_AT_ONCE = 256

State: TypeAlias = Literal["stored", "there", "longer"]


class Incoming(Protocol):
    """An event that comes in: its number, what is stored of it, and its hash. All of it was checked."""

    @property
    def seq(self) -> int: ...  # noqa: D102
    @property
    def event(self) -> Event: ...  # noqa: D102
    @property
    def body(self) -> str: ...  # noqa: D102
    @property
    def taken(self) -> str: ...  # noqa: D102
    @property
    def hash(self) -> str: ...  # noqa: D102


Lines: TypeAlias = Callable[[], Iterable[Incoming]]
"""Yields all events of a session, from the first, each time that it is called."""


class Taken(NamedTuple):
    """What became of a session: ``stored``; ``there`` before, as a whole; ``longer``, what was new was added."""

    session_id: str
    state: State
    anchor: Anchor


def take_in(connection: sqlite3.Connection, session_id: str, lines: Lines, *, is_fork: bool) -> list[Taken]:
    """Store a session within a transaction; return what became of it, the sessions whose past it shares first.

    ``is_fork`` says whether it was ever forked. Raises UsageError for an id that another session has.
    """
    forks = [line for line in lines() if isinstance(line.event, LocalForked)] if is_fork else []
    return _take_in(connection, session_id, lines, forks, None)


def _take_in(
    connection: sqlite3.Connection, session_id: str, lines: Lines, forks: Sequence[Incoming], until: int | None
) -> list[Taken]:
    head = _head(connection, session_id)
    if head is not None:
        return [_go_on(connection, session_id, lines, head, until)]
    fork = forks[-1] if forks else None
    if fork is None or not isinstance(fork.event, LocalForked):
        first = next(iter(lines()))
        if not isinstance(first.event, LocalSessionCreated):
            raise StoreError("a session begins with its definitions")
        key = create_row(connection, first.event)
        connection.execute("UPDATE sessions SET id = ? WHERE key = ?", (session_id, key))
        return [_added(connection, session_id, key, lines, 0, until, "stored")]
    parent = _parent(connection, fork.event, lines, forks[:-1])
    parents = _take_in(connection, parent, lines, forks[:-1], fork.event.at)
    past = (Record(line.seq, line.event, line.hash) for line in _part(lines, 0, fork.event.at))
    key, _, _ = create_fork(connection, fork.event, past, parent)
    return [*parents, _added(connection, session_id, key, lines, fork.event.at, until, "stored")]


def _parent(connection: sqlite3.Connection, fork: LocalForked, lines: Lines, forks: Sequence[Incoming]) -> str:
    """Return whose past a fork has: its parent's, or that of the parent's own where the fork was made before it parted.

    Of such a parent nothing is among the lines, not even that it was a fork.
    """
    if _head(connection, fork.parent) is not None:
        return fork.parent
    first = forks[-1].event if forks else next(iter(lines())).event
    return first.session_id if isinstance(first, LocalForked | LocalSessionCreated) else fork.parent


def _go_on(
    connection: sqlite3.Connection, session_id: str, lines: Lines, head: tuple[int, int, str], until: int | None
) -> Taken:
    key, seq, head_hash = head
    last = Anchor(0, "")
    for line in _part(lines, 0, until):
        last = Anchor(line.seq, line.hash)
        is_fork = line.seq > seq and isinstance(line.event, LocalForked)
        if is_fork or (line.seq == seq and line.hash != head_hash):
            raise _taken(session_id)
    if last.seq > seq:
        return _added(connection, session_id, key, lines, seq, until, "longer")
    if _hash_at(connection, session_id, last.seq) != last.hash:
        raise _taken(session_id)
    return Taken(session_id, "there", Anchor(seq, head_hash))


def _added(
    connection: sqlite3.Connection, session_id: str, key: int, lines: Lines, after: int, until: int | None, state: State
) -> Taken:
    anchor, left = Anchor(0, ""), iter(_part(lines, after, until))
    while some := list(islice(left, _AT_ONCE)):
        connection.executemany(
            "INSERT INTO events (session, seq, id, type, body, blobs, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(key, line.seq, line.event.id, type_of(line.event), line.body, line.taken, line.hash) for line in some],
        )
        anchor = Anchor(some[-1].seq, some[-1].hash)
        update_row(connection, key, [line.event for line in some], anchor.seq, anchor.hash)
    return Taken(session_id, state, anchor)


def _part(lines: Lines, after: int, until: int | None) -> Iterator[Incoming]:
    for line in lines():
        if until is not None and line.seq > until:
            return
        if line.seq > after:
            yield line


def _head(connection: sqlite3.Connection, session_id: str) -> tuple[int, int, str] | None:
    row = connection.execute("SELECT key, head_seq, head_hash FROM sessions WHERE id = ?", (session_id,)).fetchone()
    return None if row is None else (row[0], row[1], row[2])


def _hash_at(connection: sqlite3.Connection, session_id: str, seq: int) -> str | None:
    condition, values = where(lineage(connection, session_id))
    row = connection.execute(f"SELECT hash FROM events WHERE {condition} AND seq = ?", (*values, seq)).fetchone()
    return None if row is None else str(row[0])


def _taken(session_id: str) -> UsageError:
    return UsageError(
        f"there is another session of the id {session_id}, which has gone another way",
        hint="import it under an id of its own: --as ID",
    )
