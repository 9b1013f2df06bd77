"""The SQLite file: opened safely, written by one process at a time, read by any number.

All writing, checkpoints included, happens between ``flock`` and commit in one function, because
SQLite before 3.51.3 can corrupt a database when two connections checkpoint at once
(sqlite.org/wal.html, "The WAL-Reset Bug"); and because a process that waits for its turn outside
SQLite never sees "database is locked". Readers open the file read-only, so they never checkpoint.

``synchronous=FULL``: a commit that was answered survives a power cut. A lost intent would run a
tool twice.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from agentctl.errors import NotFoundError, StoreError
from agentctl.paths import Home
from agentctl.store.explaining import DAMAGED, HINT, explained, failure, is_of_disk
from agentctl.store.locking import lock_within
from agentctl.store.logroom import LogRoom
from agentctl.store.version import VERSION

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0
_READ_TEXT = partial(str, encoding="utf-8", errors="backslashreplace")
"""So that one text that is damaged keeps nobody from reading the others; its hash shows that it is not as written."""


class Database:
    """A connection that writes; one for each process that runs a session.

    One that is not ``synced`` waits for the disk only where a write is to be ``sure``. A power cut may take what was
    written since, from the last of it on; a process that is killed loses nothing.

    After a failure of the disk it is given up for good: what the kernel did with the pages that it
    could not write is not known, and asking it again would only make it say that all is well.
    """

    def __init__(
        self,
        home: Home,
        migrate: Callable[[sqlite3.Connection], None],
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
        synced: bool = True,
    ) -> None:
        """Open the database of ``home``, making and migrating it where needed. Raises StoreError.

        ``patience_seconds`` is how long others may keep it locked.
        """
        self._path, self._lock_path = home.database, home.root / "lock"
        self._room = LogRoom(home.database)
        self._patience_seconds = patience_seconds
        self._synced, self._waits = synced, True
        self._is_given_up = False
        with explained(self._path):
            _make_private_folder(home.root)
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                with self._locked():
                    self._connection = self._open(migrate)
                self._inode = self._path.stat().st_ino
            except BaseException:
                os.close(self._lock)
                raise

    def write(self, deed: Callable[[sqlite3.Connection], T], *, sure: bool = False) -> T:
        """Do ``deed`` in one durable transaction, alone. Raises StoreError, and then nothing was written.

        ``sure`` says that it has to be durable, with all before it, also where the connection is not synced.
        """
        if self._is_given_up:
            raise StoreError(f"{self._path} could not be written before; nothing more is written", hint=HINT)
        with explained(self._path), self._locked():
            self._refuse_replaced_file()
            try:
                self._wait_for_disk(self._synced or sure)
                return self._transact(deed)
            except sqlite3.OperationalError as error:
                if is_of_disk(error):
                    self._give_up()
                raise

    def rewrite(self) -> None:
        """Write the whole file anew, without what is free in it; everybody else waits. Raises StoreError."""
        with explained(self._path), self._locked():
            self._refuse_replaced_file()
            self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._connection.execute("VACUUM")

    def truncate_log(self) -> None:
        """Bring all that was written into the file, and empty the log of writes, unless somebody reads from it.

        Raises StoreError.
        """
        with explained(self._path), self._locked():
            self._connection.execute("PRAGMA busy_timeout = 100")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read what is committed, by anybody. Raises StoreError."""
        with explained(self._path):
            yield self._connection

    def close(self) -> None:
        """Close the connection, which checkpoints, under the lock; may be called twice."""
        if self._lock < 0:
            return
        try:
            if not self._is_given_up:
                with explained(self._path), self._locked():
                    self._connection.close()
        finally:
            os.close(self._lock)
            self._lock = -1

    def _transact(self, deed: Callable[[sqlite3.Connection], T]) -> T:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = deed(self._connection)
            self._room.make()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return result

    def _wait_for_disk(self, waits: bool) -> None:
        if waits is not self._waits:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if waits else 'NORMAL'}")
            self._waits = waits

    def _give_up(self) -> None:
        self._is_given_up = True
        _close_without_writing(self._connection, self._path)

    def _open(self, migrate: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
        _refuse_emptied(self._path)
        _make_private_file(self._path)
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            found = check_version(connection, self._path)
            if found == 0:
                # So that space can be given back a little at a time; a VACUUM would keep all writers waiting.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            if found < VERSION:
                connection.execute("PRAGMA journal_mode = WAL")
                migrate(connection)
        except BaseException:
            _close_without_writing(connection, self._path)
            raise
        return connection

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # A holder keeps it for under 1 ms, but for the removal of sessions.
        lock_within(self._lock, self._patience_seconds, self._path, self._lock_path)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _refuse_replaced_file(self) -> None:
        # SQLite goes on writing into a file that was deleted or replaced, and says nothing.
        try:
            same = self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise StoreError(f"{self._path} was deleted or replaced while in use; nothing more is written")


@contextlib.contextmanager
def reading(home: Home) -> Iterator[sqlite3.Connection]:
    """Open the database for reading only. Raises NotFoundError where there is none, StoreError otherwise."""
    with explained(home.database):
        connection = _open_to_read(home.database)
    with contextlib.closing(connection):
        try:
            yield connection
        except sqlite3.DatabaseError as error:  # nothing wider: other failures are those of the caller
            raise failure(home.database, error) from error


def _open_to_read(path: Path) -> sqlite3.Connection:
    if not path.exists():
        if path.parent.exists() and not path.parent.is_dir():
            raise StoreError(f"{path.parent} is no directory", hint=HINT)
        raise no_sessions()
    _refuse_emptied(path)
    try:
        return _connected_to_read(path, "mode=ro")
    except sqlite3.OperationalError as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_READONLY_ROLLBACK":
            # Only the making of a database, before it has a WAL, can leave a journal to be rolled back.
            raise no_sessions() from None
        is_closed = name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) and not os.access(path.parent, os.W_OK)
        if not is_closed and not name.startswith("SQLITE_IOERR_SHM"):  # the latter: the disk is full
            raise
    # Readers of a WAL share a file beside it, which cannot be made here, and nobody who writes here has made it.
    _refuse_unfinished(path)
    return _connected_to_read(path, "immutable=1")


def _connected_to_read(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, isolation_level=None)
    try:
        connection.text_factory = _READ_TEXT
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA busy_timeout = 5000")
        if check_version(connection, path) == 0:
            raise no_sessions()
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_unfinished(path: Path) -> None:
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size:
        raise StoreError(
            f"what was written last is still in {wal}, which cannot be read where nothing can be written",
            hint="copy the whole folder to where it can be written, and set AGENTCTL_HOME to the copy",
        )


def no_sessions() -> NotFoundError:
    """Say that the store is empty, and how to fill it."""
    return NotFoundError("there are no sessions yet", hint="start one with: agentctl run AGENT MESSAGE")


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema's version, 0 for an empty database. Raises StoreError for one from the future."""
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise StoreError(
            f"{path} was written by a newer agentctl (schema {found}, this one knows {VERSION})",
            hint="upgrade agentctl; the database was not touched",
        )
    if found:
        connection.execute("SELECT 1 FROM sessions, events LIMIT 0")  # reads the schema, which may be damaged
    return found


def _refuse_emptied(path: Path) -> None:
    # A database that was only begun is empty too; but then no session has ever come to rest.
    anchors = Home(path.parent).anchors
    if path.exists() and path.stat().st_size == 0 and anchors.is_dir() and any(anchors.iterdir()):
        raise StoreError(f"{path} is empty, but sessions were recorded in it", hint=DAMAGED)


def _make_private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise StoreError(f"{folder} is no directory", hint=HINT) from None
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise StoreError(f"{folder} belongs to somebody else", hint=HINT)
    if status.st_mode & 0o077:
        folder.chmod(0o700)


def _make_private_file(path: Path) -> None:
    """Make the file where there is none; one that is there is opened by SQLite alone. Raises OSError.

    Whoever closes a file gives up every lock that its process has on it, also those of its other connections (fcntl(2);
    sqlite.org/howtocorrupt.html, 2.2). The next process to end would take the log of writes away from under them.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        refusal = errno.ELOOP if path.is_symlink() else 0 if os.access(path, os.R_OK | os.W_OK) else errno.EACCES
        if refusal:
            raise OSError(refusal, os.strerror(refusal), str(path)) from None


def _close_without_writing(connection: sqlite3.Connection, path: Path) -> None:
    """Close a connection so that it is not the last one, which would checkpoint."""
    with contextlib.closing(connection), contextlib.suppress(sqlite3.Error):
        bystander = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        with contextlib.closing(bystander):
            bystander.execute("SELECT 1 FROM sqlite_schema").fetchone()
            connection.close()
