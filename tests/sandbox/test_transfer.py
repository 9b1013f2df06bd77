"""Files on their way in: looked at first, sent whatever happens to them meanwhile."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from agentctl.errors import NotFoundError, UsageError
from agentctl.sandbox.base import Upload
from agentctl.sandbox.transfer import Cargo, load, tar_stream


def sent(cargo: Cargo, told: list[str] | None = None) -> dict[str, bytes | None]:
    data = b"".join(tar_stream(cargo, (told if told is not None else []).append))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {member.name: tar.extractfile(member) if member.isfile() else None for member in tar}
        return {name: file.read() if file else None for name, file in files.items()}


def test_a_folder_is_sent_with_everything_in_it(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(b"x" * 1000)
    (tmp_path / ".hidden").write_bytes(b"")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / ("n" * 200)).mkdir()
    (tmp_path / ("n" * 200) / ("m" * 200)).write_bytes(b"long")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"odd")
    [cargo] = load([Upload(tmp_path, ".")])
    assert sent(cargo) == {
        "a": None,
        "a/b": None,
        "a/b/file": b"x" * 1000,
        ".hidden": b"",
        "link": None,
        "n" * 200: None,
        f"{'n' * 200}/{'m' * 200}": b"long",
        "\udcff": b"odd",
    }
    assert cargo.size == 1007


@pytest.mark.parametrize(
    ("target", "folder", "name"),
    [("x", ".", "x"), ("in/x", "in", "x"), ("in/", "in", "f.txt"), ("/a/b/", "/a/b", "f.txt"), ("/x", "/", "x")],
)
def test_a_file_goes_where_its_target_says(tmp_path: Path, target: str, folder: str, name: str) -> None:
    (tmp_path / "f.txt").write_text("x")
    [cargo] = load([Upload(tmp_path / "f.txt", target)])
    assert (cargo.folder, [name for name, _ in cargo.paths]) == (folder, [name])
    assert sent(cargo) == {name: b"x"}


def test_a_file_that_grows_is_cut_and_one_that_shrinks_is_filled_up(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode() * 1_000_000)
    [cargo] = load([Upload(tmp_path, ".")])
    told: list[str] = []
    stream = tar_stream(cargo, told.append)
    data = next(stream)
    (tmp_path / "a").write_bytes(b"a" * 2_000_000)
    (tmp_path / "b").write_bytes(b"b" * 10)
    (tmp_path / "c").unlink()
    data += b"".join(stream)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        sizes = {member.name: member.size for member in tar}
    assert sizes["a"] == 1_000_000
    assert sizes["b"] in (10, 1_000_000)
    assert "c" not in sizes
    assert any("c went away" in line for line in told)


def test_a_file_that_shrinks_while_it_is_read_is_filled_up_with_zeros(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 1_000_000)
    [cargo] = load([Upload(tmp_path, ".")])
    told: list[str] = []
    stream = tar_stream(cargo, told.append)
    data = next(stream)
    os.truncate(tmp_path / "a", 300_000)
    data += b"".join(stream)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        file = tar.extractfile("a")
        assert file is not None
        content = file.read()
    assert len(content) == 1_000_000
    assert content.rstrip(b"\0").strip(b"a") == b""
    assert any("shorter" in line for line in told)


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


def _is_refused(folder: Path) -> bool:
    try:
        load([Upload(folder, ".")])
    except UsageError as error:
        return "permission denied" in error.message
    return False
