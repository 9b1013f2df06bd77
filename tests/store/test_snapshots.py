"""Snapshots: a reader begins at the last one, and says the same as one that began at the first event."""

import json
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from agentctl.canonical import exact_json
from agentctl.catalog import Prices
from agentctl.events.local import LocalCheckpoint, LocalEgress, LocalFilesChanged, LocalForked, LocalModelResponse
from agentctl.ids import SystemClock
from agentctl.launch.parts import open_log
from agentctl.paths import Home
from agentctl.session.freezing import fold_version, frozen, thawed
from agentctl.session.glance import Glance
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.keys import VARIABLE, find_verify_key, make_verify_key
from agentctl.store.snapshots import Place, glance_at, last_snapshot
from agentctl.store.version import SNAPSHOT_EVERY
from tests.cli.program import agentctl
from tests.kit import Recorder, analysis, call, text
from tests.kit import open_log as open_bare_log
from tests.render.test_player import long_session

EVENTS = 2_600


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("recorded") / "home")
    with open_log(home) as log:
        long_session(log, home, "long", EVENTS, at_once=7)
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    return Home(own_home)


def places(home: Home) -> list[int]:
    with reading(home) as connection:
        return [seq for (seq,) in connection.execute("SELECT seq FROM snapshots ORDER BY session, seq")]


def whole(home: Home, name: str) -> Glance:
    glance = Glance()
    with open_bare_log(home) as log:
        for record in log.read(name):
            glance.add(record)
    return glance


def glance_of(home: Home, name: str, until: int | None = None) -> Glance:
    with reading(home) as connection:
        return glance_at(Place(connection, Blobs(home.blobs), name), until=until)


def written(glance: Glance) -> str:
    """Write a fold with the order that its members have."""
    return exact_json(frozen(glance))


def change(home: Home, statement: str, *values: object) -> None:
    connection = sqlite3.connect(home.database)
    connection.execute("DROP TRIGGER IF EXISTS events_no_update")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_a_writer_keeps_one_every_thousand_events_and_a_reader_says_the_same(home: Home) -> None:
    assert places(home) == [SNAPSHOT_EVERY, 2 * SNAPSHOT_EVERY]
    assert written(glance_of(home, "long")) == written(whole(home, "long"))
    assert glance_of(home, "long", until=1_500).seq == 1_500
    body = agentctl("show", "long", "-o", "json").json
    change(home, "DELETE FROM snapshots")
    assert agentctl("show", "long", "-o", "json").json == body


def test_a_fork_uses_those_of_its_parent_up_to_the_fork(home: Home) -> None:
    with open_log(home) as log:
        at = next(record for record in log.read("long", after=1_499))
        members = {"session_id": "child", "agentctl_version": "0", "parent": "long", "at": at.seq, "at_hash": at.hash}
        log.append("child", [LocalForked(id="sevt_fork", processed_at=at.event.processed_at, **members)])
    with reading(home) as connection:
        found = last_snapshot(Place(connection, Blobs(home.blobs), "child"))
    assert found is not None
    assert found.seq == SNAPSHOT_EVERY
    assert written(glance_of(home, "child")) == written(whole(home, "child"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE snapshots SET version = version + 1",
        "UPDATE snapshots SET hash = 'x'",
        "UPDATE snapshots SET body = replace(body, '\"seq\":', '\"seq\":1')",
        "UPDATE snapshots SET body = '{'",
        'UPDATE snapshots SET body = \'{"$of":"Path"}\'',
        "UPDATE snapshots SET body = '7'",
        "UPDATE snapshots SET body = replace(body, '\"requests\":', '\"requests\":9')",
        "UPDATE snapshots SET body = substr(body, instr(body, char(10)))",
    ],
)
def test_one_that_does_not_fit_is_passed_over(home: Home, statement: str) -> None:
    change(home, statement)
    with reading(home) as connection:
        assert last_snapshot(Place(connection, Blobs(home.blobs), "long")) is None
    assert written(glance_of(home, "long")) == written(whole(home, "long"))


def test_the_chain_is_checked_from_the_snapshot_on_and_verify_checks_all_of_it(home: Home) -> None:
    change(home, "UPDATE events SET body = body || ' ' WHERE seq = 2100")
    assert agentctl("show", "long").code == 8
    change(home, "UPDATE events SET body = rtrim(body) WHERE seq = 2100")
    change(home, "UPDATE events SET body = body || ' ' WHERE seq = 100")
    assert agentctl("show", "long").code == 0
    assert agentctl("verify", "long").code == 1
    change(home, "UPDATE events SET hash = 'x' WHERE seq = 2000")
    assert agentctl("show", "long").code == 8


def forge(home: Home) -> None:
    """Let the last snapshot say something else, and its sum fit."""
    change(home, FORGERY)
    with closing(sqlite3.connect(home.database)) as connection:
        seq, row_hash, body = connection.execute("SELECT seq, hash, body FROM snapshots WHERE seq = 2000").fetchone()
        head, _, text = body.partition("\n")
        total = sha256(f"{seq} {row_hash} {text}".encode()).hexdigest()
        whole = " ".join([total, *head.split(" ")[1:]]) + "\n" + text
        connection.execute("UPDATE snapshots SET body = ? WHERE seq = 2000", (whole,))
        connection.commit()


FORGERY = """UPDATE snapshots SET body = replace(body, '"requests":', '"requests":9') WHERE seq = 2000"""


def is_intact(*options: str) -> bool:
    return bool(agentctl("verify", "long", *options, "-o", "json").json["intact"])


def test_verify_computes_them_once_more_and_mend_makes_them_anew(home: Home) -> None:
    assert is_intact()
    before = agentctl("show", "long", "-o", "json").json
    forge(home)
    assert agentctl("show", "long", "-o", "json").json != before
    run = agentctl("verify", "long", "-o", "json")
    assert (run.code, run.json["intact"]) == (1, False)
    assert [damage["what"][:23] for damage in run.json["damages"]] == ["the snapshot of #2000, "]
    assert "--mend" in agentctl("verify", "long").out
    assert is_intact("--mend")
    assert agentctl("show", "long", "-o", "json").json == before
    assert places(home) == [2 * SNAPSHOT_EVERY]


def test_one_that_was_changed_alone_deceives_nobody_even_without_a_key(home: Home) -> None:
    before = agentctl("show", "long", "-o", "json").json
    change(home, FORGERY)
    assert agentctl("show", "long", "-o", "json").json == before
    run = agentctl("verify", "long", "-o", "json")
    assert [damage["what"][:23] for damage in run.json["damages"]] == ["the snapshot of #2000, "]
    with open_log(home) as log:
        add(log, home, 1_000)
    assert places(home)[-1] == 3 * SNAPSHOT_EVERY
    assert agentctl("show", "long", "-o", "json").json["events"] == EVENTS + 1_000


def test_the_index_is_mended_too_and_a_record_that_was_changed_is_not(home: Home) -> None:
    change(home, "UPDATE sessions SET title = 'forged', status = 'running'")
    assert not is_intact()
    assert is_intact("--mend")
    assert agentctl("ls", "-o", "json").json["sessions"][0]["title"] is None
    change(home, "UPDATE sessions SET title = 'forged'")
    change(home, "UPDATE events SET body = body || ' ' WHERE seq = 100")
    run = agentctl("verify", "long", "--mend")
    assert (run.code, len(run.err.splitlines())) == (8, 2)
    assert agentctl("ls", "-o", "json").json["sessions"][0]["title"] == "forged"


def test_where_there_is_a_key_one_without_its_seal_is_not_believed(home: Home) -> None:
    before = agentctl("show", "long", "-o", "json").json
    make_verify_key(home)
    assert is_intact("--seal")
    forge(home)
    assert agentctl("show", "long", "-o", "json").json == before
    assert not is_intact()
    another = {VARIABLE: "another key, which is long enough for one"}
    assert agentctl("show", "long", "-o", "json", **another).json == before
    home.verify_key.chmod(0o644)  # a key that cannot be trusted: nothing that it may have sealed is believed
    assert agentctl("show", "long", "-o", "json").json == before


def test_with_a_key_made_later_a_long_record_gets_sealed_ones_by_and_by(home: Home) -> None:
    make_verify_key(home)
    with reading(home) as connection:
        assert last_snapshot(Place(connection, Blobs(home.blobs), "long", find_verify_key(home))) is None
    with open_log(home) as log:
        add(log, home, 2_000)
    with reading(home) as connection:
        found = last_snapshot(Place(connection, Blobs(home.blobs), "long", find_verify_key(home)))
    assert found is not None
    assert found.seq == 4 * SNAPSHOT_EVERY
    change(home, "UPDATE snapshots SET seq = 3000 WHERE seq = 4000")
    with reading(home) as connection:
        assert last_snapshot(Place(connection, Blobs(home.blobs), "long", find_verify_key(home))) is None


def test_an_older_database_is_read_without_them(home: Home) -> None:
    change(home, "DROP TABLE snapshots")
    change(home, "PRAGMA user_version = 3")
    assert agentctl("show", "long", "-o", "json").json["events"] == EVENTS


def test_a_long_record_without_any_gets_them_by_and_by(own_home: Path) -> None:
    home = Home(own_home)
    with open_bare_log(home) as log:
        long_session(log, home, "long", 5_990)
    assert places(home) == []
    with open_log(home) as log:
        add(log, home, 20)
        assert places(home) == [4_000]
        add(log, home, 1_000)
        assert places(home) == [4_000, 7_000] or places(home) == [7_000]
    assert written(glance_of(home, "long")) == written(whole(home, "long"))


def test_older_ones_are_taken_away_but_for_some(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        long_session(log, home, "long", 12_500, at_once=500)
    assert places(home) == [10_000, 11_000, 12_000]


def add(log: object, home: Home, events: int) -> None:
    made = [
        LocalEgress(
            id=f"sevt_{number}_{events}", host="a", port=1, allowed=False, scheme="tcp", duration_seconds=0,
            bytes_sent=0, bytes_received=0,
        )
        for number in range(events)
    ]  # fmt: skip
    log.append("long", made)  # type: ignore[attr-defined]


def test_a_fold_that_was_frozen_anywhere_goes_on_as_if_it_had_not_been(own_home: Path) -> None:
    home = Home(own_home)
    with open_bare_log(home) as log:
        recorder = Recorder(log, home, prices={"m": dict.fromkeys(Prices.__slots__, "1.5")}, vaults=["a"])
        analysis(recorder)
        recorder.add(LocalCheckpoint, image="sha256:x", size=5, keep_until="2026-12-01T00:00:00Z")
        recorder.user("Again, with $of and [redacted:key]")
        asked, own = recorder.answer(
            text("x"), call("bash", "toolu_8", command="x"), call("mine", "toolu_9", **{"$set": [1]}),
            asks=["toolu_8"], custom=["toolu_9"],
        )  # fmt: skip
        changes = [{"path": "/workspace/a", "kind": "file", "mode": 420, "change": "created", "size": 1}]
        recorder.add(LocalFilesChanged, changes=changes, tool_use_id=asked.id)
        recorder.rest("requires_action", event_ids=[asked.id, own.id])
        records = recorder.records()
    for place in range(len(records) + 1):
        glance = Glance()
        for record in records[:place]:
            glance.add(record)
        body = exact_json(frozen(glance))
        again = thawed(json.loads(body))
        for record in records[place:]:
            again.add(record)
        for record in records[place:]:
            glance.add(record)
        assert exact_json(frozen(again)) == exact_json(frozen(glance))
        assert again.completeness.aspects(under_way=False) == glance.completeness.aspects(under_way=False)


def test_only_known_classes_come_out_of_json() -> None:
    with pytest.raises(KeyError):
        thawed({"$of": "SystemClock"})
    with pytest.raises(TypeError):
        frozen(SystemClock())
    assert fold_version() == fold_version()
    event = LocalModelResponse(id="sevt_1", model_request_start_id="x", model="m", raw="{}", tool_uses=[])
    assert thawed(json.loads(json.dumps(frozen([event, (1, {"$a": {2}})])))) == [event, (1, {"$a": {2}})]
