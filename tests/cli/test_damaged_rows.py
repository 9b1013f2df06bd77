"""One session that cannot be read hides no other, whichever command goes over all of them."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agentctl.paths import Home
from tests.cli.program import agentctl
from tests.kit import Recorder, analysis, open_log

GOOD, BAD = "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w", "own-id"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two sessions of the same course."""
    home = Home(tmp_path_factory.mktemp("recorded") / "home")
    with open_log(home) as log:
        for session_id in (GOOD, BAD):
            analysis(Recorder(log, home, session_id))
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    return Home(own_home)


def damage(home: Home, statement: str) -> None:
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER events_no_update")
        assert connection.execute(statement).rowcount == 1


BROKEN_ROW = f"UPDATE sessions SET usage = '{{broken' WHERE id = '{BAD}'"
OF_BAD = f"session = (SELECT key FROM sessions WHERE id = '{BAD}')"


def test_ls_lists_the_others_and_says_what_mends_the_row(home: Home) -> None:
    damage(home, BROKEN_ROW)
    for more in ([], ["--tree"]):
        done = agentctl("ls", *more)
        assert done.code == 8
        assert [line.split()[0] for line in done.out.splitlines()] == ["SESSION", "01kaf3m9"]
        (line,) = done.err.splitlines()
        assert line.startswith(f"agentctl: the row of session {BAD} in the index is damaged: ")
        assert line.endswith(f"agentctl verify --mend {BAD}")
    assert agentctl("verify", "--mend", BAD).out.startswith("intact    yes")
    assert agentctl("ls").code == 0


def test_ls_as_json_holds_the_others_alone(home: Home) -> None:
    damage(home, BROKEN_ROW)
    done = agentctl("ls", "-o", "json")
    assert (done.code, len(done.out.splitlines())) == (8, 1)
    assert [each["session_id"] for each in done.json["sessions"]] == [GOOD]
    assert done.json["damaged"] == [BAD]
    lines = agentctl("ls", "-o", "jsonl")
    assert (lines.code, [line["session_id"] for line in lines.lines]) == (8, [GOOD])


def test_a_damaged_row_that_is_not_asked_for_is_no_failure(home: Home) -> None:
    damage(home, f"UPDATE sessions SET usage = '[]' WHERE id = '{GOOD}'")
    done = agentctl("ls", "-n", "1")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "… 1 older session: agentctl ls --all"


def test_a_store_in_which_every_row_is_damaged_is_not_an_empty_one(home: Home) -> None:
    damage(home, f"UPDATE sessions SET error = '7' WHERE id = '{GOOD}'")
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute(BROKEN_ROW)
    done = agentctl("ls")
    assert (done.code, done.out, len(done.err.splitlines())) == (8, "", 2)


def test_du_weighs_the_others(home: Home) -> None:
    damage(home, BROKEN_ROW)
    done = agentctl("du", "-o", "json")
    assert done.code == 8
    assert [each["session_id"] for each in done.json["sessions"]] == [GOOD]
    assert f"agentctl verify --mend {BAD}" in done.err
    assert agentctl("du").out.count("database") == 1


def test_prune_needs_no_more_of_a_row_than_its_id(home: Home) -> None:
    damage(home, BROKEN_ROW)
    home.logs.mkdir()
    for name in (GOOD, BAD, "gone"):
        (home.logs / f"{name}.log").touch()
    assert agentctl("prune", "--logs").code == 0
    assert sorted(path.stem for path in home.logs.iterdir()) == sorted([GOOD, BAD])
    done = agentctl("prune", "--sessions", "--keep", "1", "-o", "json")
    assert (done.code, [each["kind"] for each in done.json["removed"]][:1]) == (0, ["session"])


@pytest.mark.parametrize("column", ["agent", "id"])
def test_a_text_that_is_no_utf8_is_shown_as_it_is(home: Home, column: str) -> None:
    damage(home, f"UPDATE sessions SET {column} = CAST(x'ff41' AS TEXT) WHERE id = '{BAD}'")
    for command in (["stats"], ["du"], ["search", "wettest"], ["prune", "--dry-run"]):
        done = agentctl(*command)
        assert (done.code, done.err) == (0, ""), command
    assert "\\xffA" in agentctl("ls").out
    assert len(agentctl("ls", "-o", "json").json["sessions"]) == 2


@pytest.mark.parametrize(
    "usage", ['{"local": 3, "active_seconds": 1e999}', '{"local": {"cost": [1]}, "active_seconds": "x"}']
)
def test_sums_that_are_none_are_left_out(home: Home, usage: str) -> None:
    damage(home, f"UPDATE sessions SET usage = '{usage}' WHERE id = '{BAD}'")
    assert agentctl("ls").code == 0
    body = json.loads(agentctl("ls", "-o", "json").out, parse_constant=pytest.fail)
    assert (body["sessions"][0]["cost"], body["sessions"][0]["active_seconds"]) == (None, None)


def test_an_id_that_no_file_can_have_keeps_nothing_from_being_listed(home: Home) -> None:
    damage(home, f"UPDATE sessions SET id = 'x' || char(0) || 'y' WHERE id = '{BAD}'")
    for command in (["ls"], ["prune", "--sessions", "--older-than", "90d", "--dry-run"], ["stats"]):
        assert agentctl(*command).code == 0, command


@pytest.mark.parametrize("change", ["body = '{broken'", "body = CAST(x'7bff7d' AS TEXT)"])
def test_an_event_that_cannot_be_read_hides_no_other_and_its_session_is_named(home: Home, change: str) -> None:
    whole = agentctl("search", "wettest", "-o", "json").json["total"]
    home.search.unlink()
    damage(home, f"UPDATE events SET {change} WHERE {OF_BAD} AND seq = 6")
    for command, what in ((["search", "wettest", "-o", "json"], "found"), (["stats", "-o", "json"], "counted")):
        done = agentctl(*command)
        assert (done.code, done.json["unreadable"]) == (0, 1), command
        assert done.err == f"1 event of {BAD} cannot be read, and so not be {what}; see: agentctl verify {BAD}\n"
    assert agentctl("search", "wettest", "-o", "json").json["total"] >= whole - 1


def test_a_page_that_went_bad_takes_one_session_with_it(home: Home) -> None:
    with open_log(home) as log:
        third = Recorder(log, home, "third")
        for what in [*["a zebra " * 60] * 30, "and no more zebras"]:
            third.user(what)
    data = home.database.read_bytes()
    page = data.index(b"and no more zebras") // 4096 * 4096
    home.database.write_bytes(data[:page] + b"\xff" * 4096 + data[page + 4096 :])
    done = agentctl("du", "-o", "json")
    assert done.code == 8
    assert {each["session_id"] for each in done.json["sessions"]} == {BAD, GOOD}
    line = "session third cannot be read: it is not counted, nor what its contents are; see: agentctl verify third"
    assert done.err == f"agentctl: {line}\n"
    for command in ("search", "stats"):
        others = agentctl(command, *(["wettest"] if command == "search" else []), "-o", "json")
        assert (others.code, others.json["unreadable"]) == (0, 1)
        assert others.err.startswith("1 event of third cannot be read, ")
    for command in (["prune", "--blobs"], ["prune", "--sessions", "--max-size", "1"]):
        assert agentctl(*command).code == 8  # nobody knows what is named there


def test_a_fork_of_what_is_not_there_is_counted_as_far_as_it_can_be(home: Home) -> None:
    damage(
        home,
        "UPDATE sessions SET parent = (SELECT min(key) FROM sessions), parent_seq = 9000000000000000000 "
        f"WHERE id = '{BAD}'",
    )
    done = agentctl("stats", "-o", "json")
    assert (done.code, done.json["unreadable"]) == (0, 1)
    assert done.json["total"]["sessions"] >= 1
