"""``rm``, ``prune`` and ``du`` as a person and a script use them, where no Docker was ever used."""

import os
import re
import shutil
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pexpect
import pytest

from agentctl.events.content import text_block
from agentctl.events.local import LocalForked
from agentctl.events.user import UserMessage
from agentctl.paths import Home
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.leases import Lease
from agentctl.store.rows import list_sessions
from tests.cli.program import ROOT, agentctl
from tests.cli.store_page import described
from tests.kit import FixedClock, Recorder, analysis, open_log

LARGE = "words " * 20_000


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sessions at different times, the first with a fork, the last with a large message and outputs."""
    home = Home(tmp_path_factory.mktemp("kept") / "home")
    with open_log(home) as log:
        parent = Recorder(log, home, "parent", FixedClock(), sandbox={"kind": "none"})
        parent.user("go")
        parent.rest()
        at = parent.records()[-1]
        of = {"parent": "parent", "at": at.seq, "at_hash": at.hash, "agentctl_version": "0"}
        log.append("child", [parent.make(LocalForked, session_id="child", **of)])
        for number, name in enumerate(("middle", "last")):
            clock = FixedClock()
            clock.pass_by((number + 1) * 86_400)
            analysis(Recorder(log, home, name, clock, sandbox={"kind": "none"}))
        log.append("last", [parent.make(UserMessage, content=[text_block(LARGE)], processed_at=None)])
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    return Home(own_home)


def make_old(home: Home) -> None:
    then = time.time() - 40 * 86_400
    for path in [*home.blobs.rglob("*"), *home.logs.rglob("*"), *home.builds.rglob("*")]:
        if path.is_file():
            os.utime(path, (then, then))


def ids(home: Home) -> list[str]:
    with reading(home) as connection:
        return [row.id for row in list_sessions(connection).rows]


def removed(body: dict[str, Any], kind: str) -> list[str]:
    return [each["name"] for each in body["removed"] if each["kind"] == kind]


def test_rm_removes_a_session_for_good(home: Home) -> None:
    make_old(home)
    assert agentctl("search", "wettest").code == 0
    body = agentctl("rm", "last", "--yes", "-o", "json").json
    described(body)
    assert [each["session_id"] for each in body["removed"]] == ["last"]
    assert (body["blobs"]["files"], body["blobs"]["spared"]) == (1, 0), "outputs are the other session's too"
    assert ids(home) == ["middle", "child", "parent"]
    assert {hit["session_id"] for hit in agentctl("search", "wettest", "-o", "jsonl").lines} == {"middle"}
    said = agentctl("rm", "middle", "-y").out.splitlines()
    assert re.fullmatch(r"removed session middle: 54 events, \d+ kB", said[0])
    assert re.fullmatch(r"removed 3 blobs that nobody else names: \d+ kB", said[1])


def test_rm_asks_nobody_where_nobody_can_be_asked(home: Home) -> None:
    done = agentctl("rm", "last")
    assert done.code == 2
    assert "--yes" in done.err
    assert len(ids(home)) == 4


def test_rm_refuses_what_runs_and_what_others_need(home: Home) -> None:
    with Lease(home, "last"):
        done = agentctl("rm", "last", "middle", "--yes")
    assert done.code == 9
    assert "agentctl interrupt last" in done.err
    done = agentctl("rm", "parent", "--yes")
    assert done.code == 2
    assert "--forks" in done.err
    assert len(ids(home)) == 4
    assert agentctl("rm", "parent", "--forks", "--yes").code == 0
    assert ids(home) == ["last", "middle"]


def test_rm_on_a_terminal_takes_no_for_an_answer(home: Home) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    for answer, left in (("n", 4), ("y", 3)):
        child = pexpect.spawn(sys.executable, ["-m", "agentctl", "rm", "last"], env=environ, timeout=120)
        child.expect(r"Remove 1 session for good\?")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert (child.exitstatus, len(ids(home))) == (int(answer == "n"), left)


def test_prune_takes_no_session_unless_it_is_told_which(home: Home) -> None:
    for words in (["--sessions"], ["--keep", "2"], ["--sessions", "--max-size", "much"]):
        assert agentctl("prune", *words).code == 2, words
    assert len(ids(home)) == 4


def test_prune_by_number_age_and_size(home: Home) -> None:
    make_old(home)
    dry = agentctl("prune", "--sessions", "--keep", "2", "--dry-run", "-o", "json").json
    assert removed(dry, "session") == ["child", "parent"]
    assert len(ids(home)) == 4
    with Lease(home, "child"):
        assert removed(agentctl("prune", "--sessions", "--keep", "2", "-o", "json").json, "session") == []
    done = agentctl("prune", "--sessions", "--keep", "2", "-o", "json").json
    assert (removed(done, "session"), done["dry_run"]) == (["child", "parent"], False)
    assert done["removed"] == dry["removed"]
    described(done)
    said = agentctl("prune", "--sessions", "--max-size", "6k").out.splitlines()
    assert [line.split(":")[0] for line in said[:2]] == ["removed session middle", "removed session last"]
    assert said[-1].startswith(("made", "gave"))
    assert ids(home) == []


def test_a_dry_run_says_what_a_real_one_does(home: Home) -> None:
    make_old(home)
    words = ["prune", "--sessions", "--keep", "0", "--blobs", "-o", "json"]
    dry, real = agentctl(*words, "--dry-run").json, agentctl(*words).json
    assert removed(dry, "session") == removed(real, "session") == ["child", "parent", "middle", "last"]
    sizes = [sum(each["size"] for each in body["removed"]) for body in (dry, real)]
    assert sizes[0] == sizes[1] == dry["size"]
    assert list(Blobs(home.blobs).stored()) == []


def test_prune_removes_what_nobody_needs(home: Home) -> None:
    Blobs(home.blobs).put([b"nobody's"])
    for folder, name in ((home.logs, "gone.log"), (home.logs, "last.log"), (home.builds, "0a1b.log")):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("printed")
    assert agentctl("search", "wettest").code == 0
    make_old(home)
    body = agentctl("prune", "-o", "json").json
    assert removed(body, "log") == [str(home.logs / "gone.log")]
    assert removed(body, "blobs") == [str(home.blobs)]
    assert body["size"] == len("printed") + len("nobody's")
    body = agentctl("prune", "--builds", "--logs", "--search", "--older-than", "30d", "-o", "json").json
    assert [each["kind"] for each in body["removed"]] == ["log", "build", "search"]
    assert removed(body, "log") == [str(home.logs / "last.log")]
    assert not home.search.exists()
    assert len(ids(home)) == 4


def test_du_says_what_takes_how_much(home: Home) -> None:
    Blobs(home.blobs).put([b"nobody's"])
    body = agentctl("du", "-o", "json").json
    described(body)
    assert body["home"] == str(home.root)
    assert body["blobs"]["texts"] == {"files": 1, "size": len(LARGE)}
    assert body["blobs"]["outputs"]["files"] == 3
    assert body["blobs"]["unnamed"] == {"files": 1, "size": len("nobody's")}
    assert body["database"]["size"] > 100_000
    assert (body["checkpoints"], body["images"], body["trouble"]) == (None, None, None)
    assert body["sessions"][0]["session_id"] == "last"
    assert body["sessions"][0]["size"] > len(LARGE)
    lines = agentctl("du").out.splitlines()
    assert any(re.match(r"blobs: texts\s+120 kB", line) for line in lines)
    assert any(line.startswith("last ") for line in lines)


def test_du_of_a_store_that_is_not_there(own_home: Path) -> None:
    assert agentctl("du").code == 0
    assert agentctl("prune", "--sessions", "--keep", "0").out == "there is nothing to remove\n"
    assert agentctl("rm", "one", "--yes").code == 2


def test_prune_tells_what_went_before_the_store_failed(home: Home) -> None:
    with sqlite3.connect(home.database) as connection:
        connection.execute(
            "CREATE TRIGGER fails BEFORE DELETE ON sessions WHEN OLD.id = 'last' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    connection.close()
    done = agentctl("prune", "--sessions", "--keep", "0", "-o", "json")
    assert done.code == 8
    assert len(done.lines) == 1
    assert "last" not in removed(done.json, "session") != []
    assert "the other sessions stay" in done.json["troubles"][0]
    assert done.json["troubles"][0] in done.err
    assert agentctl("rm", "last", "--yes").code == 8
