"""The event log in SQLite: what is stored comes back, nothing else, and changes show."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.events.base import UnknownEvent
from agentctl.events.codec import decode
from agentctl.events.session import SessionStatusIdle, SessionStatusRunning
from agentctl.events.user import UserMessage
from agentctl.paths import Home
from agentctl.store.database import Database, reading
from agentctl.store.events import SqliteEventLog
from agentctl.store.leases import Lease, is_running
from agentctl.store.migrations import migrate
from agentctl.store.rows import list_sessions
from agentctl.store.sessions import find_session
from tests.cli.program import watched
from tests.store.words import created, make, message


def test_what_is_stored_comes_back_in_order_and_after_a_number(log: SqliteEventLog) -> None:
    stored = [*log.append("sesn_1", [created("sesn_1"), message("one")]), *log.append("sesn_1", [message("two")])]
    assert list(log.read("sesn_1")) == stored
    assert [record.seq for record in stored] == [1, 2, 3]
    assert list(log.read("sesn_1", after=2)) == stored[2:]


def test_an_event_of_an_unknown_type_and_unknown_members_come_back_as_they_were(log: SqliteEventLog) -> None:
    strange = {"type": "agent.telepathy", "id": "sevt_x", "processed_at": None, "deep": {"of": [1, None, "é\ud800"]}}
    known = {"type": "agent.thinking", "id": "sevt_y", "processed_at": "2026-11-20T05:00:00Z", "new": [1], "nil": None}
    log.append("sesn_1", [created("sesn_1"), decode(strange), decode(known)])
    back = [record.event for record in log.read("sesn_1", after=1)]
    assert back == [UnknownEvent(id="sevt_x", body=strange), decode(known)]


def test_a_large_string_is_stored_once_beside_the_database_and_comes_back(log: SqliteEventLog, home: Home) -> None:
    large = "é" * 50_000
    log.append("sesn_1", [created("sesn_1"), message(large), message(large)])
    assert [record.event.content[0]["text"] for record in log.read("sesn_1", after=1)] == [large, large]  # type: ignore[attr-defined]
    files = [path for path in home.blobs.rglob("*") if path.is_file()]
    assert [path.name for path in files] == [hashlib.sha256(large.encode()).hexdigest()]
    assert home.database.stat().st_size < 80_000


def test_text_that_looks_like_a_reference_to_a_blob_is_only_text(log: SqliteEventLog) -> None:
    trap = make(UserMessage, content=[{"type": "text", "text": "x", "~1/blob": {"$blob": "sha256:00"}, "": ["~0"]}])
    log.append("sesn_1", [created("sesn_1"), trap])
    assert next(iter(log.read("sesn_1", after=1))).event == trap


def test_a_member_with_a_slash_in_its_name_can_hold_a_large_string(log: SqliteEventLog) -> None:
    odd = make(UserMessage, content=[{"type": "text", "text": "x", "a/b~c": ["x" * 70_000]}])
    log.append("sesn_1", [created("sesn_1"), odd])
    assert next(iter(log.read("sesn_1", after=1))).event == odd


def test_the_hash_of_each_row_covers_everything_before_it(log: SqliteEventLog, home: Home) -> None:
    log.append("sesn_1", [created("sesn_1"), message("x" * 70_000), message("b")])
    with reading(home) as connection:
        former = ""
        for body, blobs, row_hash in connection.execute("SELECT body, blobs, hash FROM events ORDER BY seq"):
            assert row_hash == hashlib.sha256((former + body + blobs).encode()).hexdigest()
            assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            former = row_hash


def test_events_cannot_be_changed_or_deleted(log: SqliteEventLog, home: Home) -> None:
    log.append("sesn_1", [created("sesn_1")])
    connection = sqlite3.connect(home.database)
    for deed in ("UPDATE events SET body = '{}'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(deed)
    connection.close()


def test_the_head_is_anchored_outside_the_database_when_the_session_rests(log: SqliteEventLog, home: Home) -> None:
    idle = make(SessionStatusIdle, stop_reason={"type": "end_turn"})
    head = log.append("sesn_1", [created("sesn_1"), idle])[-1]
    assert json.loads((home.anchors / "sesn_1.json").read_text()) == {"seq": 2, "hash": head.hash}


def test_events_are_stored_all_or_none(log: SqliteEventLog) -> None:
    first = message("one")
    log.append("sesn_1", [created("sesn_1"), first])
    with pytest.raises(StoreError):
        log.append("sesn_1", [message("two"), first])  # the same id twice
    assert len(list(log.read("sesn_1"))) == 2


def test_a_session_cannot_be_made_twice_nor_written_before_it_is_made(log: SqliteEventLog) -> None:
    log.append("sesn_1", [created("sesn_1")])
    with pytest.raises(UsageError, match="already"):
        log.append("sesn_1", [created("sesn_1")])
    with pytest.raises(NotFoundError):
        log.append("sesn_2", [message("x")])


def test_a_session_is_found_by_its_id_a_beginning_of_it_and_its_age(log: SqliteEventLog, home: Home) -> None:
    for name in ("sesn_aa1", "sesn_aa2", "sesn_b", "sesnxb", "own-id"):
        log.append(name, [created(name)])
    with reading(home) as connection:
        assert find_session(connection, "sesn_aa1").id == "sesn_aa1"
        assert find_session(connection, "aa2").id == "sesn_aa2"
        assert find_session(connection, "own").id == "own-id"
        assert find_session(connection, "@").id == "own-id"
        assert find_session(connection, "@~4").id == "sesn_aa1"
        assert find_session(connection, "sesn_b").id == "sesn_b"  # the underscore is no wildcard
        wrong = {"sesn_aa": UsageError, "zz": NotFoundError, "@~5": NotFoundError, "../x": UsageError}
        for name, error in wrong.items():
            with pytest.raises(error):
                find_session(connection, name)


def test_the_index_row_says_what_the_events_say(log: SqliteEventLog, home: Home) -> None:
    log.append("sesn_1", [created("sesn_1"), message("first words"), message("second")])
    log.append("sesn_1", [make(SessionStatusRunning)])
    with reading(home) as connection:
        row = list_sessions(connection).rows[0]
    assert (row.status, row.agent, row.first_message, row.events) == ("running", "a", "first words", 4)


def test_the_store_is_private(log: SqliteEventLog, home: Home) -> None:
    log.append("sesn_1", [created("sesn_1"), message("x" * 70_000)])
    assert home.root.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in home.root.rglob("*") if path.is_file()} == {0}


def test_reading_where_there_is_nothing_says_so_and_makes_nothing(home: Home) -> None:
    with pytest.raises(NotFoundError, match="no sessions"), reading(home):
        pass
    assert not home.root.exists()


def test_a_damaged_database_and_one_from_the_future_are_refused_and_kept(home: Home) -> None:
    home.root.mkdir(mode=0o700)
    home.database.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Database(home, migrate)
    assert home.database.read_bytes().startswith(b"this is not")
    home.database.unlink()
    connection = sqlite3.connect(home.database)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer agentctl"):
        Database(home, migrate)
    with pytest.raises(StoreError, match="newer agentctl"), reading(home):
        pass


def test_a_database_that_was_deleted_while_in_use_is_noticed(log: SqliteEventLog, home: Home) -> None:
    log.append("sesn_1", [created("sesn_1")])
    home.database.unlink()
    with pytest.raises(StoreError, match="deleted or replaced"):
        log.append("sesn_1", [message("lost?")])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Database(Home(tmp_path / "file" / "home"), migrate)


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.store.test_log import created, message
from agentctl.paths import Home
from agentctl.store.database import Database
from agentctl.store.events import SqliteEventLog
from agentctl.store.migrations import migrate
home, name = Home(Path(sys.argv[1])), sys.argv[2]
database = Database(home, migrate)
log = SqliteEventLog(home, database)
log.append(name, [created(name)])
for number in range(40):
    log.append(name, [message(str(number))])
    print(number, flush=True)
database.close()
"""


def test_many_processes_write_at_once_and_none_sees_a_locked_database(home: Home) -> None:
    root = str(Path(__file__).parents[2])
    writers = [
        watched(
            subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(WRITER), str(home.root), f"sesn_{number}", root],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        )
        for number in range(12)
    ]
    assert [writer.communicate()[1].decode()[-500:] for writer in writers] == [""] * 12
    with reading(home) as connection:
        assert [row.events for row in list_sessions(connection).rows] == [41] * 12
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_what_was_acknowledged_before_a_kill_is_there_after_it(home: Home) -> None:
    root = str(Path(__file__).parents[2])
    for moment in (1, 7, 23):
        name = f"sesn_kill{moment}"
        command = [sys.executable, "-c", textwrap.dedent(WRITER), str(home.root), name, root]
        writer = watched(subprocess.Popen(command, stdout=subprocess.PIPE))
        assert writer.stdout is not None
        acknowledged = -1
        for line in writer.stdout:
            acknowledged = int(line)
            if acknowledged == moment:
                writer.kill()
                break
        rest = writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
        acknowledged = int(rest[-1]) if rest else acknowledged
        database = Database(home, migrate)
        stored = list(SqliteEventLog(home, database).read(name))
        database.close()
        assert len(stored) - 1 - (acknowledged + 1) in (0, 1)


def test_one_process_at_a_time_holds_the_lease_of_a_session(home: Home) -> None:
    home.root.mkdir(mode=0o700)
    assert not is_running(home, "sesn_1")
    with Lease(home, "sesn_1"):
        assert is_running(home, "sesn_1")
        with pytest.raises(Exception, match=str(os.getpid())), Lease(home, "sesn_1"):
            pass
    assert not is_running(home, "sesn_1")
