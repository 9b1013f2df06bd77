"""Several connections of one process to one store: SQLite's locks stay theirs, whoever comes and goes beside them."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agentctl.errors import StoreError
from agentctl.paths import Home
from agentctl.store.database import Database
from agentctl.store.events import SqliteEventLog
from agentctl.store.migrations import migrate
from tests.cli.program import ROOT
from tests.store.words import created, message

COME_AND_GO = """
import sys
from contextlib import closing
from pathlib import Path
from agentctl.paths import Home
from agentctl.store.database import Database
from agentctl.store.events import SqliteEventLog
from agentctl.store.migrations import migrate
from tests.store.words import created
home = Home(Path(sys.argv[1]))
with closing(Database(home, migrate)) as database:
    log = SqliteEventLog(home, database)
    log.append(sys.argv[2], [created(sys.argv[2])])
    print(len(list(log.read("sesn_1"))))
"""


def come_and_go(home: Home, session_id: str) -> int:
    """Have another process write a session and end; return how many events it has seen of the first one."""
    command = [sys.executable, "-c", COME_AND_GO, str(home.root), session_id]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return int(subprocess.run(command, check=True, capture_output=True, timeout=60, env=environment).stdout)


def test_who_ends_takes_no_log_away_from_two_connections_of_another_process(home: Home) -> None:
    with closing(Database(home, migrate)) as first, closing(Database(home, migrate)) as second:
        log, beside = SqliteEventLog(home, first), SqliteEventLog(home, second)
        log.append("sesn_1", [created("sesn_1")])
        beside.append("sesn_1", [message("by the other connection")])
        assert come_and_go(home, "sesn_2") == 2
        assert home.database.with_name("agentctl.db-wal").exists()
        log.append("sesn_1", [message("by the first one")])
        assert come_and_go(home, "sesn_3") == 3
    with closing(Database(home, migrate)) as database, database.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT id FROM sessions ORDER BY key").fetchall() == [
            (f"sesn_{number}",) for number in (1, 2, 3)
        ]


def test_a_database_that_is_a_link_is_refused(home: Home, tmp_path: Path) -> None:
    home.root.mkdir(parents=True, exist_ok=True)
    home.database.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="symbolic links"):
        Database(home, migrate)
    assert not (tmp_path / "elsewhere").exists()
