"""The schema of the database: one function a step, forward only, each in a transaction of its own.

sqlite-utils keeps the list of what was applied. ``VERSION`` is also written to SQLite's own
``user_version``, so that a reader sees with one cheap question whether the database is current,
older or newer than itself.
"""

import sqlite3

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from agentctl.store.version import VERSION

migrations = Migrations("agentctl")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to VERSION. To be called under the writer's lock."""
    migrations.apply(Database(connection, execute_plugins=False))
    connection.execute(f"PRAGMA user_version = {VERSION}")


@migrations()
def m001_sessions_and_events(db: Database) -> None:
    """Make the two tables: what happened, and an index of sessions that is computed from it."""
    db.conn.execute(
        """
        CREATE TABLE sessions (
            key INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL,
            title TEXT,
            agent TEXT NOT NULL,
            environment TEXT NOT NULL,
            model TEXT NOT NULL,
            sandbox TEXT NOT NULL,
            first_message TEXT,
            status TEXT NOT NULL,
            stop_reason TEXT,
            usage TEXT,
            error TEXT,
            head_seq INTEGER NOT NULL,
            head_hash TEXT NOT NULL
        ) STRICT
        """
    )
    db.conn.execute(
        """
        CREATE TABLE events (
            session INTEGER NOT NULL REFERENCES sessions(key),
            seq INTEGER NOT NULL,
            id TEXT NOT NULL,
            type TEXT NOT NULL,
            body TEXT NOT NULL,
            blobs TEXT NOT NULL,
            hash TEXT NOT NULL
        ) STRICT
        """
    )
    db.conn.execute("CREATE UNIQUE INDEX events_by_place ON events(session, seq)")
    db.conn.execute("CREATE UNIQUE INDEX events_by_id ON events(session, id)")
    for deed in ("UPDATE", "DELETE"):
        db.conn.execute(
            f"CREATE TRIGGER events_no_{deed.lower()} BEFORE {deed} ON events "
            "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        )


@migrations()
def m002_forks(db: Database) -> None:
    """Let a session begin with another's events: those of ``parent`` up to ``parent_seq``."""
    db.conn.execute("ALTER TABLE sessions ADD COLUMN parent INTEGER REFERENCES sessions(key)")
    db.conn.execute("ALTER TABLE sessions ADD COLUMN parent_seq INTEGER")
    db.conn.execute("CREATE INDEX sessions_by_parent ON sessions(parent) WHERE parent IS NOT NULL")


@migrations()
def m003_baselines(db: Database) -> None:
    """Let sessions have names that others are compared with; one that has is not removed."""
    db.conn.execute(
        """
        CREATE TABLE baselines (
            name TEXT PRIMARY KEY,
            session INTEGER NOT NULL REFERENCES sessions(key),
            set_at TEXT NOT NULL
        ) STRICT
        """
    )
    db.conn.execute("CREATE INDEX baselines_by_session ON baselines(session)")


@migrations()
def m004_snapshots(db: Database) -> None:
    """Keep what a session came to after some of its events, so that a reader need not begin at the first."""
    db.conn.execute(
        """
        CREATE TABLE snapshots (
            session INTEGER NOT NULL REFERENCES sessions(key) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            hash TEXT NOT NULL,
            version INTEGER NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (session, seq)
        ) STRICT
        """
    )
