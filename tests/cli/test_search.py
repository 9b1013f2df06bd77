"""``search`` as a person and a script use it."""

import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agentctl.events.user import UserMessage
from agentctl.paths import Home
from agentctl.render.lines import cells
from tests.cli.program import ROOT, agentctl
from tests.cli.store_page import described
from tests.kit import Recorder, analysis, call, open_log, text

HOSTILE = "bait \x1b]0;owned\x07\x1b[2J\u202eevil\u202c [hook] \ud800"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("searched") / "home")
    with open_log(home) as log:
        analysis(Recorder(log, home, "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"))
        hostile = Recorder(log, home, "hostile", agent={"name": "other"})
        hostile.user("go")
        (run,) = hostile.answer(text("I look."), call("bash", command="cat bait"))
        hostile.run_tools(run)
        hostile.result(run, HOSTILE)
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    return Home(own_home)


def test_each_hit_is_a_line_with_what_was_found_marked(home: Home) -> None:
    done = agentctl("search", "wettest", "month", COLUMNS="110")
    assert done.code == 0
    first, second, third = done.out.splitlines()
    assert re.match(r"01kaf3m9  #50  \S+  agent\.message  ", first)
    assert re.match(r"01kaf3m9   #6  \S+  local\.model_response  The user wants the \[wettest\] \[month\]\.", second)
    assert re.match(r"01kaf3m9   #2  \S+  user\.message          Which \[month\] was the \[wettest\] in Seat", third)
    assert max(map(len, done.out.splitlines())) < 110


@pytest.mark.parametrize("columns", [50, 60, 80])
def test_what_was_found_is_seen_however_long_the_rest_is(home: Home, columns: int) -> None:
    name = "a-session-whose-name-is-rather-long-too"
    with open_log(home) as log:
        told = Recorder(log, home, name)
        told.user("go")
        before = "日本語 and what else is said before "
        told.answer(text(f"{before}needle and {'behind ' * 40}"), call("bash", command="ls"))
        told.user(f"{before * 5}needles-{'x' * 80}")
    for word, seen in (("needle", "[needle] "), ("needles", "[needles]")):
        done = agentctl("search", word, "--session", name, COLUMNS=str(columns))
        assert all(seen in line for line in done.out.splitlines()), done.out
        assert done.out
        assert max(map(cells, done.out.splitlines())) < columns


def test_nothing_found_is_a_no(home: Home) -> None:
    done = agentctl("search", "nowhere")
    assert (done.code, done.out, done.err) == (1, "", "nothing is found\n")
    body = agentctl("search", "nowhere", "-o", "json")
    assert (body.code, body.json["total"], body.json["hits"]) == (1, 0, [])


def test_what_cannot_be_asked_is_refused(home: Home) -> None:
    for words in (
        ["!!!"],
        ["word", "--since", "soon"],
        ["word", "--session", "nobody"],
        ["word", "--limit", "9" * 30],
        ["word", "--agent", "\udcff"],
    ):
        done = agentctl("search", *words)
        assert (done.code, done.out) == (2, ""), words
    done = agentctl("search", "word", "--type", "agent.mesage")
    assert done.err.startswith("agentctl: there is no event of type agent.mesage; did you mean agent.message?\n")
    done = agentctl("events", "hostile", "--type", "user.mesage")
    assert done.err.startswith("agentctl: there is no event of type user.mesage in session hostile; did you mean user.")


def test_words_that_begin_with_a_dash_are_left_out(home: Home) -> None:
    everything = agentctl("search", "weather", "-o", "json").json["total"]
    without = agentctl("search", "weather -csv", "-o", "json").json["total"]
    assert 0 < without < everything
    assert agentctl("search", "weather", "-csv", "-o", "json").json["total"] == without
    for words in (["-csv", "-nowhere", "weather"], ["-ojson", "weather", "-csv"], ["--", "-csv", "weather"]):
        done = agentctl("search", "-o", "json", *words)  # -nowhere is no -o where
        assert done.json["total"] == without, words


def test_an_option_without_its_value_is_said_so(home: Home) -> None:
    for words in (["--limit"], ["word", "-o"], ["word", "-o", "-csv"], ["word", "--nosuch", "-csv"]):
        done = agentctl("search", *words)
        assert (done.code, done.out) == (2, ""), words


def test_hostile_text_is_inert(home: Home) -> None:
    done = agentctl("search", "bait")
    assert done.code == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]", done.out)
    assert "\\x1b]0;owned" in done.out
    hits = agentctl("search", "bait", "-o", "jsonl").lines
    assert any("\x1b]0;owned" in hit["text"] for hit in hits), "nothing is lost in JSON"


def test_json_says_where_and_marks_what(home: Home) -> None:
    body = agentctl("search", "dt accessor", "-o", "json", "--limit", "1").json
    assert (body["type"], body["schema"], body["query"], body["total"]) == (
        "search", "agentctl.search/1", "dt accessor", 1,
    )  # fmt: skip
    described(body)
    (hit,) = body["hits"]
    assert {hit["text"][begin:end] for begin, end in hit["marks"]} >= {"dt", "accessor"}
    assert (hit["session_id"], hit["event_type"]) == ("sesn_01kaf3m9x8rq2m4n6p8r0t2v4w", "agent.tool_result")
    (line,) = agentctl("search", "dt accessor", "-o", "jsonl").lines
    assert line == {"type": "hit", "schema": "agentctl.hit/1", **hit}


def test_a_search_can_be_narrowed_to_a_session_and_its_past(home: Home) -> None:
    narrowed = ["--session", "hostile", "--agent", "other", "--type", "agent.*", "--since", "2026-11-20"]
    (hit,) = agentctl("search", "bash", *narrowed, "-o", "json").json["hits"]
    assert (hit["session_id"], hit["agent"]) == ("hostile", "other")
    assert agentctl("search", "bash", "--since", "2030-01-01").code == 1


def test_events_that_cannot_be_read_are_told(home: Home) -> None:
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute("UPDATE events SET body = '{' WHERE session = 2 AND seq = 2")
        connection.commit()
    done = agentctl("search", "wettest")
    assert done.code == 0
    assert done.err.startswith("1 event of hostile cannot be read")


def test_a_store_that_is_empty_or_not_there_has_nothing(own_home: Path) -> None:
    assert agentctl("search", "word").code == 1
    assert not own_home.exists(), "looking makes nothing"


def test_on_a_terminal_the_first_search_says_how_far_it_is(home: Home) -> None:
    with open_log(home) as log:
        long = Recorder(log, home, "long")
        for _ in range(3):
            log.append("long", [long.make(UserMessage, content=[text(f"number {each}")]) for each in range(1700)])
    master, slave = pty.openpty()
    try:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
        words = [sys.executable, "-m", "agentctl", "search", "number"]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=slave, env=environ, check=False, timeout=60)
        os.close(slave)
        told = os.read(master, 65536).decode()
    finally:
        os.close(master)
    assert done.returncode == 0
    assert re.search(r"\rreading the record: [\d,]+ events left", told)
    assert told.endswith("\r\x1b[K")
