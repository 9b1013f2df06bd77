"""What SQLite and the disk say when they fail, in words for people."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from agentctl.errors import FullError, StoreError

HINT = "set AGENTCTL_HOME to a directory that can be written"
DAMAGED = "it was not changed; put back a copy of it, or set AGENTCTL_HOME to a new directory"
_NO_ROOM = "free space on this disk; what was recorded before is safe"


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say of the database ``path`` what went wrong with it, where SQLite or the disk fails. Raises StoreError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise failure(path, error) from error
    except UnicodeDecodeError as error:  # raised by sqlite3 for its own messages, where the schema is damaged
        raise StoreError(f"{path} is damaged: {error.reason}", hint=DAMAGED) from error
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror}", hint=HINT) from error


def is_of_disk(error: sqlite3.OperationalError) -> bool:
    """Say whether it was the disk that failed, and not what was asked for."""
    name = getattr(error, "sqlite_errorname", "")
    return name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR")


def failure(path: Path, error: sqlite3.DatabaseError) -> StoreError:
    """Say what SQLite says of the database ``path``, and what to do about it."""
    is_full = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR_SHM"))
    return (FullError if is_full else StoreError)(f"{path}: {error}", hint=_NO_ROOM if is_full else _hint_for(error))


def _hint_for(error: sqlite3.DatabaseError) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_IOERR"):
        return "the disk failed or a limit was met (see: dmesg, ulimit -a); what was recorded before is safe"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or name == "SQLITE_ERROR":  # a table is gone
        return DAMAGED
    return HINT
