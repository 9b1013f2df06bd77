"""Reading for those who look: pages, single events, names that are short, and a lock that is only looked at."""

import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from agentctl.errors import BusyError, NotFoundError, StoreError
from agentctl.events.local import LocalOutputs
from agentctl.events.session import SessionStatusRunning
from agentctl.paths import Home
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import find_event, has_type, last_event, read_events, taken_up_at
from agentctl.store.leases import Lease, is_running
from agentctl.store.rebuildable import Rebuildable
from agentctl.store.sessions import count_sessions, find_session, short_name
from tests.kit import Recorder, open_log


def test_a_long_record_is_read_in_pages_while_others_write_on(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.session.append(*(recorder.make(SessionStatusRunning) for _ in range(600)))
        with reading(home) as connection:
            records = read_events(connection, Blobs(home.blobs), recorder.id, after=1)
            first = next(records)
            recorder.session.append(recorder.make(SessionStatusRunning))
            rest = list(records)
            assert not connection.in_transaction
            part = [record.seq for record in read_events(connection, Blobs(home.blobs), recorder.id, after=9, until=12)]
    assert [first.seq, *(record.seq for record in rest)] == list(range(2, 603))
    assert part == [10, 11, 12]


def test_a_slow_reader_does_not_keep_the_log_from_being_checkpointed(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.session.append(*(recorder.make(SessionStatusRunning) for _ in range(600)))
        with reading(home) as connection:
            records = read_events(connection, Blobs(home.blobs), recorder.id)
            next(records)
            for _ in range(3000):
                recorder.session.append(recorder.make(SessionStatusRunning))
            wal = home.database.with_name("agentctl.db-wal").stat().st_size
    assert wal < 8 << 20  # 1,000 pages of 4 KiB, after which SQLite begins anew


def test_events_are_found_by_number_and_id(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.add(SessionStatusRunning)
        events = recorder.records()
    with reading(home) as connection:
        for name in ("2", "#2", events[1].event.id):
            assert find_event(connection, recorder.id, name) == 2
        for name in ("0", "3", "#3", "-1", "", "#", "²", "9" * 40, "sevt_none", events[1].event.id[:-1]):
            with pytest.raises(NotFoundError, match="there is no event") as failure:
                find_event(connection, recorder.id, name)
            assert "#1 to #2" in str(failure.value.hint)


def test_the_last_event_of_a_type_and_whether_there_is_one(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home)
        for path in ("a", "b"):
            recorder.add(LocalOutputs, files=[{"path": path, "size": 1}])
    with reading(home) as connection:
        record = last_event(connection, Blobs(home.blobs), recorder.id, "local.outputs")
        assert record is not None
        assert isinstance(record.event, LocalOutputs)
        assert record.event.files[0]["path"] == "b"
        assert last_event(connection, Blobs(home.blobs), recorder.id, "agent.message") is None
        assert has_type(connection, recorder.id, "local.*")
        assert has_type(connection, recorder.id, "local.outputs")
        assert not has_type(connection, recorder.id, "agent.*")


def test_a_message_was_taken_up_when_the_record_says_so(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("one")
        recorder.user("two")
        records = recorder.records()
    messages = [record for record in records if record.event.type == "user.message"]
    taken = [record.event.processed_at for record in records if record.event.type == "local.input_processed"]
    with reading(home) as connection:
        assert [taken_up_at(connection, recorder.id, message) for message in messages] == taken
        assert taken_up_at(connection, recorder.id, records[0]) is None


def test_a_short_name_finds_one_session_and_no_other(home: Home) -> None:
    names = [
        "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w",
        "sesn_01kaf3m9x8rq2m4n6p8r0t2v4x",
        "sesn_01kaf3m9",
        "sesn_02kaf3m9x8",
        "02kaf3m9x",
        "own",
        "sesn_zzzzzzzzzzzzzz",
        "report-2026-11-19",
        "report-2026-11-20",
        "a-name-that-is-longer-than-most-columns",
        "sesn_yyyyyyyyyyyyyy",
    ]
    with open_log(home) as log:
        for name in names:
            Recorder(log, home, name)
    with reading(home) as connection:
        short = [short_name(connection, name) for name in names]
        assert [find_session(connection, name).id for name in short] == names
        assert short[6:] == ["zzzzzzzz", *names[7:9], "a-name-that-is-longer-th", "yyyyyyyy"]
        assert short[0] == names[0].removeprefix("sesn_")
        assert short[2] == names[2]  # whose own name is the beginning of others
        assert count_sessions(connection) == len(names)


def test_a_failure_of_the_reader_is_not_explained_as_one_of_the_store(home: Home) -> None:
    with open_log(home) as log:
        Recorder(log, home)
    with pytest.raises(BrokenPipeError), reading(home):
        raise BrokenPipeError
    with pytest.raises(StoreError), reading(home) as connection:
        connection.execute("SELECT nothing FROM nowhere")


def test_asking_whether_a_session_runs_does_not_keep_it_from_running(home: Home) -> None:
    home.leases.mkdir(parents=True)
    descriptor = os.open(home.leases / "sesn_1", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    threading.Timer(0.02, os.close, [descriptor]).start()
    with Lease(home, "sesn_1"):
        assert is_running(home, "sesn_1")
        began = time.monotonic()
        with pytest.raises(BusyError, match=f"process {os.getpid()}"), Lease(home, "sesn_1"):
            pass
        assert time.monotonic() - began < 15  # and not as long as for somebody who tidies up
    assert not is_running(home, "sesn_1")


def test_what_is_stored_can_be_looked_at_where_the_disk_is_full(home: Home) -> None:
    with open_log(home) as log:
        Recorder(log, home).add(SessionStatusRunning)
    for ending in ("-shm", "-wal"):
        home.database.with_name(home.database.name + ending).unlink(missing_ok=True)
    code = (
        "import resource; from agentctl.paths import home; from agentctl.store.database import reading\n"
        "from agentctl.store.rows import list_sessions\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))  # as on a full disk, no file can be made larger\n"
        "with reading(home()) as connection: print(len(list_sessions(connection).rows))"
    )
    environ = {**os.environ, "AGENTCTL_HOME": str(home.root)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_an_index_that_no_longer_fits_on_the_disk_is_kept_in_memory(home: Home) -> None:
    home.root.mkdir(parents=True)
    index = Rebuildable(home.search, ("CREATE TABLE words (text TEXT) STRICT",), 1)

    def fill(connection: sqlite3.Connection) -> bool:
        on_disk = bool(connection.execute("PRAGMA database_list").fetchone()[2])
        if on_disk:
            connection.execute("PRAGMA max_page_count = 3")  # SQLite then says what it says of a full disk
        connection.execute("INSERT INTO words VALUES (?)", ("x" * 100_000,))
        return on_disk

    assert index.use(lambda _: True)
    assert index.use(fill) is False
    assert index.use(lambda connection: connection.execute("SELECT count(*) FROM words").fetchone()[0]) == 1
    index.close()
