"""Which blobs the record names, who names them, and as what.

Rather too many than too few: in the events that are not talk, whatever looks like a blob's name is taken for
one, also in types and members that this version does not know.
"""

import json
import re
import sqlite3
from collections.abc import Collection, Iterator
from typing import NamedTuple

from agentctl.errors import StoreError
from agentctl.paths import Home
from agentctl.session.words import SILENT
from agentctl.store.blobs import Blobs

_PAGE_ROWS = 1024
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_KINDS = {"local.files_uploaded": "uploads", "local.files_changed": "changes", "local.outputs": "outputs"}
_NAMING = ("local.checkpoint", "local.sandbox_started")
"""Types of events that say nothing in words and name blobs."""

_TALK = (
    *(kind for kind in SILENT if kind not in _NAMING),
    "agent.custom_tool_use",
    "agent.message",
    "agent.tool_result",
    "agent.tool_use",
    "local.compaction_response",
    "local.model_response",
    "session.error",
    "session.status_idle",
    "system.message",
    "user.custom_tool_result",
    "user.message",
    "user.tool_confirmation",
)
"""Types of events that name a blob only where a long string was taken out of them."""


class Named(NamedTuple):
    """That a session (by its row) names a blob: as ``uploads``, ``changes``, ``outputs``, ``texts`` or ``others``."""

    session: int
    kind: str
    digest: str


def named_blobs(home: Home, connection: sqlite3.Connection, sessions: Collection[int] | None = None) -> Iterator[Named]:
    """Yield the blobs that all sessions name, or some, each at least once.

    Raises StoreError where the record cannot be read: then nobody knows what is named.
    """
    lists = _Lists(Blobs(home.blobs))
    for key, kind, body, taken in _rows(connection, sessions):
        if taken:
            yield from (Named(key, "texts", digest) for digest in _DIGEST.findall(taken))
        if kind in _TALK:
            continue
        for digest in dict.fromkeys(_DIGEST.findall(body)):
            yield Named(key, _KINDS.get(kind, "others"), digest)
        if kind == "local.files_uploaded":
            yield from (Named(key, "uploads", digest) for digest in lists.read(body))


class _Lists:
    """The lists of files that sessions began with, each read once: many begin with the same."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._known: dict[str, list[str]] = {}

    def read(self, body: str) -> list[str]:
        """Return what the list names that an event names; nothing where it is gone."""
        name = _manifest(body)
        if name not in self._known:
            try:
                text = b"".join(self._blobs.open(name)).decode("utf-8", "replace")
            except StoreError:
                text = ""
            self._known[name] = list(dict.fromkeys(_DIGEST.findall(text)))
        return self._known[name]


def _manifest(body: str) -> str:
    try:
        return str(json.loads(body).get("manifest"))
    except (ValueError, AttributeError):
        return ""


def _rows(connection: sqlite3.Connection, sessions: Collection[int] | None) -> Iterator[tuple[int, str, str, str]]:
    """Yield the rows that may name a blob."""
    if sessions is None:
        yield from _paged(connection, "rowid > ?", "rowid", ())
        return
    for key in sessions:
        yield from _paged(connection, "seq > ? AND session = ?", "seq", (key,))


def _paged(
    connection: sqlite3.Connection, condition: str, order: str, values: tuple[int, ...]
) -> Iterator[tuple[int, str, str, str]]:
    """Read in pieces, so that a long look keeps no writer from checkpointing."""
    talk = ", ".join("?" for _ in _TALK)
    last = 0
    while True:
        rows = connection.execute(
            f"SELECT {order}, session, type, CASE WHEN type IN ({talk}) THEN '' ELSE body END, blobs FROM events "
            f"WHERE {condition} AND (blobs != '' OR type NOT IN ({talk})) ORDER BY {order} LIMIT {_PAGE_ROWS}",
            (*_TALK, last, *values, *_TALK),
        ).fetchall()
        if not rows:
            return
        yield from (row[1:] for row in rows)
        last = rows[-1][0]
