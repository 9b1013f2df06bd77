"""The row of a session in the index, computed once more from its events."""

import sqlite3

from agentctl.events.base import Event
from agentctl.events.local import LocalForked, LocalSessionCreated
from agentctl.session.log import Record
from agentctl.store.lineage import has_forks
from agentctl.store.rows import INDEXED
from agentctl.store.sessions import create_row, update_row

END, PARENT = "end", "parent"
"""What a row says beside its columns that are ``INDEXED``: where the record ends, and whose past it has."""

_COLUMNS = {
    END: "head_seq = ?2, head_hash = ?3",
    PARENT: "parent = (SELECT key FROM sessions WHERE id = ?2), parent_seq = ?3",
}


class IndexCheck:
    """What a row ought to say, and whether it does. Events are taken one by one, and kept many at a time."""

    def __init__(self, connection: sqlite3.Connection, session_id: str) -> None:
        self._connection, self._session_id = connection, session_id
        (schema,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'sessions'").fetchone()
        self._own = sqlite3.connect(":memory:")
        self._own.execute(schema)
        self._key: int | None = None
        self._forked_at: str | None = None
        self._events: list[Event] = []
        self._owner: tuple[int, str] | None = None
        self._parent: tuple[str | None, int | None] = (None, None)
        self._recorder: str | None = None
        self._end: tuple[int, str] = (0, "")

    def add(self, record: Record) -> None:
        """Take one more event."""
        event = record.event
        match event:
            case LocalSessionCreated():
                self._key = self._key or create_row(self._own, event)
                self._owner = record.seq, event.session_id
            case LocalForked():
                self._recorder = self._owner[1] if self._owner else event.parent
                self._owner, self._parent = (record.seq, event.session_id), (event.parent, event.at)
                if event.session_id == self._session_id:
                    self._forked_at = event.processed_at
            case _:
                pass
        self._end = record.seq, record.hash
        self._events.append(event)

    def keep(self) -> None:
        """Bring the computed row up to date with what was taken."""
        events, self._events = self._events, []
        if self._key is not None:
            update_row(self._own, self._key, events, 0, "")

    def strangers(self) -> list[tuple[int, str]]:
        """Say which event says that the record is another session's."""
        if self._owner is None or self._owner[1] == self._session_id:
            return []
        return [(self._owner[0], f"the record is that of {self._owner[1]}, and stands under another id")]

    def differences(self) -> dict[str, object]:
        """Return what the row ought to say where it says otherwise: columns, ``END`` and ``PARENT``."""
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
        pairs[END] = (self._said("head_seq, head_hash"), self._end)
        if has_forks(self._connection):
            parent = "(SELECT id FROM sessions AS parents WHERE parents.key = sessions.parent)"
            said_parent = self._said(f"{parent}, parent_seq")
            # A parent that was forked further on has that past from who recorded it, and may itself be elsewhere.
            is_recorder = said_parent == (self._recorder, self._parent[1])
            pairs[PARENT] = (said_parent, said_parent if is_recorder else self._parent)
        return {name: meant for name, (said, meant) in pairs.items() if said != meant}

    def _said(self, columns: str) -> object:
        row = self._connection.execute(f"SELECT {columns} FROM sessions WHERE id = ?", (self._session_id,))
        return row.fetchone()


def put_right(connection: sqlite3.Connection, session_id: str, meant: dict[str, object]) -> None:
    """Let the row of a session say what ``IndexCheck.differences`` has found that it ought to."""
    for name, value in meant.items():
        values = value if isinstance(value, tuple) else (value,)
        connection.execute(
            f"UPDATE sessions SET {_COLUMNS.get(name, f'{name} = ?2')} WHERE id = ?1", (session_id, *values)
        )
