"""Search reads what was recorded since it was asked last, all of it and once, and never fails over what is asked."""

import contextlib
import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentctl.errors import UsageError
from agentctl.events.codec import known_types
from agentctl.events.local import LocalFilesChanged, LocalForked
from agentctl.events.session import SessionError
from agentctl.paths import Home
from agentctl.session.words import SILENT
from agentctl.store import indexing
from agentctl.store.database import reading
from agentctl.store.query import matching
from agentctl.store.reckoned import reckoned
from agentctl.store.search import Found, Hit, SearchIndex, Wanted, forget_sessions
from tests.kit import Recorder, analysis, call, open_log, text, thinking


def search(home: Home, said: str, limit: int = 100, **narrowed: object) -> Found:
    with reading(home) as connection, closing(SearchIndex(home, connection)) as index:
        index.catch_up()
        return index.search(Wanted(matching(said), **narrowed), limit)  # type: ignore[arg-type]


def places(found: Found) -> list[tuple[str, int]]:
    return [(hit.session_id, hit.seq) for hit in found.hits]


def marked(hit: Hit) -> list[str]:
    return [hit.text[begin:end] for begin, end in hit.marks]


def said(home: Home, *messages: str, session_id: str = "one") -> Recorder:
    with open_log(home) as log:
        recorder = Recorder(log, home, session_id)
        for message in messages:
            recorder.clock.pass_by(1)
            recorder.user(message)
        return recorder


def test_whatever_a_session_says_is_found_where_it_is_said(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, "one", title="the weather report")
        recorder.user("Which month was the wettest?")
        (run,) = recorder.answer(
            thinking("perhaps pluviometry"), text("I look."), call("bash", command="grep -c rain weather.csv")
        )
        recorder.run_tools(run)
        recorder.result(run, "permission denied", exit_code=1)
        recorder.add(LocalFilesChanged, changes=[{"path": "/workspace/chart.png", "change": "created", "kind": "file"}])
        recorder.add(SessionError, error={"type": "overloaded_error", "message": "come back later"})
        recorder.answer(text("**March** it was."))
        recorder.rest("refusal", details={"explanation": "unbecoming"})
    expected = {
        "report": "local.session_created",
        "wettest": "user.message",
        "pluviometry": "local.model_response",
        "look": "agent.message",
        "weather.csv": "agent.tool_use",
        '"permission denied"': "agent.tool_result",
        "chart": "local.files_changed",
        "overloaded_error": "session.error",
        "march": "agent.message",
        "unbecoming": "session.status_idle",
    }
    assert {word: [hit.type for hit in search(home, word).hits] for word in expected} == {
        word: [kind] for word, kind in expected.items()
    }


def test_events_that_are_passed_over_are_known_and_say_nothing() -> None:
    assert set(SILENT) <= known_types()
    assert "agent.message" not in SILENT


def test_words_phrases_beginnings_and_what_must_not_be_there(home: Home) -> None:
    said(home, "the disk is full", "the full disk was replaced", "Ärger mit der Festplatte")

    def numbers(words: str) -> int:
        return search(home, words).total

    assert numbers("disk full") == 2
    assert numbers('"disk is full"') == 1
    assert numbers("disk -replaced") == 1
    assert numbers('full -"full disk"') == 1
    assert numbers("repl*") == 1
    assert numbers('"full di*"') == 0, "in a phrase the star is text"
    assert numbers('"full di"*') == 1
    assert numbers("DISK") == 2
    assert numbers("arger") == 1
    assert numbers("disk nowhere") == 0


def test_characters_that_are_written_without_spaces_are_found_in_the_middle(home: Home) -> None:
    said(home, "请检查磁盘空间", "ディスクがいっぱいです")
    (hit,) = search(home, "磁盘").hits
    assert hit.text == "请检查磁盘空间"
    assert search(home, "いっぱい").total == 1
    assert search(home, "盘磁").total == 0


def test_a_hit_says_where_the_words_are(home: Home) -> None:
    said(home, "before " * 100 + "the needle, and a second needle " + "behind " * 100)
    (hit,) = search(home, "needle").hits
    assert marked(hit) == ["needle", "needle"]
    assert len(hit.text) < 300


def test_marks_of_our_own_in_a_text_are_not_taken_for_ours(home: Home) -> None:
    said(home, "a \x01false\x02 mark \x1f and a true one \x00 \ud800")
    (hit,) = search(home, "true").hits
    assert marked(hit) == ["true"]
    assert "\x01" not in hit.text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=40), st.text('ab"*-()^:{}+ANDORNOT ', max_size=40)))
def test_nothing_that_a_person_writes_is_an_error_of_syntax(home: Home, asked: str) -> None:
    if not home.database.exists():
        said(home, "a b AND")
    with contextlib.suppress(UsageError):  # in words; sqlite3 would have raised another error
        search(home, asked)


@pytest.mark.parametrize("asked", ["", "!!! ***", "-word", '""', "word " * 65])
def test_what_cannot_be_looked_for_is_refused_in_words(asked: str) -> None:
    with pytest.raises(UsageError):
        matching(asked)


def test_only_what_is_new_is_read(home: Home) -> None:
    said(home, "first words")
    assert search(home, "first").total == 1
    with open_log(home) as log:
        analysis(Recorder(log, home, "two"))
    told: list[int] = []
    with reading(home) as connection, closing(SearchIndex(home, connection)) as index:
        index.catch_up(told.append)
        assert index.search(Wanted(matching("wettest")), 100).total > 0
    rows = reckoned(home).use(lambda file: file.execute("SELECT count(*), count(DISTINCT id) FROM places").fetchone())
    assert rows[0] == rows[1]
    assert search(home, "first").total == 1


def test_a_long_record_is_read_in_pieces_and_none_is_left_out(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentctl.store.search._BATCH_EVENTS", 7)
    monkeypatch.setattr("agentctl.store.indexing._READ", indexing._READ.replace("LIMIT 256", "LIMIT 3"))
    for name in ("one", "two"):
        said(home, *(f"word{number}" for number in range(20)), session_id=name)
    left: list[int] = []
    with reading(home) as connection, closing(SearchIndex(home, connection)) as index:
        index.catch_up(left.append)
    assert left == sorted(left, reverse=True)
    assert len(left) > 2
    assert search(home, "word*").total == 40


def test_the_past_that_a_fork_shares_is_found_once(home: Home) -> None:
    recorder = said(home, "shared words", session_id="parent")
    with open_log(home) as log:
        past = list(log.read("parent"))
        of = {"parent": "parent", "at": past[1].seq, "at_hash": past[1].hash, "agentctl_version": "0"}
        log.append("child", [recorder.make(LocalForked, session_id="child", **of)])
        log.append("child", [recorder.make(SessionError, error={"type": "own", "message": "own words"})])
    assert places(search(home, "shared")) == [("parent", 2)]
    assert [name for name, _ in places(search(home, "words"))] == ["child", "parent"]


def test_hits_are_narrowed_down_by_type_agent_and_time(home: Home) -> None:
    with open_log(home) as log:
        analysis(Recorder(log, home, "one"))
        other = Recorder(log, home, "two", agent={"name": "other"})
        other.clock.pass_by(3600)
        other.user("the report, please")
    everything = search(home, "report")
    assert {hit.session_id for hit in everything.hits} == {"one", "two"}
    assert {hit.session_id for hit in search(home, "report", agent="other").hits} == {"two"}
    assert {hit.type for hit in search(home, "report", types=("agent.tool_*",)).hits} == {"agent.tool_use"}
    assert {hit.session_id for hit in search(home, "report", since="2026-11-20T10:00:00.000000Z").hits} == {"two"}
    newest = search(home, "report", limit=1)
    assert (newest.hits[0].session_id, newest.total) == ("two", everything.total)


def test_an_index_that_is_damaged_or_of_another_version_is_made_anew(home: Home) -> None:
    said(home, "the words")
    assert search(home, "words").total == 1
    for damage in (_garbage, _cut_short, _without_a_table, _of_the_future, Path.unlink):
        damage(home.search)
        assert search(home, "words").total == 1, damage


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _without_a_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE places")


def _of_the_future(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def test_a_record_that_was_replaced_by_another_is_read_anew(home: Home, tmp_path: Path) -> None:
    said(home, "old words")
    assert search(home, "old").total == 1
    index = home.search.read_bytes()
    home.database.unlink()
    said(home, "new words")
    home.search.write_bytes(index)
    assert (search(home, "old").total, search(home, "new").total) == (0, 1)


def test_what_was_removed_is_forgotten(home: Home) -> None:
    said(home, "secret words", session_id="one")
    said(home, "other words", session_id="two")
    assert search(home, "words").total == 2
    forget_sessions(home, ["one"])
    left = reckoned(home).use(lambda file: file.execute("SELECT text FROM words").fetchall())
    assert [text for (text,) in left] == ["other words"]


def test_an_event_that_cannot_be_read_is_told_and_the_others_are_found(home: Home) -> None:
    said(home, "one", "damaged", "three")
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute("UPDATE events SET body = 'rubbish' WHERE body LIKE '%damaged%'")
        connection.commit()
    found = search(home, "three")
    assert (found.total, found.unreadable) == (1, 1)


def test_where_nothing_can_be_written_it_is_searched_all_the_same(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    said(home, "the words")
    monkeypatch.setattr("agentctl.store.rebuildable._NOT_WRITABLE", (21,))  # root may write anywhere: a folder is not
    home.search.with_suffix(".lock").mkdir()
    assert search(home, "words").total == 1
    assert not home.search.exists()


def _search_and_write(root: Path, number: int) -> int:
    home = Home(root)
    said(home, f"common words of {number}", session_id=f"session{number}")
    return search(home, "common").total


def test_many_search_and_write_at_once(home: Home) -> None:
    said(home, "common words of nobody")
    with multiprocessing.get_context("fork").Pool(12) as pool:
        seen = pool.starmap(_search_and_write, [(home.root, number) for number in range(50)])
    assert min(seen) >= 2
    assert search(home, "common").total == 51
    with closing(sqlite3.connect(home.search)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
