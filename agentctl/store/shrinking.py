"""Space that removed sessions have left in the database, given back to the file system.

A little at a time, each in a transaction of its own, so that nobody who writes meanwhile waits for long. A
database that an older version has made cannot do that: it is written anew once, while nobody else writes.
"""

import sqlite3
import time
from dataclasses import dataclass

from agentctl.store.database import Database

LEAST_BYTES = 1 << 20
"""Less than this is not given back: the next sessions use it."""

_STEP_PAGES = 1024
_INCREMENTAL = 2
_MOST_AT_ONCE = 1 << 30


@dataclass(frozen=True, slots=True)
class GivenBack:
    """How many bytes were given back, and in how many seconds; ``left`` are those that could not be."""

    bytes: int
    seconds: float
    left: int = 0


def give_back(database: Database) -> GivenBack:
    """Give back the space that is free, where that is much. Raises StoreError."""
    began = time.monotonic()
    with database.reading() as connection:
        free, size, mode = _free(connection), _size(connection), _pragma(connection, "auto_vacuum")
    if free < LEAST_BYTES:
        return GivenBack(0, 0.0)
    if mode == _INCREMENTAL:
        while database.write(_step):
            pass
    elif size <= _MOST_AT_ONCE:
        database.rewrite()
    with database.reading() as connection:
        left = _free(connection)
    database.truncate_log()
    return GivenBack(free - left, time.monotonic() - began, left)


def _step(connection: sqlite3.Connection) -> bool:
    """Give back some pages; return whether there are more."""
    connection.execute(f"PRAGMA incremental_vacuum({_STEP_PAGES})").fetchall()
    return _pragma(connection, "freelist_count") > 0


def _free(connection: sqlite3.Connection) -> int:
    return _pragma(connection, "freelist_count") * _pragma(connection, "page_size")


def _size(connection: sqlite3.Connection) -> int:
    return _pragma(connection, "page_count") * _pragma(connection, "page_size")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
