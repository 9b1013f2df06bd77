"""Files out of the store: whole, inside the folder, and nothing else, whatever the record says."""

import gzip
import hashlib
import os
import stat
from pathlib import Path

import pytest

from agentctl.canonical import JsonObject
from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.store.blobs import Blobs
from agentctl.store.outputs import KeptFile, choose, kept_files, write_files


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fetched" / "here"


def kept(blobs: Blobs, path: str, data: bytes = b"data", mode: int = 0o644) -> KeptFile:
    digest, size = blobs.put([data])
    return kept_files([{"path": path, "size": size, "mode": mode, "sha256": digest}])[0]


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def test_files_are_written_whole_with_their_folders(blobs: Blobs, folder: Path) -> None:
    large = os.urandom(3 << 20)
    write_files([kept(blobs, "a.txt", b"a"), kept(blobs, "sub/deep/b.bin", large)], blobs, folder)
    assert everything(folder) == ["a.txt", "sub", "sub/deep", "sub/deep/b.bin"]
    assert (folder / "sub/deep/b.bin").read_bytes() == large


@pytest.mark.parametrize(
    "path",
    ["../out", "a/../../out", "/etc/passwd", "a//b", "", ".", "a/.", "..", "a/..", "x\0y", "a/"],
)
def test_a_name_that_leads_outside_is_refused_before_anything_is_written(blobs: Blobs, folder: Path, path: str) -> None:
    with pytest.raises(StoreError, match="not inside"):
        write_files([kept(blobs, "good"), kept(blobs, path)], blobs, folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("mode", "made"), [(0o644, 0o644), (0o755, 0o755), (0o4777, 0o755), (0o2775, 0o755), (0o000, 0o600)]
)
def test_mode_bits_are_those_that_do_no_harm(blobs: Blobs, folder: Path, mode: int, made: int) -> None:
    write_files([kept(blobs, "tool", mode=mode)], blobs, folder)
    assert stat.S_IMODE((folder / "tool").stat().st_mode) == made


def test_nothing_is_replaced_unless_that_is_wanted(blobs: Blobs, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "b").write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        write_files([kept(blobs, "a"), kept(blobs, "b")], blobs, folder)
    assert everything(folder) == ["b"]
    assert (folder / "b").read_text() == "mine"
    write_files([kept(blobs, "a"), kept(blobs, "b")], blobs, folder, replace=True)
    assert (folder / "b").read_bytes() == b"data"


def test_a_link_in_the_way_is_not_followed(blobs: Blobs, folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "sub").symlink_to(outside)
    with pytest.raises(UsageError, match="cannot write"):
        write_files([kept(blobs, "sub/file")], blobs, folder)
    assert everything(outside) == []


def test_a_link_with_the_name_of_the_file_is_replaced_and_not_written_through(
    blobs: Blobs, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir(parents=True)
    target = tmp_path / "precious"
    target.write_text("precious")
    (folder / "file").symlink_to(target)
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "dangling"):
        with pytest.raises(UsageError, match="there already"):
            write_files([kept(blobs, name)], blobs, folder)
        write_files([kept(blobs, name)], blobs, folder, replace=True)
        assert not (folder / name).is_symlink()
    assert target.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_two_files_of_one_name_and_a_file_that_is_also_a_folder_are_refused(blobs: Blobs, folder: Path) -> None:
    for replace in (False, True):
        with pytest.raises(UsageError, match="would be one file"):
            write_files([kept(blobs, "a", b"1"), kept(blobs, "a", b"2")], blobs, folder, replace=replace)
    assert everything(folder) == []
    with pytest.raises(UsageError, match="cannot write"):
        write_files([kept(blobs, "b", b"1"), kept(blobs, "b/c", b"2")], blobs, folder)
    with pytest.raises(UsageError, match="cannot write"):
        write_files([kept(blobs, "d/e", b"1"), kept(blobs, "d", b"2")], blobs, folder, replace=True)
    assert everything(folder) == ["b", "d", "d/e"]


def test_names_that_differ_in_case_alone_are_two_files_only_where_they_can_be(blobs: Blobs, folder: Path) -> None:  # O5
    files = [kept(blobs, "README", b"1"), kept(blobs, "readme", b"2")]
    write_files(files, blobs, folder)
    assert everything(folder) == ["README", "readme"]
    (folder.parent / "HERE").symlink_to(folder)  # as a file system without case has it
    with pytest.raises(UsageError, match="would be one file"):
        write_files(files, blobs, folder, replace=True)


def test_a_file_that_is_too_deep_is_left_out_and_the_others_are_not(blobs: Blobs) -> None:  # O5
    deep = kept(blobs, "/".join("a" * 65))
    assert (deep.digest, deep.skipped) == (None, "it is more than 64 folders deep")
    assert kept(blobs, "/".join("a" * 64)).digest is not None


@pytest.mark.parametrize("size", [0, 1, 1 << 62])
def test_a_size_that_lies_changes_nothing(blobs: Blobs, folder: Path, size: int) -> None:  # O5
    digest, _ = blobs.put([b"data"])
    files = kept_files([{"path": "file", "size": size, "mode": 0o644, "sha256": digest}])
    write_files(files, blobs, folder)
    assert (folder / "file").read_bytes() == b"data"


def test_what_is_packed_stays_packed(blobs: Blobs, folder: Path) -> None:  # O6
    bomb = gzip.compress(bytes(10_000_000))
    write_files([kept(blobs, "bomb.gz", bomb)], blobs, folder)
    assert everything(folder) == ["bomb.gz"]
    assert (folder / "bomb.gz").read_bytes() == bomb


def test_thousands_of_files_are_written(blobs: Blobs, folder: Path) -> None:  # O5
    one = kept(blobs, "x")
    files = [KeptFile(f"{number % 100}/{number}", 4, 0o644, one.digest) for number in range(2_000)]
    write_files(files, blobs, folder)
    assert sum(1 for path in folder.rglob("*") if path.is_file()) == 2_000


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_bytes_that_are_not_there_or_damaged_leave_nothing_half_made(
    blobs: Blobs, folder: Path, tmp_path: Path, damage: str
) -> None:
    file = kept(blobs, "a")
    (blob,) = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    blob.unlink() if damage == "missing" else blob.write_bytes(b"evil")
    with pytest.raises(StoreError):
        write_files([file], blobs, folder)
    assert everything(folder) == []


def test_a_folder_that_cannot_be_one_is_refused(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(UsageError):
            write_files([kept(blobs, "a")], blobs, place)


def test_files_are_chosen_by_path(blobs: Blobs) -> None:
    files = [kept(blobs, "a"), kept(blobs, "b/c")]
    assert choose(files, []) == files
    assert choose(files, ["b/c"]) == files[1:]
    with pytest.raises(NotFoundError, match="made no file"):
        choose(files, ["c"])


def test_a_file_that_was_not_kept_says_why() -> None:
    (file,) = kept_files([{"path": "big", "size": 5, "skipped": "more than 4 bytes"}])
    assert (file.digest, file.skipped) == (None, "more than 4 bytes")


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"path": 1, "size": 1},
        {"path": "a"},
        {"path": "a", "size": "1", "sha256": hashlib.sha256().hexdigest()},
        {"path": "a", "size": 1, "sha256": "../../../../../etc/passwd"},
        {"path": "a", "size": 1, "sha256": None},
    ],
)
def test_a_record_that_is_odd_is_said_to_be_damaged(odd: JsonObject) -> None:
    with pytest.raises(StoreError, match="damaged"):
        kept_files([odd])
