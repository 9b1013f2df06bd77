"""``verify``, ``export``, ``import``, ``check``, ``bisect`` and ``baseline`` as their users start them."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from agentctl.canonical import canonical_json
from agentctl.paths import Home
from agentctl.store.baselines import list_baselines
from agentctl.store.database import Database, reading
from agentctl.store.migrations import migrate, migrations
from agentctl.store.sessions import find_session
from tests.cli.program import ROOT, agentctl
from tests.kit import Recorder, analysis, open_log
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node

ID = "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"
CHECKS = "must_not_call: [edit]\nstop_reason: end_turn\npaths: {only: ['*.py']}\n"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("recorded") / "home")
    with open_log(home) as log:
        recorder = FilesRecorder(log, home)
        recorder.begin({"a.py": Node(b"1")})
        recorder.act("edit", {"a.py": Node(b"2")})
        analysis(recorder)
    return home.root


@pytest.fixture
def home(recorded: Path, own_home: Path) -> Home:
    shutil.copytree(recorded, own_home)
    return Home(own_home)


def test_verify_gives_two_answers(home: Home) -> None:
    done = agentctl("verify", "@")
    assert done.code == 0, done
    first, second, *_ = done.out.splitlines()
    assert first.split()[:2] == ["intact", "yes"]
    assert "not a rewriting of everything" in second
    assert "\ncomplete  yes" in done.out
    body = agentctl("verify", "@", "-o", "json").json
    assert (body["type"], body["schema"]) == ("verification", "agentctl.verify/1")
    assert (body["intact"], body["complete"], body["seal"], body["first_damage"]) == (True, True, "unchecked", None)
    assert body["anchor"] == {"event": body["events"], "hash": body["head"]}
    assert set(body["record"]) == {"model", "calls", "files", "network", "sandbox", "secrets"}


def test_verify_says_no_and_which_event_is_the_first(home: Home) -> None:
    with sqlite3.connect(home.database) as connection:
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute("UPDATE events SET body = '{}' WHERE seq = 7")
    done = agentctl("verify", "@")
    assert done.code == 1
    assert "event #7 is the first that is not as it was written" in done.out
    assert agentctl("verify", "@", "-o", "json").json["first_damage"]["event"] == 7


def test_a_key_is_made_once_seals_what_rests_and_what_somebody_vouches_for(home: Home) -> None:
    assert agentctl("verify", "--seal", "@").code == 2
    made = agentctl("verify", "--make-key")
    assert made.code == 0
    assert home.verify_key.stat().st_mode & 0o777 == 0o600
    assert agentctl("verify", "--make-key").code == 2
    unsealed = agentctl("verify", "@")
    assert (unsealed.code, "there is no seal" in unsealed.out) == (1, True)
    sealed = agentctl("verify", "--seal", "@")
    assert (sealed.code, "sealed with the key" in sealed.out) == (0, True)
    with open_log(home) as log:
        recorder = Recorder(log, home, "later")
        recorder.user("hi")
        recorder.rest()
    assert agentctl("verify", "later", "-o", "json").json["seal"] == "valid"


def test_a_session_that_was_removed_with_its_rows_is_missed(home: Home) -> None:
    with sqlite3.connect(home.database) as connection:
        connection.execute("DROP TRIGGER events_no_delete")
        connection.execute("DELETE FROM events")
        connection.execute("DELETE FROM sessions")
    done = agentctl("verify", ID)
    assert done.code == 8
    assert "came to rest at event #" in done.err


def test_export_and_import_through_files_and_pipes(home: Home, tmp_path: Path) -> None:
    written = agentctl("export", "@", "-d", tmp_path / "out", "-o", "json").json
    assert (written["type"], written["schema"]) == ("export", "agentctl.export/1")
    (one,) = written["sessions"]
    assert one["file"] == str(tmp_path / "out" / f"{ID}.agentctl")
    assert (one["redacted"], one["damage"], one["missing"]) == (None, None, [])
    assert agentctl("export", "@", "-d", tmp_path / "out").code == 2
    assert agentctl("export", "@", "-d", tmp_path / "out", "--force").code == 0
    other = str(tmp_path / "other")
    done = agentctl("import", one["file"], AGENTCTL_HOME=other)
    assert (done.code, done.out.split()[:2]) == (0, [ID, "imported"])
    again = agentctl("import", one["file"], "-o", "json", AGENTCTL_HOME=other).json
    assert again == {
        "type": "import",
        "schema": "agentctl.import/1",
        "sessions": [{"file": one["file"], "format": "agentctl", "session_id": ID, "state": "there"}],
    }
    command = [sys.executable, "-m", "agentctl", "export", "@", "-d", "-"]
    piped = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert piped.stdout == Path(one["file"]).read_bytes()
    assert agentctl("verify", ID, AGENTCTL_HOME=other).code == 0
    assert agentctl("show", ID, "-o", "json", AGENTCTL_HOME=other).json == agentctl("show", ID, "-o", "json").json


def test_export_of_a_damaged_record_says_so_and_saves_what_it_can(home: Home, tmp_path: Path) -> None:  # S5
    with sqlite3.connect(home.database) as connection:
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute("UPDATE events SET body = '{}' WHERE seq = 9")
    done = agentctl("export", "@", "-d", tmp_path)
    assert done.code == 8
    assert "--salvage" in done.err
    saved = agentctl("export", "@", "-d", tmp_path, "--salvage")
    assert saved.code == 8
    assert "saved is what comes before it" in saved.err
    other = str(tmp_path / "other")
    assert agentctl("import", tmp_path / f"{ID}.agentctl", AGENTCTL_HOME=other).code == 0
    assert len(agentctl("events", "@", "-o", "jsonl", AGENTCTL_HOME=other).lines) == 8


def test_contents_that_are_gone_are_told_and_the_rest_is_saved(home: Home, tmp_path: Path) -> None:
    shutil.rmtree(home.blobs)
    done = agentctl("export", "@", "-d", tmp_path)
    assert (done.code, done.err.splitlines()[1:]) == (
        8,
        [f"  all but that can be had with: agentctl export {ID} --salvage"],
    )
    saved = agentctl("export", "@", "-d", tmp_path, "--salvage", "-o", "json")
    (one,) = saved.json["sessions"]
    assert (saved.code, one["damage"], len(one["missing"]) > 0) == (8, None, True)
    assert agentctl("import", one["file"], AGENTCTL_HOME=str(tmp_path / "other")).code == 0
    fetched = agentctl("outputs", "@", "-d", tmp_path / "out")
    assert (fetched.code, fetched.err.splitlines()[1:]) == (8, [f"  see: agentctl verify {ID}"])


def test_import_of_a_lie_changes_nothing(home: Home, tmp_path: Path) -> None:
    agentctl("export", "@", "-d", tmp_path)
    file = tmp_path / f"{ID}.agentctl"
    file.write_bytes(file.read_bytes().replace(b"wettest", b"driest!", 1))
    before = home.database.read_bytes()
    done = agentctl("import", file, "--as", "mine")
    assert done.code == 2
    assert "event #" in done.err
    assert "nothing was imported" in done.err
    assert home.database.read_bytes() == before


def test_an_imported_transcript_is_read_like_any_other_and_not_gone_on_with(own_home: Path, tmp_path: Path) -> None:
    lines = [
        {"timestamp": "2026-08-10T20:05:00Z", "type": "session_meta", "payload": {"id": "abc"}},
        {
            "timestamp": "2026-08-10T20:05:01Z", "type": "response_item",
            "payload": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi there"}]},
        },
        {
            "timestamp": "2026-08-10T20:05:02Z", "type": "response_item",
            "payload": {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c"},
        },
    ]  # fmt: skip
    (tmp_path / "rollout.jsonl").write_text("".join(canonical_json(line) + "\n" for line in lines))
    assert agentctl("import", tmp_path / "rollout.jsonl").code == 0
    for told in (agentctl("replay", "codex-abc").out, agentctl("show", "codex-abc").out):
        assert "interrupted" in told
        assert "agentctl resume" not in told  # nobody can
    assert "hi there" in agentctl("replay", "codex-abc").out
    for command in (["send", "codex-abc", "more"], ["resume", "codex-abc"]):
        done = agentctl(*command)
        assert done.code == 2
        assert "can only be looked at" in done.err
    assert "line 1: session_meta" in agentctl("events", "codex-abc").out
    done = agentctl("rerun", "codex-abc", "-o", "json")
    assert (done.code, done.json["verdict"], done.json["session_id"]) == (1, "incomplete-recording", None)
    assert "a transcript of Codex CLI" in done.json["missing"][0]
    assert "does not say which files were changed" in agentctl("files", "codex-abc").out
    assert "does not have the files" in agentctl("outputs", "codex-abc").out
    (tmp_path / "checks.yaml").write_text("paths: {only: ['**']}\n")
    assert agentctl("check", "codex-abc", tmp_path / "checks.yaml").code == 1
    assert agentctl("check", "codex-abc", tmp_path / "checks.yaml", "--allow-unknown").code == 0


def test_check_and_bisect(home: Home, tmp_path: Path) -> None:
    (tmp_path / "checks.yaml").write_text(CHECKS)
    done = agentctl("check", "@", tmp_path / "checks.yaml", "--junit", tmp_path / "report.xml", "-o", "json")
    assert done.code == 1
    assert (done.json["type"], done.json["schema"], done.json["passed"]) == ("check", "agentctl.check/1", False)
    statuses = {each["name"]: each["status"] for each in done.json["checks"]}
    assert statuses == {"must_not_call[0]: edit": "fail", "paths": "pass", "stop_reason: end_turn": "pass"}
    assert "<failure" in (tmp_path / "report.xml").read_text()
    number = next(each["event"] for each in done.json["checks"] if each["status"] == "fail")
    found = agentctl("bisect", "@", tmp_path / "checks.yaml")
    assert found.code == 1
    assert found.out.startswith(f"fails after #{number}  must_not_call[0]: edit")
    body = agentctl("bisect", "@", tmp_path / "checks.yaml", "-o", "json").json
    assert (body["schema"], body["first"]) == ("agentctl.bisect/1", number)
    (tmp_path / "checks.yaml").write_text("stop_reason: end_turn\n")
    assert agentctl("check", "@", tmp_path / "checks.yaml").code == 0
    assert agentctl("bisect", "@", tmp_path / "checks.yaml").out == "no check fails\n"
    assert json.loads(agentctl("schema", "checks").out)["title"] == "agentctl checks"


def test_a_baseline_is_a_name_for_a_session_wherever_one_is_named(home: Home) -> None:
    assert agentctl("show", "=good").code == 2
    assert agentctl("baseline", "set", "good", "@").out == f"=good is {ID}\n"
    assert agentctl("show", "=good", "-o", "json").json["session_id"] == ID
    with open_log(home) as log:
        Recorder(log, home, "newer").user("hi")
    moved = agentctl("baseline", "set", "good", "@")
    assert moved.out == f"=good is newer, no longer {ID}\n"
    body = agentctl("baseline", "ls", "-o", "json").json
    assert [(each["name"], each["session_id"]) for each in body["baselines"]] == [("good", "newer")]
    assert (body["type"], body["schema"]) == ("baselines", "agentctl.baseline/1")
    assert agentctl("baseline", "set", "Not A Name", "@").code == 2
    assert agentctl("baseline", "rm", "=good").code == 0
    assert agentctl("baseline", "rm", "good").code == 2
    assert agentctl("baseline", "ls").out == "there are no baselines; see: agentctl baseline set\n"


def test_a_store_from_before_there_were_baselines_has_none_and_is_brought_up_to_date(own_home: Path) -> None:
    from sqlite_utils import Database as UtilsDatabase

    home = Home(own_home)
    home.root.mkdir(exist_ok=True)
    connection = sqlite3.connect(home.database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    migrations.apply(UtilsDatabase(connection, execute_plugins=False), stop_before="m003_baselines")
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with reading(home) as reader:
        assert list_baselines(reader) == []
    with open_log(home) as log:
        Recorder(log, home, "new").user("hi")
    with reading(home) as reader:
        assert find_session(reader, "new").id == "new"
    Database(home, migrate).close()
    assert agentctl("baseline", "set", "b", "new").code == 0
