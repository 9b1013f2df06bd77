"""Is a record intact? What is done to a store, what is said of it, and what only a key can say."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.canonical import canonical_json
from agentctl.errors import StoreError, UsageError
from agentctl.events.content import text_block
from agentctl.events.large import chained
from agentctl.events.local import LocalForked
from agentctl.events.user import UserMessage
from agentctl.paths import Home
from agentctl.store.anchors import Anchor, read_anchor, write_anchor
from agentctl.store.database import reading
from agentctl.store.integrity import Integrity, examine
from agentctl.store.keys import VARIABLE, find_verify_key, make_verify_key
from tests.kit import analysis, open_log
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node

ID = "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"
FORK = "a-fork"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("recorded") / "home")
    home.root.mkdir()
    make_verify_key(home)
    with open_log(home) as log:
        recorder = FilesRecorder(log, home)
        recorder.session.append(recorder.make(UserMessage, content=[text_block("x" * 70_000)]))
        recorder.begin({"a.py": Node(b"one")})
        recorder.act("edit", {"a.py": Node(b"two"), "b.py": Node(b"three")})
        analysis(recorder)
        at = recorder.records()[9]
        forked = recorder.make(
            LocalForked, session_id=FORK, agentctl_version="0", parent=ID, at=at.seq, at_hash=at.hash
        )
        log.append(FORK, [forked, recorder.make(UserMessage, content=[text_block("other")])])
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    return Home(own_home)


def look(home: Home, session_id: str = ID, *, with_key: bool = True) -> Integrity:
    with reading(home) as connection:
        return examine(connection, home, session_id, find_verify_key(home) if with_key else None)


def change(home: Home, *statements: str) -> None:
    with sqlite3.connect(home.database) as connection:
        for deed in ("update", "delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS events_no_{deed}")
        for statement in statements:
            connection.execute(statement)


def count(home: Home) -> int:
    with sqlite3.connect(home.database) as connection:
        return int(connection.execute("SELECT max(seq) FROM events WHERE session = 1").fetchone()[0])


def rewrite(home: Home) -> None:
    """Do what a careful forger does who has no key: another body, every hash behind it, the index and the anchor."""
    with sqlite3.connect(home.database) as connection:
        connection.execute("DROP TRIGGER events_no_update")
        rows = connection.execute("SELECT rowid, seq, body, blobs FROM events WHERE session = 1 ORDER BY seq")
        former = ""
        for number, _, body, taken in rows.fetchall():
            text = body.replace("wettest", "driest")
            former = chained(former, text, taken)
            connection.execute("UPDATE events SET body = ?, hash = ? WHERE rowid = ?", (text, former, number))
        connection.execute("UPDATE sessions SET head_hash = ?, first_message = first_message WHERE key = 1", (former,))
    place = home.anchors / f"{ID}.json"
    place.write_text(canonical_json({**json.loads(place.read_text()), "hash": former}))


def cut(home: Home) -> None:
    last = count(home) - 4
    change(
        home,
        f"DELETE FROM events WHERE session = 1 AND seq > {last}",
        "UPDATE sessions SET head_seq = (SELECT max(seq) FROM events WHERE session = 1) WHERE key = 1",
        f"UPDATE sessions SET head_hash = (SELECT hash FROM events WHERE session = 1 AND seq = {last}) WHERE key = 1",
    )


def swap(home: Home) -> None:
    change(
        home,
        "UPDATE events SET seq = 1000 WHERE session = 1 AND seq = 9",
        "UPDATE events SET seq = 9 WHERE session = 1 AND seq = 12",
        "UPDATE events SET seq = 12 WHERE session = 1 AND seq = 1000",
    )


def flip_on_disk(home: Home) -> None:
    with sqlite3.connect(home.database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = home.database.read_bytes()
    place = data.index(b"pandas/core/generic.py")
    home.database.write_bytes(data[:place] + b"q" + data[place + 1 :])


def number_of(home: Home, text: str) -> int:
    with sqlite3.connect(home.database) as connection:
        return int(connection.execute(f"SELECT min(seq) FROM events WHERE body LIKE '%{text}%'").fetchone()[0])


def overwrite_blob(data: bytes) -> Callable[[Home], None]:
    def deed(home: Home) -> None:
        place = next(path for path in home.blobs.rglob("*") if path.is_file() and path.read_bytes() == data)
        place.write_bytes(data[::-1] if len(set(data)) > 1 else b"y" * len(data))

    return deed


def remove_blob(data: bytes) -> Callable[[Home], None]:
    return lambda home: next(
        path for path in home.blobs.rglob("*") if path.is_file() and path.read_bytes() == data
    ).unlink()


DAMAGES: dict[str, tuple[Callable[[Home], object], Callable[[Home], int | None]]] = {  # S8
    "a flipped byte": (flip_on_disk, lambda home: number_of(home, "pandas/core/generic.py")),
    "a changed body": (lambda home: change(home, "UPDATE events SET body = '{}' WHERE seq = 5"), lambda _: 5),
    "a deleted row": (lambda home: change(home, "DELETE FROM events WHERE seq = 12 AND session = 1"), lambda _: 12),
    "swapped rows": (swap, lambda _: 9),
    "a cut tail": (cut, lambda home: count(home) - 3),
    "a large string": (overwrite_blob(b"x" * 70_000), lambda _: 2),
    "a missing large string": (remove_blob(b"x" * 70_000), lambda _: 2),
    "contents that were uploaded": (overwrite_blob(b"one"), lambda home: number_of(home, "files_uploaded")),
    "contents that a call left": (remove_blob(b"three"), lambda home: number_of(home, "files_changed")),
    "an output": (overwrite_blob(b"# Wettest month\n" * 60), lambda home: number_of(home, "local.outputs")),
    "a column": (
        lambda home: change(home, "UPDATE events SET type = 'x.y' WHERE session = 1 AND seq = 7"),
        lambda _: 7,
    ),
    "the end in the index": (lambda home: change(home, "UPDATE sessions SET head_hash = 'x'"), lambda _: None),
    "an earlier end in the index": (lambda home: change(home, "UPDATE sessions SET head_seq = -1"), lambda _: None),
    "a parent that is none": (
        lambda home: change(home, "UPDATE sessions SET parent = 2, parent_seq = 5 WHERE key = 1"),
        lambda _: None,
    ),
    "the index": (lambda home: change(home, "UPDATE sessions SET title = 'forged' WHERE key = 1"), lambda _: None),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_the_first_event_that_is_not_as_it_was_written_is_named(home: Home, how: str) -> None:
    assert look(home).is_intact
    damage, place = DAMAGES[how]
    number = place(home)
    damage(home)
    found = look(home, with_key=False)
    assert not found.is_intact
    assert found.first is not None
    assert found.first.seq == number


def test_a_rewriting_of_everything_shows_only_with_a_key(home: Home) -> None:  # S8
    rewrite(home)
    blind = look(home, with_key=False)
    assert blind.is_intact
    assert look(home).seal == "wrong"
    assert not look(home).is_intact


@pytest.mark.parametrize("left", ["{}", '{"seq": 1, "hash": "x"}', "", None])
def test_to_take_the_seal_away_does_not_help_a_forger(home: Home, left: str | None) -> None:
    anchor = read_anchor(home, ID)
    place = home.anchors / f"{ID}.json"
    if left is None:
        place.unlink()
    else:
        place.write_text(left or canonical_json({"seq": anchor.seq, "hash": anchor.hash}) if anchor else "")
    assert not look(home).is_intact


def test_a_record_from_before_there_was_a_key_is_sealed_when_somebody_vouches_for_it(home: Home) -> None:
    found = look(home)
    write_anchor(home, ID, Anchor(found.events, found.head))
    assert (look(home).seal, look(home).is_intact) == ("absent", False)
    write_anchor(home, ID, Anchor(found.events, found.head), find_verify_key(home))
    assert (look(home).seal, look(home).is_intact) == ("valid", True)


def test_a_seal_is_for_one_session_one_place_and_one_key(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    key = find_verify_key(home)
    assert key is not None
    seal = key.seal(ID, 3, "ab")
    assert key.fits(seal, ID, 3, "ab")
    assert not any(key.fits(seal, *other) for other in ((FORK, 3, "ab"), (ID, 4, "ab"), (ID, 3, "ac")))
    monkeypatch.setenv(VARIABLE, "another key, which is long enough for one")
    assert look(home).seal == "wrong"


def test_a_fork_is_checked_with_its_parents_past(home: Home) -> None:
    assert look(home, FORK, with_key=False).is_intact
    change(home, "UPDATE events SET body = body || ' ' WHERE session = 1 AND seq = 8")
    found = look(home, FORK, with_key=False)
    assert found.first is not None
    assert found.first.seq == 8


def test_a_key_that_others_can_read_or_guess_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError):
        make_verify_key(home)
    home.verify_key.chmod(0o644)
    with pytest.raises(StoreError, match="0644"):
        find_verify_key(home)
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(StoreError, match="shorter"):
        find_verify_key(home)
