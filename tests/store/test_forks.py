"""A fork has its parent's past, to the byte, and a future of its own."""

import sqlite3
from dataclasses import replace

import pytest

from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.local import LocalForked
from agentctl.events.session import SessionStatusIdle
from agentctl.events.user import UserMessage
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database, reading
from agentctl.store.events import SqliteEventLog, find_event, has_type, last_event, read_events
from agentctl.store.migrations import migrate, migrations
from agentctl.store.rows import list_sessions
from agentctl.store.sessions import find_session, list_forks, sessions_by_image
from tests.store.words import created, make, message


def fork_of(parent: str, record: Record, session_id: str, **changes: object) -> LocalForked:
    return make(
        LocalForked,
        session_id=session_id,
        agentctl_version="0",
        parent=parent,
        at=record.seq,
        at_hash=record.hash,
        **changes,
    )


def parent_of(log: SqliteEventLog, words: int = 5) -> list[Record]:
    begun = created("parent", "first", title="the parent")
    return [*log.append("parent", [begun, *(message(f"word {number}") for number in range(words))])]


def texts(records: list[Record]) -> list[str]:
    return [event.content[0]["text"] for record in records if isinstance(event := record.event, UserMessage)]


def test_a_fork_reads_its_parents_past_and_then_its_own(log: SqliteEventLog) -> None:
    past = parent_of(log)
    log.append("child", [fork_of("parent", past[2], "child"), message("other words")])
    log.append("parent", [message("later")])

    records = [*log.read("child")]

    assert [record.seq for record in records] == [1, 2, 3, 4, 5]
    assert records[:3] == past[:3]
    assert texts(records) == ["word 0", "word 1", "other words"]
    assert texts([*log.read("parent")])[-1] == "later"


def test_the_past_is_shared_and_not_copied(log: SqliteEventLog, home: Home) -> None:
    past = parent_of(log, 300)
    log.append("child", [fork_of("parent", past[-1], "child")])

    with reading(home) as connection:
        rows = connection.execute("SELECT count(*) FROM events").fetchone()[0]

    assert rows == len(past) + 1
    assert len([*log.read("child")]) == len(past) + 1


def test_reading_may_begin_on_either_side_of_the_fork(log: SqliteEventLog) -> None:
    past = parent_of(log)
    own = log.append("child", [fork_of("parent", past[2], "child"), message("a"), message("b")])

    assert [*log.read("child", after=1)] == [*past[1:3], *own]
    assert [*log.read("child", after=3)] == [*own]
    assert [*log.read("child", after=5)] == [own[2]]


def test_a_fork_of_a_fork_has_the_past_of_both(log: SqliteEventLog) -> None:
    past = parent_of(log)
    child = log.append("child", [fork_of("parent", past[2], "child"), message("a"), message("b")])
    log.append("grandchild", [fork_of("child", child[1], "grandchild"), message("c")])

    assert texts([*log.read("grandchild")]) == ["word 0", "word 1", "a", "c"]


def test_a_fork_of_a_fork_may_begin_in_the_past_of_its_grandparent(log: SqliteEventLog) -> None:
    past = parent_of(log)
    log.append("child", [fork_of("parent", past[4], "child"), message("a")])
    log.append("grandchild", [fork_of("child", past[1], "grandchild"), message("c")])

    assert texts([*log.read("grandchild")]) == ["word 0", "c"]


def test_events_are_found_on_both_sides_of_the_fork_and_nowhere_else(log: SqliteEventLog, home: Home) -> None:
    past = parent_of(log)
    idle = make(SessionStatusIdle, stop_reason={"type": "end_turn"})
    later = log.append("parent", [idle])
    own = log.append("child", [fork_of("parent", past[2], "child"), message("own")])

    with reading(home) as connection:
        blobs = Blobs(home.blobs)
        assert find_event(connection, "child", past[1].event.id) == 2
        assert find_event(connection, "child", own[1].event.id) == 5
        for name in (later[0].event.id, "", "\udcff", "9" * 30, "-1"):
            with pytest.raises(NotFoundError):
                find_event(connection, "child", name)
        assert not has_type(connection, "child", "session.*")
        assert last_event(connection, blobs, "child", "user.message") == own[1]


def test_the_row_of_a_fork_says_what_it_is(log: SqliteEventLog, home: Home) -> None:
    past = parent_of(log)
    log.append("parent", [make(SessionStatusIdle, stop_reason={"type": "end_turn"})])
    log.append("child", [fork_of("parent", past[2], "child", model="other", agent={"name": "second"})])

    with reading(home) as connection:
        row = find_session(connection, "child")

    assert (row.agent, row.environment, row.model, row.sandbox) == ("second", "e", "other", "none")
    assert (row.title, row.first_message, row.status, row.stop_reason) == ("the parent", "word 0", "idle", None)
    assert row.events == 4


@pytest.mark.parametrize("wrong", ["hash", "number", "parent"])
def test_a_fork_of_what_is_not_there_is_refused_and_leaves_nothing(log: SqliteEventLog, home: Home, wrong: str) -> None:
    past = parent_of(log)
    record = {
        "hash": Record(3, past[2].event, past[1].hash),
        "number": Record(99, past[2].event, past[2].hash),
        "parent": past[2],
    }[wrong]

    with pytest.raises((StoreError, NotFoundError)):
        log.append("child", [fork_of("nobody" if wrong == "parent" else "parent", record, "child")])

    with reading(home) as connection, pytest.raises(NotFoundError):
        find_session(connection, "child")


def test_an_id_that_is_taken_is_no_fork(log: SqliteEventLog) -> None:
    past = parent_of(log)

    with pytest.raises(UsageError):
        log.append("parent", [fork_of("parent", past[2], "parent")])


def test_a_change_to_the_parents_past_shows_in_the_fork(log: SqliteEventLog, home: Home) -> None:
    past = parent_of(log)
    log.append("child", [fork_of("parent", past[2], "child"), message("own")])
    with sqlite3.connect(home.database) as connection:
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute("UPDATE events SET body = replace(body, 'word 1', 'word X') WHERE seq = 3")

    with pytest.raises(StoreError, match="#3 of child is damaged"):
        list(log.read("child"))


def test_a_store_from_before_there_were_forks_is_read_as_it_is_and_brought_up_to_date(home: Home) -> None:
    home.root.mkdir(exist_ok=True)
    connection = sqlite3.connect(home.database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    migrations.apply(_sqlite_utils(connection), stop_before="m002_forks")
    connection.execute("PRAGMA user_version = 1")
    connection.execute(
        "INSERT INTO sessions "
        "VALUES (1, 'old', '', '', NULL, 'a', 'e', 'm', 'none', NULL, 'idle', NULL, NULL, NULL, 0, '')"
    )
    connection.close()

    with reading(home) as reader:
        assert find_session(reader, "old").id == "old"
        assert [*read_events(reader, Blobs(home.blobs), "old")] == []
    database = Database(home, migrate)
    assert SqliteEventLog(home, database).append("old", [_any_event()])[0].seq == 1
    database.close()


def _any_event() -> Event:
    return message("after the update")


def _sqlite_utils(connection: sqlite3.Connection):  # type: ignore[no-untyped-def]
    from sqlite_utils import Database as UtilsDatabase

    return UtilsDatabase(connection, execute_plugins=False)


def test_half_a_character_does_not_keep_sessions_from_being_listed(log: SqliteEventLog, home: Home) -> None:
    half = "half \ud83d"
    header = replace(created("parent"), title=half, model=half, agent={"name": half}, environment={"name": half})
    past = log.append("parent", [replace(header, sandbox={"kind": "docker", "image_digest": half}), message(half)])
    log.append("child", [fork_of("parent", past[1], "child", title=half, agent={"name": half}), message(half)])
    with reading(home) as connection:
        parent, child = sorted(list_sessions(connection).rows, key=lambda row: row.id, reverse=True)
        assert {parent.title, parent.model, parent.agent, parent.environment, parent.first_message} == {"half ?"}
        assert (child.title, child.agent) == ("half ?", "half ?")
        assert str(list_forks(connection)["child"].first_message).startswith("half ")
        assert all(image.startswith("half ") for image in sessions_by_image(connection))
        assert [record.event for record in read_events(connection, Blobs(home.blobs), "parent")][1] == past[1].event
