"""What is reckoned from the record and kept beside it: the words of events, and sums over sessions."""

from agentctl.paths import Home
from agentctl.store.rebuildable import Rebuildable

_VERSION = 1
"""To be counted up whenever other words are indexed or other sums are made of the same events."""

_SCHEMA = (
    """
    CREATE TABLE known (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        key INTEGER NOT NULL,
        agent TEXT NOT NULL,
        until INTEGER NOT NULL,
        hash TEXT NOT NULL,
        unreadable INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE places (
        number INTEGER PRIMARY KEY,
        session INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        at TEXT
    ) STRICT
    """,
    "CREATE INDEX places_by_session ON places(session, seq)",
    "CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'unicode61 remove_diacritics 2')",
    "CREATE TABLE tallies (id TEXT PRIMARY KEY, basis TEXT NOT NULL, body TEXT NOT NULL) STRICT",
)


def reckoned(home: Home) -> Rebuildable:
    """Return the file that these are kept in."""
    return Rebuildable(home.search, _SCHEMA, _VERSION)
