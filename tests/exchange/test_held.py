"""While a file comes in nobody takes from it what nobody names yet, and nobody runs its session."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from agentctl.errors import BusyError, UsageError
from agentctl.paths import Home
from agentctl.store.database import reading
from agentctl.store.integrity import examine
from agentctl.store.leases import Lease, is_running
from agentctl.store.sweeping import sweep_blobs
from tests.exchange.kit import ID, packed, sent, taken_in, unpacked
from tests.kit import Recorder, open_log
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node

HOUR = 3_600.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    home = Home(tmp_path / "from")
    with open_log(home) as log:
        FilesRecorder(log, home).begin({"a": Node(b"one"), "b": Node(b"two")}, "x" * 70_000)
    return sent(home, tmp_path)


@pytest.fixture
def home(own_home: Path) -> Home:
    home = Home(own_home)
    with open_log(home) as log:
        Recorder(log, home, "here")
    return home


def make_older(*folders: Path) -> None:
    """Let an hour pass for files."""
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        os.utime(path, (time.time() - HOUR, time.time() - HOUR))


def test_contents_that_an_import_has_put_are_not_swept_away_before_its_session_is_stored(
    home: Home, file: Path
) -> None:
    with open(home.root / "lock", "rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a writer that takes its time
        coming = threading.Thread(target=taken_in, args=(home, file))
        coming.start()
        deadline = time.monotonic() + 20
        while len([*home.blobs.glob("??/*")]) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        make_older(home.blobs, home.leases)
        with reading(home) as connection:
            swept = sweep_blobs(home, connection)
    coming.join()
    assert (swept.files, swept.spared) == (0, 4)
    with reading(home) as connection:
        assert examine(connection, home, ID, None).is_intact
    assert not is_running(home, ID)


def test_what_is_left_of_an_import_that_failed_is_swept_away(home: Home, file: Path) -> None:
    parts = unpacked(file)
    with open_log(home) as log:
        Recorder(log, home, ID)
    with pytest.raises(UsageError):
        taken_in(home, packed(parts, file))
    make_older(home.blobs)
    with reading(home) as connection:
        assert sweep_blobs(home, connection).files == 4
    assert not [*home.leases.iterdir()]


def test_a_session_that_is_being_run_is_not_imported(home: Home, file: Path) -> None:
    with Lease(home, ID), pytest.raises(BusyError, match=str(os.getpid())):
        taken_in(home, file)
    assert not home.blobs.exists()
