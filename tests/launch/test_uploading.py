"""Files of this machine on their way into the record, and from there into a sandbox."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.events.local import LocalCheckpoint, LocalFilesChanged, LocalFilesUploaded
from agentctl.launch.uploading import Uploaded, supplier, upload
from agentctl.sandbox.archive import tar_stream
from agentctl.sandbox.base import Layout, Upload
from agentctl.sandbox.places import Places
from agentctl.session.files import File, FilesRecord, read_manifest
from agentctl.store.blobs import Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/file").write_bytes(b"x" * 1000)
    (folder / "a/b/file").chmod(0o4750)
    (folder / ".hidden").write_bytes(b"")
    (folder / "link").symlink_to("no//where")
    (folder / ("n" * 200)).mkdir()
    (folder / ("n" * 200) / ("m" * 200)).write_bytes(b"long")
    (folder / os.fsdecode(b"\xff\n")).write_bytes(b"odd")
    (folder / "large").write_bytes(os.urandom(3 << 20))
    return folder


def uploaded(blobs: Blobs, *uploads: Upload, told: list[str] | None = None) -> dict[str, File]:
    found = upload(uploads, blobs, (told if told is not None else []).append)
    assert list(read_manifest(found.event["manifest"], blobs)) == sorted(found.files, key=lambda file: file.path)
    return {file.path: file for file in found.files}


def sent(files: dict[str, File], blobs: Blobs, layout: Layout = Layout()) -> dict[str, tarfile.TarInfo]:  # noqa: B008
    data = b"".join(tar_stream(list(files.values()), blobs, Places(layout), print))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            if member.isfile():
                file, digest = tar.extractfile(member), files["/" + member.name].digest
                assert file is not None
                assert hashlib.sha256(file.read()).hexdigest() == digest
        return {member.name: member for member in tar}


def test_a_folder_is_recorded_and_sent_with_everything_in_it(blobs: Blobs, source: Path) -> None:
    files = uploaded(blobs, Upload(source, "/workspace"))
    found = {path.removeprefix("/workspace/"): (file.kind, file.mode, file.size) for path, file in files.items()}
    assert found == {
        "a": ("folder", 0o755, 0),
        "a/b": ("folder", 0o755, 0),
        "a/b/file": ("file", 0o750, 1000),
        ".hidden": ("file", 0o644, 0),
        "link": ("link", 0o777, 0),
        "n" * 200: ("folder", 0o755, 0),
        f"{'n' * 200}/{'m' * 200}": ("file", 0o644, 4),
        "\udcff\n": ("file", 0o644, 3),
        "large": ("file", 0o644, 3 << 20),
    }
    assert files["/workspace/link"].target == "no//where"
    members = sent(files, blobs)
    assert {f"/{name}" for name in members} == set(files)
    assert members["workspace/a/b/file"].mode == 0o750
    for path in ("a/b/file", "link"):
        member = members[f"workspace/{path}"]
        assert (member.mtime * 10**6 + member.uid) == (source / path).lstat().st_mtime_ns // 1000
    assert members["workspace/link"].linkname == "no//where"


def test_what_is_recorded_says_how_much_there_is_and_what_was_left_out(blobs: Blobs, source: Path) -> None:
    os.mkfifo(source / "fifo")
    told: list[str] = []
    found = upload([Upload(source, ".")], blobs, told.append)
    assert {name: found.event[name] for name in ("files", "bytes", "skipped")} == {
        "files": 9,
        "bytes": 1007 + (3 << 20),
        "skipped": ["fifo"],
    }
    assert "fifo" in told[0]
    for line in blobs.read(found.event["manifest"]).splitlines():
        assert json.loads(line)["path"].startswith("/workspace/")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("x", "/workspace/x"),
        ("in/", "/workspace/in/f.txt"),
        ("/a/b/", "/a/b/f.txt"),
        ("/mnt/session/uploads/f", "/mnt/session/uploads/f"),
        ("../x", "/x"),
    ],
)
def test_a_file_goes_where_its_target_says(blobs: Blobs, tmp_path: Path, target: str, path: str) -> None:
    (tmp_path / "f.txt").write_text("x")
    assert list(uploaded(blobs, Upload(tmp_path / "f.txt", target))) == [path]


def test_the_last_of_two_files_for_one_place_is_there(blobs: Blobs, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
    files = uploaded(blobs, Upload(tmp_path / "a", "x"), Upload(tmp_path / "b", "x"))
    assert b"".join(blobs.open(files["/workspace/x"].digest or "")) == b"b"


class Meanwhile(Blobs):
    """A store whose user does something to the source while it is read."""

    def __init__(self, root: Path, deed: object) -> None:
        super().__init__(root)
        self._deed = deed

    def put_many(self, payloads: Iterator[Iterator[bytes]]) -> list[tuple[str, int]]:  # type: ignore[override]
        def disturbed() -> Iterator[Iterator[bytes]]:
            for payload in payloads:
                self._deed()  # type: ignore[operator]
                yield payload

        return super().put_many(disturbed())


def test_what_changes_while_it_is_read_is_recorded_as_it_was_read(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in "abc":
        (source / name).write_bytes(name.encode() * 1_000_000)

    def change() -> None:
        (source / "a").write_bytes(b"A" * 10)
        (source / "b").write_bytes(b"B" * 3_000_000)
        (source / "c").unlink(missing_ok=True)

    told: list[str] = []
    blobs = Meanwhile(tmp_path / "blobs", change)
    files = {file.path[-1]: file for file in upload([Upload(source, ".")], blobs, told.append).files}
    assert {name: file.size for name, file in files.items()} == {"a": 10, "b": 3_000_000}
    assert b"".join(blobs.open(files["b"].digest or "")) == b"B" * 3_000_000
    assert told == ["/workspace/c went away while it was to be copied"]
    sent({file.path: file for file in files.values()}, blobs)


def test_what_is_not_there_or_too_much_is_refused_before_anything_is_read(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="missing"):
        upload([Upload(tmp_path / "missing", ".")], blobs, print)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(UsageError, match=r"2,048.0 MiB"):
        upload([Upload(tmp_path / "sparse", "x")], blobs, print)
    assert not (tmp_path / "blobs").exists()


def test_contents_that_are_missing_or_damaged_are_not_sent(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x" * 100)
    files = uploaded(blobs, Upload(tmp_path / "f", "f"))
    [blob] = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file() and path.stat().st_size == 100]
    blob.write_text("y" * 100)
    with pytest.raises(StoreError, match="the kept contents of /workspace/f are damaged"):
        sent(files, blobs)
    blob.unlink()
    with pytest.raises(StoreError):
        sent(files, blobs)


def test_the_usual_places_become_those_of_the_sandbox(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    layout = Layout(workspace="/box/space", outputs="/box/out", uploads="/box/up")
    places = ["/workspace/f", "/mnt/session/outputs/f", "/mnt/session/uploads/f", "/workspace2/f", "/etc/f"]
    files = [file for place in places for file in uploaded(blobs, Upload(tmp_path / "f", place)).values()]
    data = b"".join(tar_stream(files, blobs, Places(layout), print))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert set(tar.getnames()) == {"box/space/f", "box/out/f", "box/up/f", "workspace2/f", "etc/f"}
    assert Places(layout).recorded("/box/space/a") == "/workspace/a"
    assert Places(layout).recorded("/box/spaceshop") is None
    assert Places(layout).recorded("/workspace/a") is None


# What a sandbox is supplied with.


def changed(*changes: dict[str, object]) -> LocalFilesChanged:
    return LocalFilesChanged(id="sevt_1", changes=list(changes), tool_use_id="sevt_0")


def created(path: str, digest: str | None = "d" * 64) -> dict[str, object]:
    body = {"path": path, "change": "created", "kind": "file", "mode": 0o644, "size": 1}
    return body | ({"sha256": digest} if digest else {"cut": "too large"})


def deleted(path: str) -> dict[str, object]:
    return {"path": path, "change": "deleted", "kind": "file"}


def recorded(found: Uploaded) -> LocalFilesUploaded:
    return LocalFilesUploaded(id="sevt_u", **found.event)


def test_the_first_sandbox_gets_the_sources_and_the_others_what_the_record_has(blobs: Blobs, source: Path) -> None:
    record = FilesRecord()
    supply = supplier([Upload(source, ".")], blobs, print, lambda: record)
    first = supply({}, False)
    assert len(first.restoring.files) == 9
    assert first.uploaded is not None
    record.add(LocalFilesUploaded(id="sevt_u", **first.uploaded))
    record.add(changed(deleted("/workspace/large"), created("/workspace/new"), created("/workspace/cut", None)))
    record.add(changed(deleted("/workspace/new")))
    (source / "large").unlink()
    (source / ".hidden").write_text("changed since")
    second = supply({}, False)
    assert second.uploaded is None
    assert {file.path for file in second.restoring.files} == {
        *(file.path for file in first.restoring.files if file.path != "/workspace/large"),
        "/workspace/cut",
    }
    assert second.restoring.gone == ("/workspace/large", "/workspace/new")
    assert second.restoring.missing == ["/workspace/cut"]
    assert supply({}, True).restoring.files == (), "one that runs has its files"


def test_an_older_record_that_says_nothing_of_files_begins_with_the_sources_again(blobs: Blobs, source: Path) -> None:
    supply = supplier([Upload(source, ".")], blobs, print, FilesRecord)
    for attached in (False, True):
        supplied = supply({}, attached)
        assert supplied.uploaded is not None
        assert len(supplied.restoring.files) == 9


def test_on_top_of_a_kept_state_comes_what_was_done_since(blobs: Blobs, source: Path) -> None:
    record = FilesRecord()
    record.add(recorded(upload([Upload(source, ".")], blobs, print)))
    record.add(changed(created("/workspace/before")))
    record.add(LocalCheckpoint(id="sevt_c", image="sha256:kept", size=1, keep_until="2027-01-01T00:00:00Z"))
    assert record.restoring(blobs, "sha256:kept").files == ()
    record.add(changed(created("/workspace/since"), deleted("/workspace/before")))
    restoring = record.restoring(blobs, "sha256:kept")
    assert [file.path for file in restoring.files] == ["/workspace/since"]
    assert restoring.gone == ("/workspace/before",)
    assert len(record.restoring(blobs, "sha256:another").files) == 10
