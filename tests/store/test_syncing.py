"""Which writes wait for the disk: all of them, or only those that no power cut may take."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agentctl.events.make import Maker
from agentctl.events.session import SessionStatusIdle
from agentctl.ids import SystemClock
from agentctl.paths import Home
from agentctl.store.anchors import read_anchor
from agentctl.store.database import Database
from agentctl.store.events import SqliteEventLog
from agentctl.store.migrations import migrate
from tests.agents import TESTER
from tests.cli.program import ROOT, agentctl
from tests.store.words import created, message

NORMAL, FULL = 1, 2
"""Numbers of SQLite: a commit waits for the disk with the latter (sqlite.org/pragma.html#pragma_synchronous)."""


@pytest.mark.parametrize(
    ("synced", "levels"), [(True, [FULL, FULL, FULL, FULL]), (False, [NORMAL, NORMAL, FULL, NORMAL])]
)
def test_what_can_be_made_again_waits_for_the_disk_only_where_it_comes_to_rest(
    home: Home, synced: bool, levels: list[int]
) -> None:
    idle = Maker(SystemClock())(SessionStatusIdle, stop_reason={"type": "end_turn"})
    found: list[int] = []
    with closing(Database(home, migrate, synced=synced)) as database:

        def look() -> None:
            """Called in the transaction of each append."""
            with database.reading() as connection:
                found.append(connection.execute("PRAGMA synchronous").fetchone()[0])

        log = SqliteEventLog(home, database, look)
        for events in ([created("sesn_1")], [message("one")], [message("two"), idle], [message("three")]):
            log.append("sesn_1", events)
    assert found == levels
    anchor = read_anchor(home, "sesn_1")
    assert anchor is not None
    assert anchor.seq == 4


def test_a_rerun_from_the_record_alone_does_not_wait_for_the_disk_at_each_step(home: Home, tmp_path: Path) -> None:
    steps = 12
    (tmp_path / "agent.yaml").write_text(TESTER)
    calls = (f"- tools: [{{name: bash, input: {{command: echo {step}}}}}]\n" for step in range(steps))
    (tmp_path / "script.yaml").write_text("".join([*calls, "- text: Done.\n"]))
    script = f"script:{tmp_path / 'script.yaml'}"
    done = agentctl("run", tmp_path / "agent.yaml", "go", "--sandbox", "none", "--session", "kept", "--model", script)
    assert done.code == 0, done.err
    trace = tmp_path / "trace"
    command = ["strace", "-o", str(trace), "-e", "trace=fdatasync", sys.executable, "-m", "agentctl", "rerun", "kept"]
    again = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert again.stdout.startswith("reproduced\n"), again.stderr
    assert 0 < trace.read_text().count("fdatasync(") < steps
    assert agentctl("verify", "@").code == 0
