"""The rows of the index of sessions as they are read: one that is damaged keeps no other from being listed."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentctl.canonical import JsonObject
from agentctl.errors import StoreError

INDEXED = (
    "created_at",
    "updated_at",
    "title",
    "agent",
    "environment",
    "model",
    "sandbox",
    "first_message",
    "status",
    "stop_reason",
    "usage",
    "error",
)
"""The columns of the index that are computed from events."""

COLUMNS = f"id, {', '.join(INDEXED)}, head_seq"
"""What ``row_of`` takes, in SQL."""

_DECODED = ("stop_reason", "usage", "error")


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session at a glance. Times are RFC 3339; ``usage`` is the last ``session.usage`` event."""

    id: str
    created_at: str
    updated_at: str
    title: str | None
    agent: str
    environment: str
    model: str
    sandbox: str
    first_message: str | None
    status: str
    stop_reason: JsonObject | None
    usage: JsonObject | None
    error: JsonObject | None
    events: int


class DamagedRowError(StoreError):
    """The row of session ``session_id`` cannot be read; ``how`` says what is wrong with it."""

    def __init__(self, session_id: str, how: object) -> None:
        super().__init__(
            f"the row of session {session_id} in the index is damaged: {how}",
            hint=f"made anew from its events: agentctl verify --mend {session_id}",
        )
        self.session_id, self.how = session_id, str(how)


@dataclass(frozen=True, slots=True)
class Listed:
    """Sessions, the newest first, and why others that should stand among them cannot be read."""

    rows: list[SessionRow] = field(default_factory=list)
    damaged: list[DamagedRowError] = field(default_factory=list)


def list_sessions(connection: sqlite3.Connection, *, limit: int | None = None) -> Listed:
    """Return the sessions; ``limit`` counts those that cannot be read too."""
    listed = Listed()
    for values in connection.execute(
        f"SELECT {COLUMNS} FROM sessions ORDER BY key DESC LIMIT ?", (-1 if limit is None else limit,)
    ):
        try:
            listed.rows.append(row_of(values))
        except DamagedRowError as error:
            listed.damaged.append(error)
    return listed


def row_of(values: Sequence[Any]) -> SessionRow:
    """Read a row. Raises DamagedRowError."""
    row = SessionRow(*values)
    decoded: dict[str, Any] = {name: _decoded(row.id, getattr(row, name)) for name in _DECODED}
    return replace(row, **decoded)


def _decoded(session_id: str, text: str | None) -> JsonObject | None:
    try:
        value = json.loads(text or "null")
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedRowError(session_id, error) from error
    if value is not None and not isinstance(value, dict):
        raise DamagedRowError(session_id, "it holds what is no object")
    return value
