"""What is computed from a record, made once more where it says otherwise: the row of the index, and snapshots."""

import sqlite3
from contextlib import closing

from agentctl.errors import StoreError
from agentctl.paths import Home
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database
from agentctl.store.events import hash_at
from agentctl.store.indexcheck import put_right
from agentctl.store.integrity import Integrity
from agentctl.store.keys import VerifyKey
from agentctl.store.leases import Lease
from agentctl.store.lineage import lineage
from agentctl.store.snapshots import forget_snapshots, keep_all_snapshots


def mend(home: Home, session_id: str, found: Integrity, key: VerifyKey | None) -> None:
    """Make index and snapshots of a session say what its events say, as ``found`` has them.

    Raises StoreError where its events are not as they were written, BusyError where it is being run.
    """
    if not found.can_be_mended:
        raise StoreError(
            f"session {session_id} is not intact, and nothing was made anew from it", hint="agentctl verify says why"
        )
    with Lease(home, session_id), closing(Database(home, _refuse_older)) as database:
        database.write(lambda connection: _mend(connection, session_id, found))
        keep_all_snapshots(database, Blobs(home.blobs), session_id, found.events, key)


def _mend(connection: sqlite3.Connection, session_id: str, found: Integrity) -> None:
    stretches = lineage(connection, session_id)
    if hash_at(connection, stretches, found.events) != found.head or hash_at(connection, stretches, found.events + 1):
        raise StoreError(f"session {session_id} has gone on meanwhile", hint="run the command again")
    put_right(connection, session_id, found.index)
    forget_snapshots(connection, session_id)


def _refuse_older(_connection: sqlite3.Connection) -> None:
    raise StoreError(
        "the database is of an older agentctl",
        hint="whatever writes to it brings it up to date, for example: agentctl baseline set NAME SESSION",
    )
