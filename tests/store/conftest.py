"""A database of the test's own, and its log."""

from collections.abc import Iterator

import pytest

from agentctl.paths import Home
from agentctl.store.database import Database
from agentctl.store.events import SqliteEventLog
from agentctl.store.migrations import migrate


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    opened = Database(home, migrate)
    yield opened
    opened.close()


@pytest.fixture
def log(home: Home, database: Database) -> SqliteEventLog:
    return SqliteEventLog(home, database)
