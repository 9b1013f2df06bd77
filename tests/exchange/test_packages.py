"""The list of an image's packages stays as long as a session names it, and goes along with the session."""

import os
import time
from pathlib import Path

import pytest

from agentctl.errors import UsageError
from agentctl.events.base import Event
from agentctl.events.local import LocalSandboxStarted
from agentctl.paths import Home
from agentctl.session.completeness import Completeness
from agentctl.session.packages import Packages, packages_as_bytes, packages_of_facts
from agentctl.store.blobs import Blobs
from agentctl.store.database import Database, reading
from agentctl.store.integrity import examine
from agentctl.store.migrations import migrate
from agentctl.store.removal import remove_sessions
from agentctl.store.sweeping import sweep_blobs
from tests.exchange.kit import ID, everything, packed, sent, taken_in, unpacked
from tests.kit import Recorder, open_log

PACKAGES: Packages = {"pip": {"six": "1.17.0"}, "Debian": {"bash": "5.2"}}


@pytest.fixture
def home(own_home: Path) -> Home:
    home = Home(own_home)
    digest, _ = Blobs(home.blobs).put([packages_as_bytes(PACKAGES)])
    record(home, {"sha256": digest, "count": 2})
    return home


def record(home: Home, packages: object) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, ID)
        recorder.user("go")
        recorder.add(LocalSandboxStarted, facts={"kind": "docker", "packages": packages})
        recorder.rest()


def started(home: Home) -> LocalSandboxStarted:
    found: list[Event] = [each.event for each in everything(home)[1]]
    return next(each for each in found if isinstance(each, LocalSandboxStarted))


def swept(home: Home) -> None:
    for path in home.blobs.rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2)
    with reading(home) as connection:
        sweep_blobs(home, connection)


def test_it_stays_while_a_session_names_it_and_goes_with_the_last_one(home: Home) -> None:
    swept(home)
    blobs = Blobs(home.blobs)
    assert packages_of_facts(started(home).facts, blobs) == PACKAGES
    database = Database(home, migrate)
    remove_sessions(home, database, [ID])
    database.close()
    swept(home)
    assert not list(blobs.stored())


def test_it_leaves_and_comes_with_the_session(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    taken_in(other, sent(home, tmp_path / "out"))
    assert started(other) == started(home)
    assert packages_of_facts(started(other).facts, Blobs(other.blobs)) == PACKAGES


def test_a_file_without_it_is_refused(home: Home, tmp_path: Path) -> None:
    parts = unpacked(sent(home, tmp_path / "out"))
    (blob,) = [name for name in parts if name.startswith("blobs/")]
    del parts[blob]
    with pytest.raises(UsageError):
        taken_in(Home(tmp_path / "other"), packed(parts, tmp_path / "without"))


def test_one_that_was_damaged_is_named_by_verify(home: Home) -> None:
    (stored,) = Blobs(home.blobs).stored()
    stored.path.chmod(0o600)
    stored.path.write_text("{}")
    with reading(home) as connection:
        found = examine(connection, home, ID, None)
    assert [damage.seq for damage in found.damages] == [started_seq(home)]


def started_seq(home: Home) -> int:
    return next(each.seq for each in everything(home)[1] if isinstance(each.event, LocalSandboxStarted))


@pytest.mark.parametrize("packages", ["odd", 3, ["a"], {"sha256": "odd"}, {"sha256": 7}, None])
def test_what_is_no_name_of_a_list_is_known_for_none(own_home: Path, tmp_path: Path, packages: object) -> None:
    home = Home(own_home)
    record(home, packages)
    complete = Completeness()
    for each in everything(home)[1]:
        complete.add(each)
    assert packages_of_facts(started(home).facts, Blobs(home.blobs)) is None


def test_that_it_is_not_known_is_said(own_home: Path) -> None:
    home = Home(own_home)
    record(home, {"unknown": "nobody asked"})
    complete = Completeness()
    for each in everything(home)[1]:
        complete.add(each)
    (sandbox,) = [each for each in complete.aspects(under_way=False) if each.name == "sandbox"]
    assert [note.reason for note in sandbox.notes] == ["which packages its image has is not known: nobody asked"]
