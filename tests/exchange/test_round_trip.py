"""What leaves and comes back is what it was."""

import json
import sqlite3
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentctl.errors import StoreError, UsageError
from agentctl.events.content import text_block
from agentctl.events.local import LocalForked
from agentctl.events.user import UserMessage
from agentctl.paths import Home
from agentctl.redaction import KNOWN, Redactor
from agentctl.session.contents import named_contents
from agentctl.session.log import Record
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.integrity import examine
from tests.exchange.kit import ID, everything, sent, taken_in, unpacked
from tests.kit import Recorder, analysis, call, open_log, text
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node

TEXT = st.text(max_size=40) | st.sampled_from(["x" * 70_000, "é" * 40_000, "\ud800 half", "\x00\x1b[31m\u202e"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
TREE = st.dictionaries(st.sampled_from(["a", "b/c", "d"]), st.binary(max_size=9).map(Node), max_size=3)
STEPS = st.lists(
    st.tuples(st.just("say"), TEXT)
    | st.tuples(st.just("ask"), st.dictionaries(st.text(max_size=5), JSON, max_size=3))
    | st.tuples(st.just("act"), TREE)
    | st.tuples(st.just("make"), st.binary(min_size=1, max_size=20)),
    max_size=6,
)


def perform(recorder: FilesRecorder, step: tuple[str, Any]) -> None:
    kind, value = step
    if kind == "say":
        recorder.user(value)
    elif kind == "ask":
        (asked,) = recorder.answer(call("bash", command="x") | {"input": value})
        recorder.result(asked, json.dumps(value), exit_code=0)
    elif kind == "act":
        recorder.act("make", value)
    else:
        recorder.outputs(out_bin=value)


@settings(max_examples=15, deadline=None)
@given(STEPS, st.integers(0, 5))
def test_a_session_that_is_imported_is_the_one_that_was_exported(steps: list[tuple[str, Any]], at: int) -> None:
    with TemporaryDirectory() as folder:
        one, other = Home(Path(folder) / "one"), Home(Path(folder) / "other")
        with open_log(one) as log:
            recorder = FilesRecorder(log, one)
            recorder.begin({"a": Node(b"first")})
            for step in steps:
                perform(recorder, step)
            place = recorder.records()[at]
            log.append("a-fork", [fork_of(recorder, place.seq, place.hash), recorder.make(UserMessage, content=[])])
        files = [sent(one, Path(folder) / "out", name) for name in ("a-fork", ID)]
        assert [found.state for found in taken_in(other, *files)] == ["stored", "stored"]
        for name in (ID, "a-fork"):
            assert everything(other, name) == everything(one, name)
            assert sent(other, Path(folder) / "again", name).read_bytes() == sent(one, Path(folder), name).read_bytes()
            with reading(other) as connection:
                assert examine(connection, other, name, None).is_intact
                assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (2,)
        assert [found.state for found in taken_in(other, *files)] == ["there", "there"]


def fork_of(recorder: Recorder, at: int, at_hash: str) -> LocalForked:
    return recorder.make(
        LocalForked, session_id="a-fork", agentctl_version="0", parent=ID, at=at, at_hash=at_hash, title="other"
    )


@pytest.fixture
def home(own_home: Path) -> Home:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = FilesRecorder(log, home)
        recorder.begin({"a.py": Node(b"key = hunter2-but-long-enough\n"), "b.py": Node(b"two")}, "x" * 70_000)
        recorder.act("edit", {"a.py": Node(b"key = None\n"), "b.py": Node(b"hunter2-but-long-enough")})
        analysis(recorder)
    return home


def test_the_file_is_a_tar_that_anybody_can_open_and_the_same_each_time(home: Home, tmp_path: Path) -> None:
    file = sent(home, tmp_path)
    first = file.read_bytes()
    assert sent(home, tmp_path).read_bytes() == first
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        names = archive.getnames()
        lines = archive.extractfile("events.jsonl")
        assert lines is not None
        bodies = [json.loads(line) for line in lines]
    assert names[:2] == ["manifest.json", "events.jsonl"]
    assert names[2:] == sorted(set(names[2:]))
    assert [body["seq"] for body in bodies] == [*range(1, len(bodies) + 1)]
    assert bodies[-1]["hash"] == json.loads(unpacked(file)["manifest.json"])["head"]


def test_a_secret_that_became_known_later_does_not_leave(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # K14
    monkeypatch.setattr("agentctl.cli.export.KNOWN", Redactor({"hunter2-but-long-enough": "TOKEN"}))
    _, before = everything(home)
    file = sent(home, tmp_path)
    assert b"hunter2" not in file.read_bytes()
    manifest = json.loads(unpacked(file)["manifest.json"])
    assert manifest["redacted"]["names"] == ["TOKEN"]
    assert manifest["redacted"]["contents"] == 2
    assert manifest["redacted"]["original_head"] == before[-1].hash != manifest["head"]
    assert len(manifest["redacted"]["events"]) == 2
    other = Home(tmp_path / "other")
    taken_in(other, file)
    _, after = everything(other)
    same = [old.event == new.event for old, new in zip(before, after, strict=True)]
    assert [place + 1 for place, is_same in enumerate(same) if not is_same] == manifest["redacted"]["events"]
    contents = Blobs(other.blobs)
    for record in after:
        for digest in named_contents(record.event, contents):
            assert b"hunter2" not in contents.read(digest)
    assert KNOWN.text("hunter2-but-long-enough") == "hunter2-but-long-enough"


def test_a_session_that_went_on_is_gone_on_with_and_one_that_went_elsewhere_is_refused(
    home: Home, tmp_path: Path
) -> None:
    short, other = sent(home, tmp_path / "short"), Home(tmp_path / "other")
    taken_in(other, short)
    with open_log(home) as log:
        log.append(ID, [message("more")])
    long = sent(home, tmp_path / "long")
    assert taken_in(other, long)[0].state == "longer"
    assert everything(other) == everything(home)
    assert taken_in(other, short)[0].state == "there"
    with open_log(other) as log:
        log.append(ID, [message("elsewhere")])
    with open_log(home) as log:
        log.append(ID, [message("here")])
    before = everything(other)
    with pytest.raises(UsageError, match="another session"):
        taken_in(other, sent(home, tmp_path / "third"))
    assert everything(other) == before
    taken = taken_in(other, sent(home, tmp_path / "third"), as_id="mine")
    assert taken[0].session_id == "mine"
    row, records = everything(other, "mine")
    assert (row.id, row.events) == ("mine", len(records))
    assert [record.event for record in records[1:]] == [record.event for record in everything(home)[1][1:]]


def message(words: str) -> UserMessage:
    return UserMessage(id=f"sevt_{words}", content=[text_block(words)])


def test_of_a_damaged_record_what_comes_before_is_saved(home: Home, tmp_path: Path) -> None:  # S5
    _, before = everything(home)
    with sqlite3.connect(home.database) as connection:
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute("UPDATE events SET body = replace(body, '1462', '1463') WHERE body LIKE '%1462 seattle%'")
    gone = next(path for path in home.blobs.rglob("*") if path.is_file() and path.read_bytes() == b"two")
    gone.unlink()
    with pytest.raises(StoreError, match="blob"):
        sent(home, tmp_path)
    assert not list(tmp_path.glob("*.agentctl"))
    file = sent(home, tmp_path, salvage=True)
    manifest = json.loads(unpacked(file)["manifest.json"])
    assert "is damaged" in manifest["damage"]
    assert manifest["missing"] == [gone.name]
    other = Home(tmp_path / "other")
    taken_in(other, file)
    assert everything(other)[1] == before[: manifest["events"]]
    assert 5 < manifest["events"] < len(before)


def test_a_fork_alone_brings_the_past_that_it_shares(home: Home, tmp_path: Path) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, "parent")
        recorder.user("one")
        recorder.answer(text("two"))
        at = recorder.records()[2]
        forked = recorder.make(
            LocalForked, session_id="child", agentctl_version="0", parent="parent", at=3, at_hash=at.hash
        )
        log.append("child", [forked, message("own")])
    other = Home(tmp_path / "other")
    taken_in(other, sent(home, tmp_path, "child"))
    assert everything(other, "child") == everything(home, "child")
    assert len(everything(other, "parent")[1]) == 3
    assert taken_in(other, sent(home, tmp_path, "parent"))[0].state == "longer"
    assert everything(other, "parent") == everything(home, "parent")


@pytest.mark.parametrize("first", [[], ["parent"], ["child"], ["parent", "child"]])
def test_a_fork_from_before_its_parent_parted_has_its_past_from_who_recorded_it(
    home: Home, tmp_path: Path, first: list[str]
) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, "parent")
        recorder.user("one")
        recorder.answer(text("two"))
        early, late = recorder.records()[1:3]

        def fork(name: str, parent: str, at: Record) -> LocalForked:
            more = {"parent": parent, "at": at.seq, "at_hash": at.hash}
            return recorder.make(LocalForked, session_id=name, agentctl_version="0", **more)

        log.append("child", [fork("child", "parent", late), message("own")])
        log.append("grandchild", [fork("grandchild", "child", early), message("again")])
    files = {name: sent(home, tmp_path, name) for name in ("parent", "child", "grandchild")}
    other = Home(tmp_path / "other")
    for name in (*first, "grandchild", "child", "parent", "grandchild"):
        taken_in(other, files[name])
    for name in files:
        assert everything(other, name)[1] == everything(home, name)[1]
        with reading(other) as connection:
            assert examine(connection, other, name, None).is_intact
