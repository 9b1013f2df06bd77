"""The disk, or what lies on it, fails: nothing more is done, it is said in a line, and what was kept is there."""

import fcntl
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.errors import StoreError
from agentctl.events.codec import encode
from agentctl.events.session import SessionStatusRunning
from agentctl.paths import Home
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database, reading
from agentctl.store.events import read_events
from agentctl.store.migrations import migrate
from agentctl.store.rows import list_sessions
from tests.agents import TESTER
from tests.cli.program import ROOT, Outcome, agentctl, begin, until, watched
from tests.crash.invariants import check_acknowledged, check_database, check_deeds, check_events, stored_events
from tests.kit import Recorder, analysis, open_log

SCRIPT = """\
- text: First.
  tools: [{name: bash, input: {command: "echo one >> COUNTED"}}]
- tools: [{name: bash, input: {command: "echo two >> COUNTED"}}]
- {text: Finished.}
"""
WORDS = ("one", "two")


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "agent.yaml").write_text(TESTER)
    (tmp_path / "script.yaml").write_text(SCRIPT.replace("COUNTED", str(tmp_path / "counted")))
    script = f"script:{tmp_path / 'script.yaml'}"
    return ["run", str(tmp_path / "agent.yaml"), "go", "--session", "kept", "--sandbox", "none", "--model", script]


def run_program(
    *arguments: str, around: tuple[str, ...] = (), before: Callable[[], None] | None = None, **environ: str
) -> Outcome:
    done = subprocess.run(
        [*around, sys.executable, "-m", "agentctl", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, preexec_fn=before, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


def injected(spec: str, trace: Path) -> tuple[str, ...]:
    call = spec.partition(":")[0]
    return "strace", "-o", str(trace), "-e", f"trace={call}", "-e", f"inject={spec}"


def check_stopped_and_resumable(done: Outcome, command: list[str], home: Home, tmp_path: Path) -> None:
    """It ended with 8 and a line, kept what it said it kept, did nothing that is not recorded, and goes on later."""
    assert done.code == 8, done
    told = [line for line in done.err.splitlines() if line.startswith("agentctl:")]
    assert len(told) == 1
    assert str(home.database) in told[0]
    results = json.loads(done.out.splitlines()[-1])
    assert (results["type"], results["exit_code"], results["error"]["type"]) == ("result", 8, "store_error")
    if results["session_id"] is None:  # nothing was begun, and nothing is in the way of the next one
        again = agentctl(*command)
        if again.code == 2:  # the sync failed, but what it was to make durable was written: one more than acknowledged
            assert "agentctl resume kept" in again.err
            again = agentctl("resume", "kept")
        assert (again.code, again.out) == (0, "Finished.\n")
        return
    check_database(home)
    check_acknowledged(done.out, stored_events(home, "kept"))
    begun = [line for line in done.out.splitlines() if '"local.tool_started"' in line]
    assert len((tmp_path / "counted").read_text().split() if (tmp_path / "counted").exists() else ()) <= len(begun)
    again = agentctl("resume", "kept", "-o", "json")
    assert (again.code, again.json["text"]) == (0, "Finished.")
    events = stored_events(home, "kept")
    check_events(events)
    check_acknowledged(done.out, events)
    check_deeds(tmp_path / "counted", WORDS)


@pytest.mark.parametrize("number", [2, 40, 75, 120, 135, 150])
def test_a_disk_that_is_full_from_some_write_on_stops_the_session(
    home: Home, command: list[str], tmp_path: Path, number: int
) -> None:
    done = run_program(
        *command, "-o", "jsonl", around=injected(f"pwrite64:error=ENOSPC:when={number}+", tmp_path / "t")
    )
    check_stopped_and_resumable(done, command, home, tmp_path)


@pytest.mark.parametrize("number", [9, 12, 15, 18, 22])
def test_a_sync_that_fails_stops_the_session_and_is_not_tried_again(
    home: Home, command: list[str], tmp_path: Path, number: int
) -> None:
    spec = f"fdatasync:error=EIO:when={number}"
    done = run_program(*command, "-o", "jsonl", around=injected(spec, tmp_path / "trace"))
    calls = [line for line in (tmp_path / "trace").read_text().splitlines() if line.startswith("fdatasync(")]
    assert "INJECTED" in calls[-1]
    check_stopped_and_resumable(done, command, home, tmp_path)


@pytest.mark.parametrize("kilobytes", [45, 100, 140, 200])
def test_a_limit_on_the_size_of_files_stops_the_session(
    home: Home, command: list[str], tmp_path: Path, kilobytes: int
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes << 10, kilobytes << 10))

    done = run_program(*command, "-o", "jsonl", before=limit)
    check_stopped_and_resumable(done, command, home, tmp_path)


@pytest.mark.parametrize("mode", ["text", "json"])
def test_the_last_words_are_printed_even_if_they_cannot_be_stored(
    home: Home, command: list[str], tmp_path: Path, mode: str
) -> None:
    (tmp_path / "script.yaml").write_text("- {text: Finished.}\n")
    run_program(*command, around=("strace", "-o", str(tmp_path / "trace"), "-e", "trace=fdatasync"))
    last = (tmp_path / "trace").read_text().count("fdatasync(")
    codes = []
    for number in range(last - 4, last):  # of the answer, of the end, and of closing, whose failure loses nothing
        shutil.rmtree(home.root, ignore_errors=True)
        spec = f"fdatasync:error=EIO:when={number}"
        done = run_program(*command, "-q", "-o", mode, around=injected(spec, tmp_path / "trace"))
        codes.append(done.code)
        text = done.json["text"] if mode == "json" else done.out.strip()
        if text:
            assert text == "Finished."
            assert ("cannot be recorded" in done.err) is bool(done.code)
    assert codes == [8, 8, 8, 0]
    assert text


def test_a_home_that_cannot_be_written_is_named_with_the_way_out(home: Home, command: list[str]) -> None:
    home.root.mkdir(mode=0o500)
    around = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    done = run_program(*command, around=around)
    assert (done.code, done.out) == (8, "")
    assert str(home.root) in done.err
    assert "AGENTCTL_HOME" in done.err
    assert not list(home.root.iterdir())


def test_a_home_of_somebody_else_is_refused(home: Home, command: list[str]) -> None:
    home.root.mkdir()
    if os.geteuid() == 0:
        os.chown(home.root, 65534, 65534)
    place = home.root if os.geteuid() == 0 else Path("/")
    done = agentctl(*command, AGENTCTL_HOME=str(place))
    assert done.code == 8
    assert "belongs to somebody else" in done.err
    assert "AGENTCTL_HOME" in done.err
    assert not list(home.root.iterdir())


@pytest.mark.parametrize("subcommand", [["ls"], ["show", "@"], ["resume", "@"]])
def test_a_home_that_is_no_directory_is_named(command: list[str], subcommand: list[str]) -> None:
    for arguments in (subcommand, command):
        done = agentctl(*arguments, AGENTCTL_HOME="/dev/null")
        assert done.code == 8
        assert done.err == (
            "agentctl: /dev/null is no directory\n  set AGENTCTL_HOME to a directory that can be written\n"
        )


@pytest.mark.parametrize("replace", [False, True])
def test_a_database_that_goes_away_while_a_session_runs_stops_it(
    home: Home, command: list[str], tmp_path: Path, replace: bool
) -> None:
    (tmp_path / "script.yaml").write_text(
        (tmp_path / "script.yaml").read_text().replace("echo two", "sleep 1; echo two")
    )
    process = begin(*command, "-o", "jsonl", stderr=subprocess.PIPE)
    until(process, "local.tool_started", times=2)
    home.database.rename(tmp_path / "moved")
    if replace:
        shutil.copy(tmp_path / "moved", home.database)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 8
    assert "deleted or replaced" in err
    assert json.loads(out.splitlines()[-1])["exit_code"] == 8
    assert home.database.exists() is replace


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda data: random.Random(1).randbytes(len(data)),
    "nothing": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "a page less": lambda data: data[:-4096],
    "a torn end": lambda data: data[:-1000],
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_database_is_refused_with_a_hint_and_kept(home: Home, command: list[str], how: str) -> None:
    assert agentctl(*command[:4], "before", *command[5:], "-q").code == 0
    damaged = DAMAGES[how](home.database.read_bytes())
    home.database.write_bytes(damaged)
    # A torn page may hold nothing but events, which neither a new session nor the list reads.
    lookers = [["events", "@"], ["show", "@"], ["resume", "@", "-q"]]
    for arguments in lookers if how == "a torn end" else [*lookers, command, ["ls"]]:
        done = agentctl(*arguments)
        assert done.code == 8, (arguments, done)
        assert str(home.database) in done.err or "is damaged" in done.err
        assert len(done.err.splitlines()) == 2
        assert home.database.read_bytes() == damaged


def test_one_flipped_byte_anywhere_is_either_harmless_or_said(home: Home) -> None:
    """In process, hundreds of times: nothing wrong is ever printed as if it were right."""
    with open_log(home) as log:
        analysis(Recorder(log, home))
    session_id = "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"

    def events() -> list[dict[str, object]]:
        with reading(home) as connection:
            list_sessions(connection)
            anchor = read_anchor(home, session_id)
            return [
                encode(record.event) for record in read_events(connection, Blobs(home.blobs), session_id, anchor=anchor)
            ]

    whole, right, chance = home.database.read_bytes(), events(), random.Random(20261120)
    told = 0
    for page in range(len(whole) // 4096):
        for _ in range(25):
            place = page * 4096 + chance.randrange(4096)
            home.database.write_bytes(
                whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :]
            )
            try:
                found = events()
            except StoreError:
                told += 1
            else:
                assert found in (right, []), place
    assert told > 50


def test_a_lock_that_a_stopped_process_holds_is_waited_for_then_said(home: Home) -> None:
    with open_log(home):
        pass
    program = (
        "import fcntl, sys, time; file = open(sys.argv[1]); fcntl.flock(file, 2); print(flush=True); time.sleep(60)"
    )
    lock = str(home.root / "lock")
    holder = watched(subprocess.Popen([sys.executable, "-c", program, lock], stdout=subprocess.PIPE))
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(StoreError, match="locked") as failure:
        Database(home, migrate, patience_seconds=0.4)
    assert 0.4 <= time.monotonic() - began < 30
    assert failure.value.exit_code == 8
    assert f"fuser {home.root / 'lock'}" in str(failure.value.hint)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    Database(home, migrate, patience_seconds=20).close()


def test_few_file_descriptors_are_enough_or_it_is_said(home: Home, command: list[str]) -> None:
    codes = []
    for number in (9, 12, 16, 32):
        limit = (number, number)
        named = [*command[:4], f"few{number}", *command[5:]]
        done = run_program(*named, before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))  # noqa: B023
        codes.append(done.code)
        assert done.code in (0, 7, 8), done
        assert done.code == 0 or "too many open files" in done.err.lower() or "AGENTCTL_HOME" in done.err
    assert codes[-1] == 0


def test_everything_is_private_whatever_the_umask(home: Home, command: list[str], tmp_path: Path) -> None:
    script = (tmp_path / "script.yaml").read_text().replace("echo two", "yes | head -c 90000; echo two")
    (tmp_path / "script.yaml").write_text(script)
    assert run_program(*command, "-q", before=lambda: os.umask(0) and None).code == 0
    paths = [home.root, *home.root.rglob("*")]
    assert home.database in paths
    assert {path.name for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077} == set()


def test_a_connection_that_failed_writes_nothing_more(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (home.database.with_name("agentctl.db-wal").stat().st_size, hard))
        try:
            with pytest.raises(StoreError, match=r"disk I/O error|full"):
                recorder.add(SessionStatusRunning)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        with pytest.raises(StoreError, match="could not be written before"):
            recorder.add(SessionStatusRunning)
    check_database(home)
    assert len(stored_events(home, recorder.id)) in (1, 2)
    connection = sqlite3.connect(home.database)
    connection.close()
    descriptor = os.open(home.root / "lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
