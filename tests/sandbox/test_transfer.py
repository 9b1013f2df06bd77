"""Files that are to be copied in, looked at first."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.errors import NotFoundError, UsageError
from agentctl.sandbox.base import Upload
from agentctl.sandbox.disk import used_by
from agentctl.sandbox.transfer import load


@pytest.mark.parametrize(
    ("target", "folder", "name"),
    [("x", ".", "x"), ("in/x", "in", "x"), ("in/", "in", "f.txt"), ("/a/b/", "/a/b", "f.txt"), ("/x", "/", "x")],
)
def test_a_file_goes_where_its_target_says(tmp_path: Path, target: str, folder: str, name: str) -> None:
    (tmp_path / "f.txt").write_text("x")
    [cargo] = load([Upload(tmp_path / "f.txt", target)])
    assert (cargo.folder, [name for name, _ in cargo.paths]) == (folder, [name])


def test_what_is_neither_file_nor_folder_nor_link_is_left_out_and_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    [cargo] = load([Upload(tmp_path, ".")])
    assert (cargo.paths, cargo.skipped) == ([], ["fifo"])


def test_too_much_is_refused_with_the_numbers(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"x" * 1000)
    with pytest.raises(UsageError, match="3 files") as raised:
        load([Upload(tmp_path, ".")], most_files=2)
    assert "at most 2 files" in (raised.value.hint or "")
    with pytest.raises(UsageError, match="too much to copy"):
        load([Upload(tmp_path / "a", "x"), Upload(tmp_path, "y")], most_bytes=3500)


def test_what_is_not_there_or_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NotFoundError, match="no such file"):
        load([Upload(tmp_path / "missing", ".")])
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        load([Upload(tmp_path / "fifo", ".")])


def test_what_cannot_be_read_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0)
    (tmp_path).chmod(0o755)
    if os.geteuid() == 0:  # root may read everything: look as somebody else does
        for folder in [tmp_path, *tmp_path.parents][:3]:
            folder.chmod(0o755)
        pid = os.fork()
        if pid == 0:
            os.setuid(65534)
            os._exit(0 if _is_refused(tmp_path) else 1)
        assert os.waitpid(pid, 0)[1] == 0
    else:
        assert _is_refused(tmp_path)


CHURN = """
import os, sys
while True:
    for deed in (lambda path: open(path, "w").close(), os.unlink):
        for number in range(50):
            deed(f"{sys.argv[1]}/passing{number}")
"""


@pytest.fixture
def restless(tmp_path: Path) -> Iterator[Path]:
    """A folder with files that stay, and others that come and go all the time."""
    for number in range(20):
        (tmp_path / f"stays{number}").write_bytes(bytes(1 << 16))
    with subprocess.Popen([sys.executable, "-c", CHURN, tmp_path]) as churn:
        yield tmp_path
        churn.kill()


def test_a_file_that_goes_while_its_folder_is_looked_at_keeps_nothing_from_being_copied(restless: Path) -> None:
    for _ in range(300):
        [cargo] = load([Upload(restless, ".")])
        assert cargo.size == 20 << 16


def test_a_file_that_goes_while_a_folder_is_measured_hides_no_other(restless: Path) -> None:
    for _ in range(300):
        assert used_by(restless) >= 20 << 16


def _is_refused(folder: Path) -> bool:
    try:
        load([Upload(folder, ".")])
    except UsageError as error:
        return "permission denied" in error.message
    return False
