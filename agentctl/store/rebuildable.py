"""A SQLite file of what is computed from the record, and can be thrown away at any time.

Each use is one transaction under a lock file of its own, so nobody who runs a session ever waits for it. A
file that is damaged, or of another version, is removed and begun anew. Where nothing can be written beside the
record, or the disk is full, the same is kept in memory for as long as the process lives.
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from agentctl.errors import StoreError
from agentctl.store.locking import lock_within

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, *_FULL)
_NOT_DAMAGED = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_LOCKED")


class Rebuildable:
    """The file ``path`` with the tables of ``schema``, in ``version``; nothing is opened before it is used.

    ``begun`` counts how often an empty one was made.
    """

    def __init__(self, path: Path, schema: Sequence[str], version: int) -> None:
        self._path = path
        self._lock = path.with_suffix(".lock")
        self._schema = schema
        self._version = version
        self._memory: sqlite3.Connection | None = None
        self.begun = 0

    def use(self, deed: Callable[[sqlite3.Connection], T]) -> T:
        """Do ``deed`` in a transaction of its own, alone; where the file is damaged, once more on an empty one.

        Raises StoreError.
        """
        with _explained(self._path), self._locked() as is_writable:
            if not is_writable or self._memory is not None:
                return self._transact(self._in_memory(), deed)
            try:
                return self._on_disk(deed)
            except (sqlite3.DatabaseError, OSError) as error:
                if _is_full(error):
                    return self._transact(self._in_memory(), deed)
                if isinstance(error, OSError) or getattr(error, "sqlite_errorname", "").startswith(_NOT_DAMAGED):
                    raise
                _remove_all(self._path)
            return self._on_disk(deed)

    def remove(self) -> int:
        """Remove the file; return how many bytes it had. Raises StoreError."""
        with _explained(self._path), self._locked():
            size = self._path.stat().st_size if self._path.exists() else 0
            _remove_all(self._path)
        return size

    def close(self) -> None:
        """Forget what was kept in memory."""
        if self._memory is not None:
            self._memory.close()

    def _on_disk(self, deed: Callable[[sqlite3.Connection], T]) -> T:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        # Opened anew each time: another process may have put an empty one in its place.
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            if _version_of(connection) not in (0, self._version):
                connection.close()
                _remove_all(self._path)
                return self._on_disk(deed)
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA synchronous = NORMAL")
            return self._transact(connection, deed)

    def _in_memory(self) -> sqlite3.Connection:
        if self._memory is None:
            self._memory = sqlite3.connect(":memory:", isolation_level=None)
        return self._memory

    def _transact(self, connection: sqlite3.Connection, deed: Callable[[sqlite3.Connection], T]) -> T:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version_of(connection) == 0:
                for statement in self._schema:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {self._version}")
                self.begun += 1
            result = deed(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the lock; yields False where nothing can be written here."""
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in _NOT_WRITABLE:
                raise
            yield False
            return
        try:
            lock_within(descriptor, _PATIENCE_SECONDS, self._path, self._lock)
            yield True
        finally:
            os.close(descriptor)


def _is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorname", "") == "SQLITE_FULL" or getattr(error, "errno", None) in _FULL


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _remove_all(path: Path) -> None:
    for ending in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "").startswith(_NOT_DAMAGED):
            raise StoreError(f"{path}: {error}", hint="it can be removed: agentctl prune --search") from error
        raise
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror}") from error
