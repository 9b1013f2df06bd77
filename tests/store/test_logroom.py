"""Room that is made ahead in the log of writes: commits find it, and nobody who reads the log is misled by it."""

import resource
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agentctl.paths import Home
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database, reading
from agentctl.store.events import SqliteEventLog, read_events
from agentctl.store.migrations import migrate
from tests.store.words import created, message

MIB = 1 << 20


@pytest.fixture
def size(home: Home) -> Callable[[], int]:
    """The size of the log of writes."""
    return lambda: home.database.with_name("agentctl.db-wal").stat().st_size


def begun(log: SqliteEventLog, commits: int) -> None:
    log.append("sesn_1", [created("sesn_1")])
    for number in range(2, commits + 1):
        log.append("sesn_1", [message(f"number {number}")])


def texts(home: Home) -> list[str]:
    with reading(home) as connection:
        records = read_events(connection, Blobs(home.blobs), "sesn_1", after=1)
        return [record.event.content[0]["text"] for record in records]  # type: ignore[attr-defined]


def test_who_commits_often_finds_room_and_who_commits_once_makes_none(
    home: Home, log: SqliteEventLog, size: Callable[[], int]
) -> None:
    begun(log, 3)
    assert size() < MIB
    for number in range(4, 10):
        log.append("sesn_1", [message(f"number {number}")])
    made = size()
    assert made >= MIB
    for number in range(10, 40):
        log.append("sesn_1", [message(f"number {number}")])
    assert size() == made
    assert texts(home) == [f"number {number}" for number in range(2, 40)]


def test_room_that_is_used_up_is_made_again_until_the_log_begins_anew(
    log: SqliteEventLog, size: Callable[[], int]
) -> None:
    begun(log, 10)
    for _ in range(8):
        log.append("sesn_1", [message(f"{number} {'x' * 15_000}") for number in range(50)])
    assert 2 * MIB < size() < 8 * MIB


def test_two_who_commit_in_turns_make_the_room_once(home: Home, log: SqliteEventLog, size: Callable[[], int]) -> None:
    begun(log, 2)
    with closing(Database(home, migrate)) as another:
        other = SqliteEventLog(home, another)
        for number in range(24):
            (log, other)[number % 2].append("sesn_1", [message(f"number {number}")])
    assert MIB <= size() < 2 * MIB


def test_a_log_with_room_in_it_is_recovered_and_gone_on_with(home: Home, log: SqliteEventLog, tmp_path: Path) -> None:
    """What a kill leaves: the two files, and nothing that says how far the log goes."""
    begun(log, 20)
    other = Home(tmp_path / "other")
    other.root.mkdir()
    for ending in ("", "-wal"):
        shutil.copy(f"{home.database}{ending}", f"{other.database}{ending}")
    assert texts(other) == [f"number {number}" for number in range(2, 21)]
    with closing(Database(other, migrate)) as database:
        again = SqliteEventLog(other, database)
        for number in range(21, 30):
            again.append("sesn_1", [message(f"number {number}")])
    assert not other.database.with_name("agentctl.db-wal").exists()
    assert texts(other) == [f"number {number}" for number in range(2, 30)]


def test_where_no_room_can_be_made_commits_go_on(home: Home, log: SqliteEventLog, size: Callable[[], int]) -> None:
    begun(log, 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size() + (200 << 10), hard))
    try:
        for number in range(4, 12):
            log.append("sesn_1", [message(f"number {number}")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert size() < MIB
    assert texts(home) == [f"number {number}" for number in range(2, 12)]
