"""What was written outside of the recorded folders, and what never could be."""

import os
import time
from pathlib import Path

import pytest

from agentctl.sandbox.inside.outside import changed_since, places_of, read_places


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("home", "home/deep/er", "workspace", "closed"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / "home/deep/er/file").write_text("x")
    (tmp_path / "workspace/file").write_text("x")
    (tmp_path / "closed/open").write_text("x")
    return tmp_path


def changed(tree: Path, began: float, *apart: str) -> str | None:
    found = changed_since(began, [str(tree / "home"), str(tree / "workspace")], {str(tree / name) for name in apart})
    return found and str(Path(found).relative_to(tree))


def moment() -> float:
    """A moment after everything so far and before everything to come: a change time may be 10 ms behind."""
    time.sleep(0.05)
    return time.time() - 0.025


def test_nothing_was_written_where_nothing_was(tree: Path) -> None:
    assert changed(tree, moment()) is None


def test_what_was_written_is_found_however_it_was_hidden(tree: Path) -> None:
    began = moment()
    file = tree / "home/deep/er/file"
    file.write_text("y")
    os.utime(file, (0, 0))
    assert changed(tree, began) == "home/deep/er/file"


@pytest.mark.parametrize("deed", ["chmod", "delete", "link", "folder"])
def test_a_mode_a_deletion_a_link_and_a_folder_are_changes_too(tree: Path, deed: str) -> None:
    began = moment()
    match deed:
        case "chmod":
            (tree / "home/deep/er/file").chmod(0o600)
        case "delete":
            (tree / "home/deep/er/file").unlink()
        case "link":
            (tree / "home/deep/link").symlink_to("/nowhere")
        case "folder":
            (tree / "home/new").mkdir()
    assert changed(tree, began) is not None


def test_what_is_recorded_anyway_is_left_out(tree: Path) -> None:
    (tree / "home/own").mkdir()
    began = moment()
    (tree / "workspace/file").write_text("y")
    (tree / "home/own/file").write_text("y")
    assert changed(tree, began, "home/own") == "workspace/file"
    assert changed(tree, began, "workspace", "home/own") is None
    (tree / "home/deep/er/file").unlink()
    assert changed(tree, began, "workspace", "home/own") == "home/deep/er"


def test_no_link_is_followed(tree: Path) -> None:
    (tree / "home/way").symlink_to(tree / "closed")
    began = moment()
    (tree / "closed/open").write_text("y")
    assert changed(tree, began) is None


def test_the_places_of_a_user_are_those_it_owns_and_those_of_everybody(tree: Path) -> None:
    user = os.getuid() + 1
    (tree / "closed/open").chmod(0o666)
    (tree / "home/deep").chmod(0o777)
    (tree / "home/link").symlink_to("deep")
    assert {str(Path(path).relative_to(tree)) for path in places_of(user, str(tree))} == {"closed/open", "home/deep"}
    own = {Path(path).name for path in places_of(os.getuid(), str(tree))}
    assert own == {"home", "workspace", "closed"}


def test_a_list_that_is_not_there_or_too_long_is_none(tmp_path: Path) -> None:
    assert read_places(str(tmp_path / "missing")) is None
    (tmp_path / "list").write_text("/a\0/b c\n")
    assert read_places(str(tmp_path / "list")) == ["/a", "/b c\n"]
    (tmp_path / "long").write_text("x" * (2 << 20))
    assert read_places(str(tmp_path / "long")) is None
