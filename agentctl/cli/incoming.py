"""Sessions that come in: files that were found sound, and how they are stored."""

import os
import stat
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.local import LocalSessionCreated
from agentctl.exchange.container import looks_like_one
from agentctl.exchange.foreign import read_foreign
from agentctl.exchange.origin import Foreign
from agentctl.exchange.reading import Package
from agentctl.paths import Home
from agentctl.redaction import KNOWN
from agentctl.session.redacting import RedactedLog
from agentctl.store.anchors import Anchor, write_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database, reading
from agentctl.store.events import SqliteEventLog, header_events
from agentctl.store.intake import Lines, Taken, take_in
from agentctl.store.keys import find_verify_key
from agentctl.store.leases import Lease
from agentctl.store.migrations import migrate
from agentctl.store.snapshots import keep_all_snapshots

OWN = "agentctl"
"""The format of sessions that were exported here."""


class OwnSession(NamedTuple):
    """An exported session that was read and found sound, and the id that it is to have."""

    name: str
    session_id: str
    package: Package

    @property
    def format(self) -> str:
        """Whose file it is."""
        return OWN

    @property
    def lines(self) -> Lines:
        """Its events, each time that they are asked for."""
        same = self.session_id == self.package.manifest.session_id
        return self.package.lines if same else partial(self.package.renamed, self.session_id)


class ForeignSession(NamedTuple):
    """The transcript of another program that was read and found sound, and the id that its session is to have."""

    name: str
    session_id: str
    foreign: Foreign

    @property
    def format(self) -> str:
        """Whose file it is."""
        return str((self.header.imported or {}).get("format"))

    @property
    def header(self) -> LocalSessionCreated:
        """Its first event."""
        first = self.foreign.events[0]
        if not isinstance(first, LocalSessionCreated):
            raise UsageError(f"{self.name} does not begin as a session does")
        return replace(first, session_id=self.session_id)

    @property
    def events(self) -> list[Event]:
        """All its events."""
        return [self.header, *self.foreign.events[1:]]


def read_session(path: Path, held: ExitStack, session_id: str | None) -> OwnSession | ForeignSession:
    """Read and check a file, ``-`` for standard input; ``held`` keeps it open. Raises UsageError, NotFoundError."""
    name = "standard input" if str(path) == "-" else str(path)
    file = held.enter_context(_opened(path))
    beginning = file.read(512)
    file.seek(0)
    try:
        if looks_like_one(beginning):
            package = Package(file)
            return OwnSession(name, session_id or package.manifest.session_id, package)
        foreign = read_foreign(file, "-" if str(path) == "-" else path.name)
        return ForeignSession(name, session_id or foreign.session_id, foreign)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}; nothing was imported", hint=error.hint) from error
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error


def store_sessions(home: Home, given: Sequence[OwnSession | ForeignSession]) -> list[Taken]:
    """Store sessions; return what became of each, in their order.

    Raises UsageError for an id that another session has, BusyError for one that is being run; exported
    sessions are then stored all or none, transcripts one by one behind them.
    """
    with _held(home, {each.session_id for each in given}):
        return _store(home, given)


def _store(home: Home, given: Sequence[OwnSession | ForeignSession]) -> list[Taken]:
    key = find_verify_key(home)
    own = [each for each in given if isinstance(each, OwnSession)]
    foreign = [each for each in given if isinstance(each, ForeignSession)]
    there = {each.name: _there(home, each) for each in foreign}
    for each in own:
        _keep_contents(Blobs(home.blobs), each.package)
    with closing(Database(home, migrate)) as database:
        # Those without a parent first: what forks share is then stored once.
        taken = database.write(
            lambda connection: {
                each.name: take_in(connection, each.session_id, each.lines, is_fork=each.package.forks > 0)
                for each in sorted(own, key=lambda each: each.package.forks)
            }
        )
        for transcript in foreign:
            taken[transcript.name] = [there[transcript.name] or _append(home, database, transcript)]
        for found in (each for parts in taken.values() for each in parts):
            if found.state != "there":
                keep_all_snapshots(database, Blobs(home.blobs), found.session_id, found.anchor.seq, key)
    for found in (each for parts in taken.values() for each in parts):
        if found.state != "there":
            write_anchor(home, found.session_id, found.anchor, key)
    return [taken[each.name][-1] for each in given]


def _opened(path: Path) -> BinaryIO:
    if str(path) == "-":
        return _spooled()
    try:
        # Without waiting: opening a named pipe would otherwise hang until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise NotFoundError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{path} is not a regular file", hint="a pipe is read with: agentctl import - < PIPE")
    return open(descriptor, "rb")


def _spooled() -> BinaryIO:
    if sys.stdin is None:
        raise UsageError("standard input is closed")
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever asked for it
    while piece := sys.stdin.buffer.read(1 << 20):
        file.write(piece)
    file.seek(0)
    return file


@contextmanager
def _held(home: Home, session_ids: Collection[str]) -> Iterator[None]:
    """Keep others from running these sessions, and from removing contents that nobody names yet. Raises BusyError."""
    with ExitStack() as held:
        known = {name for name in session_ids if (home.leases / name).exists()}
        leases = {name: held.enter_context(Lease(home, name)) for name in sorted(session_ids)}
        try:
            yield
        except BaseException:
            for name in leases.keys() - known:
                leases[name].forget()
            raise


def _keep_contents(blobs: Blobs, package: Package) -> None:
    kept = blobs.put_many(package.open(digest) for digest in package.blobs)
    if [digest for digest, _ in kept] != package.blobs:
        raise StoreError("the file was changed while it was read; nothing was imported")


def _there(home: Home, given: ForeignSession) -> Taken | None:
    """Return what is there of a transcript already. Raises UsageError for another session of that id."""
    try:
        with reading(home) as connection:
            found = header_events(connection, Blobs(home.blobs), given.session_id)
    except NotFoundError:
        return None
    if not found:
        return None
    created = found[0]
    was = created.imported if isinstance(created, LocalSessionCreated) else None
    if was is not None and was.get("sha256") == (given.header.imported or {}).get("sha256"):
        return Taken(given.session_id, "there", Anchor(0, ""))
    raise UsageError(
        f"{given.name}: there is another session of the id {given.session_id}; nothing was imported",
        hint="where the transcript has only grown, import it under an id of its own: --as ID",
    )


def _append(home: Home, database: Database, given: ForeignSession) -> Taken:
    records = RedactedLog(SqliteEventLog(home, database), KNOWN).append(given.session_id, given.events)
    return Taken(given.session_id, "stored", Anchor(records[-1].seq, records[-1].hash))
