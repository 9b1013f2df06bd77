"""Whatever somebody puts into a store, ``verify`` names it in a line and ends: no traceback, and no wait."""

import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.canonical import canonical_json
from agentctl.cli.blaming import understood
from agentctl.events.large import chained
from agentctl.paths import Home
from agentctl.store.anchors import read_anchor
from tests.cli.program import agentctl
from tests.store.test_integrity import FORK, ID, change
from tests.store.test_integrity import recorded as recorded  # noqa: PLC0414 - a fixture

END = "says where it ends"
DEEP = "[" * 50_000 + "]" * 50_000


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    (own_home / "verify.key").unlink()
    return Home(own_home)


def rewritten(edit: Callable[[int, str], str]) -> Callable[[Home], None]:
    """Change events, and every hash, the index and the anchor with them: only what they say is wrong."""

    def deed(home: Home) -> None:
        with sqlite3.connect(home.database) as connection:
            connection.execute("DROP TRIGGER events_no_update")
            rows = connection.execute("SELECT rowid, seq, body, blobs FROM events WHERE session = 1 ORDER BY seq")
            former = ""
            for number, seq, body, taken in rows.fetchall():
                text = edit(seq, body)
                former = chained(former, text, taken)
                connection.execute("UPDATE events SET body = ?, hash = ? WHERE rowid = ?", (text, former, number))
            connection.execute("UPDATE sessions SET head_hash = ? WHERE key = 1", (former,))
        place = home.anchors / f"{ID}.json"
        place.write_text(canonical_json({**json.loads(place.read_text()), "hash": former}))

    return deed


def fifth(text: str) -> Callable[[Home], None]:
    return rewritten(lambda seq, body: text if seq == 5 else body)


def edited(pattern: str, text: str) -> Callable[[Home], None]:
    return rewritten(lambda _, body: re.sub(pattern, text, body, count=1))


def content(home: Home, data: bytes) -> Path:
    return next(path for path in home.blobs.rglob("*") if path.is_file() and path.read_bytes() == data)


def replaced_by(make: Callable[[Path], object], place: Callable[[Home], Path]) -> Callable[[Home], None]:
    def deed(home: Home) -> None:
        path = place(home)
        path.unlink()
        make(path)

    return deed


def three(home: Home) -> Path:
    return content(home, b"three")


def anchor(home: Home) -> Path:
    return home.anchors / f"{ID}.json"


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


SAID: dict[str, tuple[Callable[[Home], object], str]] = {
    "an event that is a list": (fifth("[1]"), "#5"),
    "an event that is nested deeply": (fifth(f'{{"type":"x.y","id":"sevt_d","a":{DEEP}}}'), "#5"),
    "an event with a huge number": (fifth(f'{{"type":"x.y","id":"sevt_d","a":{"9" * 5_000}}}'), "#5"),
    "an event with what is no number": (fifth('{"type":"x.y","id":"sevt_d","a":NaN}'), "#5"),
    "changes that are none": (edited(r'"changes":\[', r'"changes":[7,'), "changes is not of the type"),
    "outputs that are none": (edited(r'"files":\[\{', r'"files":["x",{'), "files is not of the type"),
    "a message that is none": (edited(r'"content":\[', r'"content":7,"x":['), "cannot be read"),
    "contents that are a pipe": (replaced_by(os.mkfifo, three), "no regular file"),
    "contents that never end": (replaced_by(zeros, three), "cannot be read"),
    "contents that are a folder": (replaced_by(os.mkdir, three), "cannot be read"),
    "a string that fills the memory": (lambda home: os.truncate(content(home, b"x" * 70_000), 2 << 30), "larger"),
    "an anchor that is a pipe": (replaced_by(os.mkfifo, anchor), END),
    "an anchor that never ends": (replaced_by(zeros, anchor), END),
    "an anchor that is nested deeply": (lambda home: anchor(home).write_text(DEEP), END),
    "an anchor without an end": (lambda home: anchor(home).write_text('{"seq":1e999,"hash":"x"}'), END),
    "an anchor elsewhere": (lambda home: anchor(home).write_text('{"seq":3,"hash":"x"}'), "#3"),
}  # fmt: skip


@pytest.mark.parametrize("how", SAID)
def test_what_was_put_into_a_store_is_named_in_a_line(home: Home, how: str) -> None:
    deed, said = SAID[how]
    deed(home)
    done = agentctl("verify", ID)
    first = done.out.splitlines()[0]
    assert (done.code, done.err) == (1, "")
    assert first.startswith("intact    no  ")
    assert said in first


@pytest.mark.parametrize("text", ["[1]", DEEP])
def test_an_event_that_is_none_is_named_by_who_comes_to_it(home: Home, text: str) -> None:
    rewritten(lambda seq, body: text if "local.input_processed" in body else body)(home)
    done = agentctl("events", ID, "-o", "jsonl")
    first, *_ = done.err.splitlines()
    assert done.code == 8
    assert re.fullmatch(f"agentctl: event #[0-9]+ of {ID} is damaged: it cannot be read .*", first)


def test_an_event_that_names_no_others_as_taken_up_keeps_nobody_from_reading(home: Home) -> None:
    none = '{"type":"local.input_processed","event_ids":7}'
    rewritten(lambda seq, body: none if "local.input_processed" in body else body)(home)
    done = agentctl("events", ID, "-o", "jsonl")
    assert (done.code, done.err) == (0, "")


LIES = {
    "changes that are a number": edited(r'"changes":\[.*?\](?=,"(?:id|cut)")', '"changes":7'),
    "a message that is no JSON": edited(r'"raw":"\{', '"raw":"{{'),
    "a time that is a number": edited(r'"processed_at":"[^"]*"', '"processed_at":7'),
    "text that is an object": edited(r'"text":"(?:[^"\\]|\\.)*"(?=.*"type":"agent.message")', '"text":{"q":7}'),
    "a kind of sandbox that is a list": edited(r'("sandbox":\{.*?"kind":)"[a-z]*"', r"\1[7]"),
}


@pytest.mark.parametrize("how", LIES)
def test_an_event_that_is_not_what_its_type_says_is_named_by_who_cannot_go_on_with_it(
    home: Home, tmp_path: Path, how: str
) -> None:
    LIES[how](home)
    verified = agentctl("verify", ID, "-o", "json").json
    damaged = verified["first_damage"]["event"]
    assert verified["intact"] is False
    commands = [["show"], ["replay"], ["replay", "--html", str(tmp_path / "page.html")], ["diff", ID], ["files"]]
    codes = set()
    for command, *options in [*commands, ["export", "-d", str(tmp_path)]]:
        done = agentctl(command, ID, *options)
        codes.add(done.code)
        assert done.code in (0, 1, 8), (command, done.err)
        if done.code == 8:
            first, hint = done.err.splitlines()
            assert first.startswith(f"agentctl: event #{damaged} of {ID} is damaged: "), command
            more = f"what comes before it can be had with: agentctl export {ID} --salvage"
            assert hint == (f"  {more}" if command == "export" else f"  see: agentctl verify {ID}")
    assert 8 in codes


@pytest.mark.parametrize("how", [*LIES, "a message without content"])
def test_salvage_leaves_with_all_before_an_event_that_is_not_what_its_type_says(
    home: Home, tmp_path: Path, how: str
) -> None:
    {**LIES, "a message without content": edited(r'"content":(?=.*"type":"agent.message")', '"contents":')}[how](home)
    found = agentctl("verify", ID, "-o", "json").json["first_damage"]
    done = agentctl("export", ID, "-d", tmp_path, "--salvage", "-o", "json")
    damaged = found["event"] if found else done.json["sessions"][0]["events"] + 1
    if damaged == 1:
        assert (done.code, list(tmp_path.glob("*.agentctl"))) == (8, [])
        return
    (saved,) = done.json["sessions"]
    assert (done.code, saved["events"]) == (8, damaged - 1)
    assert saved["damage"].startswith(f"event #{damaged} of {ID} is damaged: it is not what its type says")
    assert "saved is what comes before it" in done.err
    other = str(tmp_path / "other")
    assert agentctl("import", saved["file"], AGENTCTL_HOME=other).code == 0
    assert agentctl("events", ID, "-o", "json", AGENTCTL_HOME=other).code == 0


@pytest.mark.parametrize("command", ["fork", "send", "rerun", "approve"])
def test_and_so_do_those_that_would_go_on_with_the_session(home: Home, command: str) -> None:
    LIES["a message that is no JSON"](home)
    done = agentctl(command, ID, *(["hello"] if command == "send" else []))
    assert done.code == 8
    assert done.err.splitlines()[-1] == f"  see: agentctl verify {ID}"
    assert " is damaged: it is not what its type says: local.model_response: raw is no JSON" in done.err


def test_a_failure_that_is_not_of_the_record_stays_one(recorded: Path, own_home: Path) -> None:
    shutil.copytree(recorded, own_home)
    with pytest.raises(ValueError, match="of somebody else"), understood(ID, FORK):
        raise ValueError("of somebody else")


@pytest.mark.parametrize(("column", "text"), [("stop_reason", "{"), ("usage", "7"), ("error", DEEP)])
def test_a_row_that_cannot_be_read_is_made_anew(home: Home, column: str, text: str) -> None:
    change(home, f"UPDATE sessions SET {column} = '{text}' WHERE key = 1")
    told = agentctl("show", ID)
    assert told.code == 8
    assert told.err.splitlines()[1] == f"  made anew from its events: agentctl verify --mend {ID}"
    verified = agentctl("verify", ID, "-o", "json").json
    assert verified["first_damage"]["what"] == f"the index says another {column} than the events"
    assert agentctl("verify", ID, "--mend", "-o", "json").json["intact"] is True
    assert agentctl("show", ID).code == 0


CYCLES = {
    "its own parent": ("UPDATE sessions SET parent = key WHERE key = 2", FORK, "#1"),
    "a circle": ("UPDATE sessions SET parent = 2, parent_seq = 5 WHERE key = 1", ID, "parent"),
    "no parent": ("UPDATE sessions SET parent = NULL, parent_seq = NULL WHERE key = 2", FORK, "#1"),
}


@pytest.mark.parametrize("how", CYCLES)
def test_a_link_to_a_parent_that_was_changed_is_named_and_nobody_goes_in_circles(home: Home, how: str) -> None:
    statement, session, said = CYCLES[how]
    change(home, "PRAGMA foreign_keys = OFF", statement)
    done = agentctl("verify", session)
    assert done.code == 1
    assert said in done.out.splitlines()[0]
    assert len(agentctl("ls", "--tree").out.splitlines()) == 3, "a head, and both sessions"
    assert agentctl("prune", "--sessions", "--keep", "1", "--dry-run").code == 0


def test_a_record_under_another_id_is_not_that_session_s(home: Home) -> None:
    change(home, f"UPDATE sessions SET id = 'renamed' WHERE id = '{ID}'")
    done = agentctl("verify", "renamed")
    assert done.code == 1
    assert f"#1 is the first that is not as it was written: the record is that of {ID}" in done.out
    assert agentctl("verify", ID).code == 8


@pytest.mark.parametrize("table", ["events", "sessions", "snapshots"])
def test_a_table_that_is_gone_is_a_damaged_store(home: Home, table: str) -> None:
    change(home, "PRAGMA foreign_keys = OFF", f"DROP TABLE {table}")
    done = agentctl("verify", ID)
    assert done.code == 8
    assert len(done.err.splitlines()) == 2
    assert "put back a copy" in done.err


@pytest.mark.parametrize("head", ["head_hash = 'x'", "head_seq = 7", "head_seq = 0, head_hash = ''"])
def test_what_only_the_index_says_otherwise_is_put_right(home: Home, head: str) -> None:
    change(home, f"UPDATE sessions SET {head}, title = 'forged', parent = 2, parent_seq = 5 WHERE key = 1")
    assert agentctl("verify", ID).code == 1
    assert agentctl("verify", ID, "--mend", "-o", "json").json["intact"] is True
    assert agentctl("verify", FORK, "-o", "json").json["intact"] is True
    known = read_anchor(home, ID)
    assert known is not None
    with sqlite3.connect(home.database) as connection:
        assert connection.execute("SELECT head_hash FROM sessions WHERE key = 1").fetchone() == (known.hash,)
