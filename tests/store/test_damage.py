"""A record that was changed: the first event that is not as it was written is named, what comes before it is given."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.events.content import text_block
from agentctl.events.session import SessionStatusIdle
from agentctl.events.user import UserMessage
from agentctl.model.request import header_for
from agentctl.paths import Home
from tests.cli.program import agentctl
from tests.kit import MODEL, Recorder, analysis, open_log

ID = "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"
Json = dict[str, object]


@pytest.fixture
def home(own_home: Path) -> Home:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home, request=header_for(MODEL, system=None, tools=[]).as_json())
        recorder.session.append(recorder.make(UserMessage, content=[text_block("x" * 70_000)]))
        analysis(recorder)
        recorder.add(SessionStatusIdle, stop_reason={"type": "end_turn"})
    return home


def change(home: Home, *statements: str) -> None:
    connection = sqlite3.connect(home.database)
    for deed in ("update", "delete"):
        connection.execute(f"DROP TRIGGER events_no_{deed}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def count(home: Home) -> int:
    connection = sqlite3.connect(home.database)
    number = int(connection.execute("SELECT max(seq) FROM events").fetchone()[0])
    connection.close()
    return number


def swap(home: Home) -> None:
    change(
        home,
        "UPDATE events SET seq = 1000 WHERE seq = 9",
        "UPDATE events SET seq = 9 WHERE seq = 10",
        "UPDATE events SET seq = 10 WHERE seq = 1000",
    )


def cut(home: Home) -> None:
    last = count(home) - 4
    change(
        home,
        f"DELETE FROM events WHERE seq > {last}",
        f"UPDATE sessions SET head_seq = {last}, head_hash = (SELECT hash FROM events WHERE seq = {last})",
    )


def write_over(home: Home) -> None:
    blob = next(path for path in home.blobs.rglob("*") if path.is_file() and path.stat().st_size == 70_000)
    blob.write_bytes(b"y" * 70_000)


def remove_blob(home: Home) -> None:
    next(path for path in home.blobs.rglob("*") if path.is_file() and path.stat().st_size == 70_000).unlink()


def flip_on_disk(home: Home) -> None:
    data = home.database.read_bytes()
    place = data.index(b"pandas/core/generic.py")
    home.database.write_bytes(data[:place] + b"q" + data[place + 1 :])


def number_of(home: Home, text: str) -> int:
    connection = sqlite3.connect(home.database)
    found = connection.execute("SELECT seq FROM events WHERE body LIKE ? ORDER BY seq", (f"%{text}%",)).fetchone()
    connection.close()
    return int(found[0])


DAMAGES: dict[str, tuple[Callable[[Home], object], Callable[[Home], int]]] = {
    "a changed body": (
        lambda home: change(home, "UPDATE events SET body = replace(body, 'wettest', 'driest') WHERE seq = 3"),
        lambda home: 3,
    ),
    "a body that is no JSON": (lambda home: change(home, "UPDATE events SET body = '{' WHERE seq = 3"), lambda home: 3),
    "a body that is no text": (
        lambda home: change(home, "UPDATE events SET body = CAST(x'ff00fe' AS TEXT) WHERE seq = 7"),
        lambda home: 7,
    ),
    "a deleted row": (lambda home: change(home, "DELETE FROM events WHERE seq = 12"), lambda home: 12),
    "a deleted first row": (lambda home: change(home, "DELETE FROM events WHERE seq = 1"), lambda home: 1),
    "swapped rows": (swap, lambda home: 9),
    "a cut tail": (cut, lambda home: count(home) - 3),
    "a changed hash": (lambda home: change(home, "UPDATE events SET hash = 'ff' WHERE seq = 5"), lambda home: 5),
    "a changed last row": (
        lambda home: change(home, f"UPDATE events SET body = '{{}}' WHERE seq = {count(home)}"),
        count,
    ),
    "a damaged blob": (write_over, lambda home: 2),
    "a missing blob": (remove_blob, lambda home: 2),
    "a flipped byte on the disk": (flip_on_disk, lambda home: number_of(home, "pandas/core/generic.py")),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_the_first_damaged_event_is_named_and_what_comes_before_it_is_given(home: Home, how: str) -> None:
    whole = agentctl("events", "@", "--salvage", "-o", "jsonl")
    assert (whole.code, len(whole.lines)) == (0, count(home))
    damage, place = DAMAGES[how]
    number = place(home)
    damage(home)
    for command in (["events", "@"], ["show", "@"], ["replay", "@"], ["resume", "@"]):
        done = agentctl(*command)
        assert done.code == 8, (command, done)
        assert f"event #{number} of {ID} is damaged" in done.err
        assert "--salvage" in done.err
    saved = agentctl("events", "@", "--salvage", "-o", "jsonl")
    assert saved.code == 8
    assert saved.lines == whole.lines[: number - 1]
    assert f"event #{number} of {ID} is damaged" in saved.err
    assert f"events printed: {number - 1}," in saved.err
    assert "what comes before it" not in saved.err


def test_a_record_that_is_whole_is_said_to_be(home: Home) -> None:
    done = agentctl("events", "@", "--salvage", "-o", "jsonl")
    assert (done.code, done.err) == (0, f"the record of {ID} is whole: {count(home)} events\n")
    lines = agentctl("events", "@", "--salvage").out.splitlines()
    assert len(lines) == count(home)
    body = agentctl("events", "@", "--salvage", "-o", "json").json
    assert body["events"] == done.lines


def test_salvage_gives_what_was_written_not_what_became_of_it_later(home: Home) -> None:
    change(home, "UPDATE events SET body = '{' WHERE type = 'local.input_processed'")
    done = agentctl("events", "@", "--salvage", "-o", "jsonl")
    assert done.lines[-1]["type"] == "session.status_running"
    assert all(json.dumps(line) for line in done.lines)


def test_salvage_takes_the_whole_record_from_its_beginning(home: Home) -> None:
    for option in (["--from", "2"], ["--until", "3"], ["--type", "agent.*"], ["--follow"]):
        done = agentctl("events", "@", "--salvage", *option)
        assert done.code == 2
        assert "--salvage" in done.err


def test_a_session_of_the_same_name_as_one_that_was_lost_is_not_measured_by_it(home: Home) -> None:
    home.database.unlink()
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("again")
    assert agentctl("events", "@", "-o", "jsonl").code == 0
