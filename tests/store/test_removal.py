"""Sessions go whole or not at all, with what only they had a use for, and nothing else ever deletes an event."""

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from agentctl.errors import BusyError, NotFoundError, StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import LocalFilesChanged, LocalFilesUploaded, LocalForked, LocalOutputs
from agentctl.events.make import Maker
from agentctl.events.user import UserMessage
from agentctl.paths import Home
from agentctl.session.files import File, manifest_of
from agentctl.store.ageing import Rules, aged_sessions, choose
from agentctl.store.anchors import read_anchor
from agentctl.store.baselines import set_baseline
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database, reading
from agentctl.store.events import read_events
from agentctl.store.leases import Lease
from agentctl.store.migrations import migrate
from agentctl.store.naming import named_blobs
from agentctl.store.removal import doomed, family_of, remove_sessions
from agentctl.store.sessions import find_session
from agentctl.store.shrinking import LEAST_BYTES, give_back
from agentctl.store.sweeping import sweep_blobs
from agentctl.store.weights import weigh
from tests.kit import FixedClock, Recorder, analysis, open_log

T = TypeVar("T")

LARGE = "long text " * 8000


def record(home: Home, session_id: str, *events: Event, hours: float = 0, **created: object) -> Recorder:
    clock = FixedClock()
    clock.pass_by(hours * 3600)
    with open_log(home) as log:
        recorder = Recorder(log, home, session_id, clock, **created)
        recorder.user(f"words of {session_id}")
        if events:
            log.append(session_id, events)
        recorder.rest()
    return recorder


def fork(home: Home, recorder: Recorder, session_id: str, hours: float = 0) -> None:
    recorder.clock.pass_by(hours * 3600)
    with open_log(home) as log:
        at = list(log.read(recorder.id))[-1]
        of = {"parent": recorder.id, "at": at.seq, "at_hash": at.hash, "agentctl_version": "0"}
        log.append(session_id, [recorder.make(LocalForked, session_id=session_id, **of)])


def ids(home: Home) -> list[str]:
    with reading(home) as connection:
        return [name for (name,) in connection.execute("SELECT id FROM sessions ORDER BY key")]


def make_old(home: Home, seconds: float = 7200) -> None:
    then = time.time() - seconds
    for path in home.blobs.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def blobs_of(home: Home) -> set[str]:
    return {found.digest for found in Blobs(home.blobs).stored() if found.digest}


def test_a_session_goes_with_all_that_is_its_own(home: Home, database: Database) -> None:
    record(home, "one")
    record(home, "two")
    home.logs.mkdir()
    (home.logs / "one.log").write_text("printed")
    with Lease(home, "two"), reading(home) as connection:
        before = list(read_events(connection, Blobs(home.blobs), "two"))
    remove_sessions(home, database, ["one"])
    assert ids(home) == ["two"]
    assert read_anchor(home, "one") is None
    assert not (home.logs / "one.log").exists()
    assert not (home.leases / "one").exists()
    with reading(home) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (len(before),)
        assert list(read_events(connection, Blobs(home.blobs), "two", anchor=read_anchor(home, "two"))) == before
    record(home, "one")
    assert ids(home) == ["two", "one"], "its id can be had again"


def test_events_cannot_be_deleted_in_any_other_way(home: Home, database: Database) -> None:
    record(home, "one")
    record(home, "two")

    def rules() -> list[str]:
        with reading(home) as connection:
            return [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'trigger'")]

    before = rules()
    remove_sessions(home, database, ["one"])
    assert rules() == before
    with pytest.raises(StoreError, match="append-only"):
        database.write(lambda connection: connection.execute("DELETE FROM events"))
    with pytest.raises(NotFoundError):
        remove_sessions(home, database, ["two", "nobody"])
    assert rules() == before
    assert ids(home) == ["two"]


def test_a_session_that_runs_stays_and_so_do_those_named_with_it(home: Home, database: Database) -> None:
    record(home, "one")
    record(home, "two")
    with Lease(home, "two"), pytest.raises(BusyError):
        remove_sessions(home, database, ["one", "two"])
    assert ids(home) == ["one", "two"]


def test_what_others_have_their_past_from_goes_with_them_or_not_at_all(home: Home, database: Database) -> None:
    parent = record(home, "parent")
    fork(home, parent, "child")
    with pytest.raises(UsageError, match="forked from parent"):
        remove_sessions(home, database, ["parent"])
    with reading(home) as connection:
        family = family_of(connection, "parent")
    assert family == ["parent", "child"]
    remove_sessions(home, database, family)
    assert ids(home) == []


def test_a_fork_goes_alone(home: Home, database: Database) -> None:
    parent = record(home, "parent")
    fork(home, parent, "child")
    remove_sessions(home, database, ["child"])
    with reading(home) as connection:
        assert len(list(read_events(connection, Blobs(home.blobs), "parent"))) == 6


def test_a_baseline_stays_until_its_name_is_taken_away(home: Home, database: Database) -> None:
    record(home, "one")
    database.write(lambda connection: set_baseline(connection, "good", "one", ""))
    with pytest.raises(UsageError, match="is the baseline good"):
        remove_sessions(home, database, ["one"])
    assert ids(home) == ["one"]


class KilledWhileWriting(Database):
    def write(self, deed: Callable[[sqlite3.Connection], T]) -> T:
        def deadly(connection: sqlite3.Connection) -> T:
            deed(connection)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("dead")

        return super().write(deadly)


def test_a_process_that_is_killed_in_the_middle_leaves_all_as_it_was(home: Home) -> None:
    record(home, "one")
    child = os.fork()
    if child == 0:
        remove_sessions(home, KilledWhileWriting(home, migrate), ["one"])
    os.waitpid(child, 0)
    assert ids(home) == ["one"]
    with reading(home) as connection:
        assert len(list(read_events(connection, Blobs(home.blobs), "one"))) == 6
        triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    assert ("events_no_delete",) in triggers


def files_event(recorder: Recorder, home: Home, *contents: bytes) -> tuple[LocalFilesChanged, set[str]]:
    names = {digest for digest, _ in Blobs(home.blobs).put_many([data] for data in contents)}
    changes = [{"path": f"/workspace/{name}", "change": "created", "kind": "file", "sha256": name} for name in names]
    return recorder.make(LocalFilesChanged, changes=changes), names


def test_blobs_that_nobody_names_are_swept_and_all_others_stay(home: Home, database: Database) -> None:
    recorder = record(home, "one")
    event, names = files_event(recorder, home, b"of a call")
    listed, _ = Blobs(home.blobs).put([b"in the list"])
    manifest, _ = Blobs(home.blobs).put([manifest_of([File("/workspace/a", "file", 0o644, 1, listed)])])
    uploaded = recorder.make(LocalFilesUploaded, manifest=manifest, files=1, bytes=1, skipped=[])
    with open_log(home) as log:
        output, size = Blobs(home.blobs).put([b"an output"])
        kept = recorder.make(LocalOutputs, files=[{"path": "report.md", "size": size, "sha256": output}])
        log.append("one", [event, uploaded, recorder.make(UserMessage, content=[text_block(LARGE)]), kept])
    named = blobs_of(home)
    assert len(named) == 5
    nobodys, _ = Blobs(home.blobs).put([b"nobody's"])
    (home.blobs / f".{os.getpid()}-0123456789abcdef").write_bytes(b"left by a killed process")
    make_old(home)
    with reading(home) as connection:
        counted = sweep_blobs(home, connection, remove=False)
        assert (counted.files, counted.spared) == (2, 0)
        assert blobs_of(home) == named | {nobodys}
        assert sweep_blobs(home, connection) == counted
        assert blobs_of(home) == named
        assert {each.kind for each in named_blobs(home, connection) if each.digest in named} == {
            "texts", "uploads", "changes", "outputs",
        }  # fmt: skip
    assert not [path for path in home.blobs.iterdir() if path.is_file()]
    remove_sessions(home, database, ["one"])
    with database.reading() as connection:
        assert sweep_blobs(home, connection).files == 5
    assert blobs_of(home) == set()
    assert names <= named


def test_what_a_running_session_has_put_and_not_yet_named_stays(home: Home) -> None:
    record(home, "one")
    old, _ = Blobs(home.blobs).put([b"put long ago"])
    make_old(home)
    with Lease(home, "one"), reading(home) as connection:
        fresh, _ = Blobs(home.blobs).put([b"just put"])
        again, _ = Blobs(home.blobs).put([b"put long ago"])
        os.utime(home.leases / "one", (time.time() - 3600, time.time() - 3600))
        between = time.time() - 1800
        os.utime(home.blobs / fresh[:2] / fresh, (between, between))
        swept = sweep_blobs(home, connection, spared_seconds=600)
    assert again == old
    assert (swept.files, swept.spared) == (0, 2), "one is young again, the other was put while a session runs"
    with reading(home) as connection:
        assert sweep_blobs(home, connection, spared_seconds=600).files == 1
    assert blobs_of(home) == {old}


def test_a_blob_that_is_put_again_while_it_is_swept_is_there_afterwards(home: Home) -> None:
    blobs = Blobs(home.blobs)
    digest, _ = blobs.put([b"contents"])
    make_old(home)
    (found,) = blobs.stored()
    blobs.put([b"contents"])
    assert not blobs.discard(found, time.time() - 600), "it was touched before"
    make_old(home)
    assert blobs.discard(found, time.time() - 600)
    assert blobs.put([b"contents"])[0] == digest
    assert blobs.read(digest) == b"contents"


def test_a_record_that_cannot_be_read_lets_no_blob_go(home: Home) -> None:
    record(home, "one")
    Blobs(home.blobs).put([b"nobody's"])
    make_old(home)
    data = bytearray(home.database.read_bytes())
    with closing(sqlite3.connect(home.database)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()[0]
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    home.database.write_bytes(data)
    with pytest.raises(StoreError), reading(home) as connection:
        sweep_blobs(home, connection)
    assert len(blobs_of(home)) == 1


def test_the_space_is_given_back_and_the_text_is_gone_from_the_file(home: Home, database: Database) -> None:
    for number in range(20):
        record(home, f"s{number}", *bulk(number))
    database.truncate_log()
    before = home.database.stat().st_size
    remove_sessions(home, database, [f"s{number}" for number in range(1, 20)])
    given = give_back(database)
    assert given.bytes > LEAST_BYTES
    assert home.database.stat().st_size < before - LEAST_BYTES
    assert given.left == 0
    assert b"bulk of 7" not in home.database.read_bytes()
    assert b"bulk of 0" in home.database.read_bytes()
    with reading(home) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_database_of_an_older_version_gives_space_back_too(home: Home) -> None:
    home.root.mkdir()
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection)
    for number in range(16):
        record(home, f"s{number}", *bulk(number))
    with closing(Database(home, migrate)) as database:
        remove_sessions(home, database, [f"s{number}" for number in range(15)])
        assert give_back(database).bytes > LEAST_BYTES
        with database.reading() as connection:
            assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def bulk(number: int) -> list[Event]:
    make = Maker(FixedClock())
    return [make(UserMessage, content=[text_block(f"bulk of {number} " * 700)]) for _ in range(8)]


def test_the_oldest_go_first_and_forks_before_their_parents(home: Home) -> None:
    parent = record(home, "parent", hours=0)
    record(home, "middle", hours=10)
    fork(home, parent, "child", hours=20)
    record(home, "newest", hours=30)
    with reading(home) as connection:
        sessions = aged_sessions(home, connection)
    assert [each.session_id for each in sessions] == ["middle", "child", "parent", "newest"]

    def chosen(**rules: object) -> list[str]:
        return [each.session_id for each in choose(sessions, Rules(**rules))]  # type: ignore[arg-type]

    assert chosen(before="2026-11-20T23:00:00.000000Z") == ["middle"], "a parent is as young as its fork"
    assert chosen(before="2026-11-22T00:00:00.000000Z", keep=1) == ["middle", "child", "parent"]
    assert chosen(keep=3) == ["middle"]
    assert chosen() == ["middle", "child", "parent", "newest"]


def test_of_the_same_age_the_first_that_was_stored_is_the_oldest(home: Home) -> None:
    for name in ("first", "second", "third"):
        record(home, name, hours=1)
    with reading(home) as connection:
        sessions = aged_sessions(home, connection)
    assert len({each.updated_at for each in sessions}) == 1
    assert [each.session_id for each in choose(sessions, Rules(keep=1))] == ["first", "second"]


def test_who_runs_or_is_a_baseline_stays_and_what_it_has_its_past_from(home: Home, database: Database) -> None:
    parent = record(home, "parent")
    fork(home, parent, "child")
    record(home, "runs")
    record(home, "other")
    database.write(lambda connection: set_baseline(connection, "good", "child", ""))
    with Lease(home, "runs"), reading(home) as connection:
        assert [each.session_id for each in choose(aged_sessions(home, connection), Rules())] == ["other"]


def test_as_many_go_as_are_needed_for_a_size(home: Home) -> None:
    recorder = record(home, "first")
    shared, _ = files_event(recorder, home, b"shared" * 50_000)
    with open_log(home) as log:
        log.append("first", [shared])
    for number in range(3):
        own, _ = files_event(recorder, home, bytes([number]) * 300_000)
        record(home, f"s{number}", own, shared, hours=number + 1)
    with reading(home) as connection:
        sessions, weights = aged_sessions(home, connection), weigh(home, connection)
        own_sizes = {each.session_id: weights.of_sessions()[each.key] for each in sessions}
        assert own_sizes["first"] < 200_000 < own_sizes["s0"], "what others name too is nobody's own"
        found = choose(sessions, Rules(most_bytes=weights.total - 310_000), weights)
    assert [each.session_id for each in found] == ["first", "s0"]


def test_what_a_removed_session_came_to_is_told_before(home: Home) -> None:
    with open_log(home) as log:
        analysis(Recorder(log, home, "one"))
    with reading(home) as connection:
        (found,) = doomed(connection, ["one"])
        row = find_session(connection, "one")
    assert (found.events, found.has_checkpoint) == (row.events, False)
    assert found.size > 10_000


def _write_and_remove(root: Path, number: int) -> None:
    home = Home(root)
    record(home, f"own{number}")
    with closing(Database(home, migrate)) as database:
        remove_sessions(home, database, [f"own{number}"])
        give_back(database)
    record(home, f"stays{number}")


def test_many_write_and_remove_at_once_and_none_is_in_the_way_of_another(home: Home) -> None:
    record(home, "first")
    with multiprocessing.get_context("fork").Pool(8) as pool:
        pool.starmap(_write_and_remove, [(home.root, number) for number in range(24)])
    assert sorted(ids(home)) == sorted(["first", *(f"stays{number}" for number in range(24))])
    with reading(home) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for session_id in ids(home):
            assert len(list(read_events(connection, Blobs(home.blobs), session_id))) == 6
        triggers = connection.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'").fetchone()
    assert triggers == (2,)
