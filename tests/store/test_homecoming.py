"""Changes brought home into a folder: exactly those, only there, and nothing where the folder has moved on."""

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentctl.errors import StoreError, UsageError
from agentctl.session.effects import WORKSPACE, Effect, inside
from agentctl.session.files import File
from agentctl.store import bringing
from agentctl.store.bringing import bring
from agentctl.store.folder import open_folder
from agentctl.store.homecoming import Standing, look_at
from tests.patch.trees import TREES, Held, Node, effects_of, make, read


def named(effects: list[Effect]) -> dict[str, Effect]:
    return {inside(effect.path, WORKSPACE) or "": effect for effect in effects}


def home_with(effects: list[Effect], contents: Held, folder: Path) -> list[Standing]:
    standings = look_at(named(effects), folder)
    assert [standing for standing in standings if standing.state == "refused"] == []
    bring(standings, contents, folder)
    return standings


class BrokenOff(Held):
    """Contents that can be read so many times, and then never again."""

    def __init__(self, source: Held, times: int) -> None:
        super().__init__()
        self.data, self.left = source.data, times

    def open(self, digest: str) -> Iterator[bytes]:
        self.left -= 1
        if self.left < 0:
            raise StoreError("broken off")
        return super().open(digest)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES, TREES, st.integers(0, 12))
def test_the_folder_becomes_what_the_session_left_also_after_being_broken_off(
    before: dict[str, Node], after: dict[str, Node], times: int
) -> None:
    contents = Held()
    effects = effects_of(before, after, contents)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "tree"
        make(folder, before)
        with contextlib.suppress(StoreError):
            bring(look_at(named(effects), folder), BrokenOff(contents, times), folder)
        home_with(effects, contents, folder)
        assert read(folder) == after
        assert {standing.state for standing in home_with(effects, contents, folder)} <= {"done"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES, TREES, TREES)
def test_a_folder_that_moved_on_loses_nothing(
    before: dict[str, Node], after: dict[str, Node], meanwhile: dict[str, Node]
) -> None:
    contents = Held()
    effects = effects_of(before, after, contents)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "tree"
        make(folder, meanwhile)
        standings = look_at(named(effects), folder)
        with contextlib.suppress(UsageError):  # below a change that was refused there may be no folder to write into
            bring(standings, contents, folder)
        now = read(folder)
        ready = {standing.name for standing in standings if standing.state == "ready"}
        for name, node in meanwhile.items():
            if now.get(name) != node:
                assert name in ready
                assert before[name][0::2] == node[0::2]


def effect(path: str, before: bytes | None, after: bytes | None, contents: Held, mode: int = 0o644) -> Effect:
    sides = [
        None if data is None else File(f"{WORKSPACE}/{path}", "file", mode, len(data), contents.put(data))
        for data in (before, after)
    ]
    return Effect(f"{WORKSPACE}/{path}", *sides)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    return place


def test_a_link_on_the_way_is_never_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"old")
    (folder / "sub").symlink_to(outside)
    (folder / "file").symlink_to(outside / "file")
    contents = Held()
    for name, before in (("sub/file", b"old"), ("sub/new", None), ("file", b"old")):
        (standing,) = look_at({name: effect(name, before, b"new", contents)}, folder)
        assert standing.state == "refused", name
    assert (outside / "file").read_bytes() == b"old"
    assert names_in(outside) == ["file"]


def test_a_link_that_is_put_in_the_way_meanwhile_is_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_bytes(b"old")
    contents = Held()
    standings = look_at(named([effect("sub/file", b"old", b"new", contents)]), folder)
    (folder / "sub").rename(outside / "sub")
    (folder / "sub").symlink_to(outside / "sub")
    with pytest.raises(UsageError, match="Not a directory"):
        bring(standings, contents, folder)
    assert (outside / "sub" / "file").read_bytes() == b"old"


def test_a_file_that_changes_between_the_look_and_the_deed_is_kept(folder: Path) -> None:
    (folder / "file").write_bytes(b"old")
    contents = Held()
    standings = look_at(named([effect("file", b"old", b"new", contents)]), folder)
    (folder / "file").write_bytes(b"mine")
    with pytest.raises(UsageError, match="has changed while"):
        bring(standings, contents, folder)
    assert (folder / "file").read_bytes() == b"mine"


def test_a_file_that_appears_between_the_look_and_the_deed_is_kept(folder: Path) -> None:
    contents = Held()
    standings = look_at(named([effect("file", None, b"new", contents)]), folder)
    (folder / "file").write_bytes(b"mine")
    with pytest.raises(UsageError):
        bring(standings, contents, folder)
    assert (folder / "file").read_bytes() == b"mine"
    assert names_in(folder) == ["file"]


@pytest.mark.parametrize("name", [".git/config", "sub/.git/hooks/pre-commit", ".GIT/config", "git~1/x", ".gi\u200ct/x"])
def test_a_repository_itself_is_never_written(folder: Path, name: str) -> None:  # E14
    contents = Held()
    with pytest.raises(StoreError, match="belongs to a git repository"):
        look_at({name: effect("x", None, b"evil", contents)}, folder)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a//b", "", ".", "x\0y", "/".join("a" * 65)])
def test_a_name_that_leads_outside_is_refused(folder: Path, name: str) -> None:  # O5
    with pytest.raises(StoreError, match="not inside"):
        look_at({name: effect("x", None, b"evil", Held())}, folder)


@pytest.mark.parametrize(("mode", "made"), [(0o4755, 0o755), (0o2644, 0o644), (0o777, 0o755), (0o600, 0o644)])
def test_of_a_mode_only_the_right_to_run_is_brought(folder: Path, mode: int, made: int) -> None:  # E16
    former = os.umask(0o022)
    try:
        contents = Held()
        home_with([effect("file", None, b"new", contents, mode)], contents, folder)
    finally:
        os.umask(former)
    assert stat.S_IMODE((folder / "file").stat().st_mode) == made


def test_a_file_that_is_replaced_keeps_the_rights_that_its_owner_gave_it(folder: Path) -> None:
    contents = Held()
    (folder / "file").write_bytes(b"old")
    (folder / "file").chmod(0o640)
    home_with([effect("file", b"old", b"new", contents)], contents, folder)
    assert stat.S_IMODE((folder / "file").stat().st_mode) == 0o640
    home_with([effect("file", b"new", b"newer", contents, 0o755)], contents, folder)
    assert stat.S_IMODE((folder / "file").stat().st_mode) == 0o750


def test_a_link_that_cannot_take_its_place_leaves_nothing_behind(folder: Path) -> None:
    (folder / "link").write_bytes(b"old")
    replaced = File("/workspace/link", "file", 0o644)
    leads = File("/workspace/link", "link", 0o777, target="elsewhere")
    step = Standing(Effect("/workspace/link", replaced, leads), "link", "ready", found=(folder / "link").stat())
    (folder / "link").unlink()
    (folder / "link").mkdir()  # by somebody, between the last look and the deed
    with open_folder(folder) as place, pytest.raises(IsADirectoryError):
        bringing._write_link(step, "link", place)
    assert names_in(folder) == ["link"]


def test_a_folder_goes_only_when_it_is_empty(folder: Path) -> None:
    contents = Held()
    make(folder, {"gone/a": Node(b"1"), "gone/mine": Node(b"2")})
    home_with(effects_of({"gone/a": Node(b"1")}, {}, contents), contents, folder)
    assert read(folder) == {"gone/mine": Node(b"2")}


def test_a_folder_that_holds_more_than_the_session_knew_does_not_become_a_file(folder: Path) -> None:
    contents = Held()
    make(folder, {"a/b": Node(b"1"), "a/mine": Node(b"2")})
    standings = look_at(named(effects_of({"a/b": Node(b"1")}, {"a": Node(b"3")}, contents)), folder)
    assert {standing.name: standing.state for standing in standings} == {"a": "refused", "a/b": "ready"}
    assert "a/mine is in it" in str(next(one.reason for one in standings if one.name == "a"))


def test_damaged_contents_are_found_before_anything_is_written(folder: Path) -> None:
    contents = Held()
    changes = [effect("a", None, b"1", contents), effect("b", None, b"2", contents)]
    contents.data[hashlib.sha256(b"2").hexdigest()] = b"evil"
    with pytest.raises(StoreError, match="damaged"):
        home_with(changes, contents, folder)
    assert names_in(folder) == []


def test_names_that_are_one_to_the_file_system_are_refused(folder: Path) -> None:  # O5
    contents = Held()
    changes = {name: effect(name, None, name.encode(), contents) for name in ("Makefile", "makefile")}
    assert [one.state for one in look_at(changes, folder)] == ["ready", "ready"]
    (folder.parent / folder.name.swapcase()).symlink_to(folder)  # as a file system without case has it
    with pytest.raises(UsageError, match="would be one file"):
        look_at(changes, folder)


@pytest.mark.parametrize("kind", ["fifo", "socket", "folder"])
def test_what_is_no_file_is_not_waited_for(folder: Path, kind: str) -> None:
    place = folder / "file"
    {"fifo": lambda: os.mkfifo(place), "socket": lambda: os.mknod(place, stat.S_IFSOCK), "folder": place.mkdir}[kind]()
    (standing,) = look_at(named([effect("file", b"old", b"new", Held())]), folder)
    assert standing.state == "refused"
