"""Many processes at once on one store: nothing is refused, nothing is lost, nothing is twice."""

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from agentctl.paths import Home
from tests.amount import amount
from tests.cli.program import agentctl, begin

RUNS, LOOKS = amount(15, 50), 5

SCRIPT = """\
- tools: [{name: bash, input: {command: "echo one"}}]
- tools: [{name: bash, input: {command: "echo two"}}]
- {expect: {result_text: two}, text: Done.}
"""


def test_many_runs_at_once_with_lists_and_gc_between_them(tmp_path: Path, own_home: Path) -> None:
    (tmp_path / "agent.yaml").write_text(
        "name: many\nmodel: claude-opus-5-5\ntools: [{type: agent_toolset_20260401}]\n"
    )
    (tmp_path / "script.yaml").write_text(SCRIPT)
    words = ["run", str(tmp_path / "agent.yaml"), "go", "--sandbox", "none", "-o", "json"]
    words += ["--model", f"script:{tmp_path / 'script.yaml'}"]
    assert begin(*words).communicate(timeout=120)[0]  # the store is made once; all the others meet in it
    runs, looks = [], []
    for number in range(RUNS):
        runs.append(begin(*words, stderr=subprocess.PIPE))
        if number % (RUNS // LOOKS) == 0:
            looks += [begin(look, "-o", "json", stderr=subprocess.PIPE) for look in ("ls", "gc")]
    ended = [(process.communicate(timeout=120), process.returncode) for process in [*looks, *runs]]
    assert [code for _, code in ended] == [0] * len(ended), [err for (_, err), code in ended if code]
    assert not [err for (_, err), _ in ended if "locked" in err]
    results = [json.loads(out) for (out, _), _ in ended[len(looks) :]]
    assert {result["text"] for result in results} == {"Done."}
    ids = {result["session_id"] for result in results}
    assert len(ids) == RUNS
    check_store(Home(own_home), ids)


def check_store(home: Home, ids: set[str]) -> None:
    with closing(sqlite3.connect(home.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*), count(DISTINCT id) FROM events").fetchall()[0] == (
            (count := connection.execute("SELECT sum(head_seq) FROM sessions").fetchone()[0]),
            count,
        )
    listed = agentctl("ls", "--all", "-o", "json").json["sessions"]
    assert {row["session_id"] for row in listed} >= ids
    assert len(listed) == RUNS + 1
    assert {row["stop_reason"]["type"] for row in listed} == {"end_turn"}
    assert len({row["events"] for row in listed}) == 1
    assert list(home.sandboxes.iterdir()) == []
