"""Stores and files of every format that there was are read, and gone on with, for ever.

``tests/fixtures/VERSION`` holds a store as that version left it (its database as SQL), and a session that it exported.
"""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from agentctl.paths import Home
from tests.cli.program import agentctl

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(params=sorted(path.name for path in FIXTURES.iterdir()))
def kept(request: pytest.FixtureRequest, own_home: Path) -> Path:
    """Put the store of a version in place; return where it came from."""
    source = FIXTURES / request.param
    own_home.mkdir(mode=0o700)
    for name in ("anchors", "blobs"):
        shutil.copytree(source / name, own_home / name)
    connection = sqlite3.connect(Home(own_home).database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript((source / "agentctl.sql").read_text())
    connection.close()
    return source


def test_a_store_is_read_as_it_was_left(kept: Path) -> None:
    assert [each["session_id"] for each in agentctl("ls", "-o", "json").json["sessions"]] == ["forked", "counted"]
    shown = agentctl("show", "counted", "-o", "json").json
    assert (shown["events"], shown["files"]["workspace"]["created"], shown["outputs"][0]["path"]) == (
        43,
        1,
        "count.txt",
    )
    assert "There are three." in agentctl("replay", "counted", "--speed", "max").out
    assert agentctl("diff", "=good", "forked").code == 1
    assert agentctl("search", "three", "-o", "json").code == 0
    assert agentctl("outputs", "counted", "-o", "json").json["files"][0]["size"] == 14
    for session in ("counted", "forked"):
        assert agentctl("verify", session, "-o", "json").json["intact"] is True


def test_a_session_is_gone_on_with_and_forked(kept: Path, tmp_path: Path) -> None:
    agent = tmp_path / "agent.yaml"
    agent.write_text("name: b\nmodel: claude-opus-5-5\n")
    (tmp_path / "script.yaml").write_text("- {text: Still three.}\n" * 6)
    fork = agentctl(
        "fork", "counted", "And then?", "--agent", agent, "--model", f"script:{tmp_path / 'script.yaml'}",
        "--sandbox", "none", "--session", "later", "-o", "json",
    )  # fmt: skip
    assert fork.code == 0, fork.err
    assert fork.json["text"] == "Still three."
    assert agentctl("verify", "later", "-o", "json").json["intact"] is True
    assert agentctl("verify", "counted", "-o", "json").json["intact"] is True


def test_an_exported_session_is_imported_hash_by_hash(kept: Path, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "elsewhere")
    done = agentctl("import", kept / "counted.agentctl", AGENTCTL_HOME=elsewhere)
    assert done.code == 0, done.err
    head = agentctl("verify", "counted", "-o", "json", AGENTCTL_HOME=elsewhere).json["head"]
    assert head == json.loads((kept / "anchors" / "counted.json").read_text())["hash"]
    assert agentctl("import", kept / "counted.agentctl", "-o", "json").json["sessions"][0]["state"] == "there"
