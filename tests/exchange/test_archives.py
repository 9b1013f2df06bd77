"""Archives of other kinds than ours: nothing leads out, nothing is taken for what it is not, no size is believed."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.paths import Home
from tests.cli.program import agentctl
from tests.exchange.kit import sent
from tests.kit import analysis, open_log
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node

Member = tuple[tarfile.TarInfo, bytes]
BLOB = "blobs/" + "0" * 64


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("sent")
    home = Home(folder / "home")
    with open_log(home) as log:
        recorder = FilesRecorder(log, home)
        recorder.begin({"a": Node(b"one")}, "x" * 70_000)
        analysis(recorder)
    return sent(home, folder).read_bytes()


def members_of(whole: bytes) -> list[Member]:
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        return [(info, file.read()) for info in archive if (file := archive.extractfile(info))]


def packed(members: list[Member]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def with_member(*given: object, first: bool = False) -> Callable[[bytes], bytes]:
    def change(whole: bytes) -> bytes:
        more = [member(*given)]  # type: ignore[arg-type]
        return packed([*more, *members_of(whole)] if first else [*members_of(whole), *more])

    return change


def twice(number: int) -> Callable[[bytes], bytes]:
    return lambda whole: packed([*members_of(whole), members_of(whole)[number]])


def claiming(name: str, field: bytes) -> Callable[[bytes], bytes]:
    """Say another size of a member, with a sum of the header that fits."""

    def change(whole: bytes) -> bytes:
        data, at = bytearray(whole), whole.index(name.encode())
        data[at + 124 : at + 136] = field
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
        return bytes(data)

    return change


TEN_GIB_BASE_256 = b"\x80" + (10 << 30).to_bytes(11, "big")

ARCHIVES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a name that leads out": (with_member("../x", b"x"), "has no place"),
    "a name from the root": (with_member("/etc/x", b"x"), "has no place"),
    "a symbolic link": (with_member(BLOB, b"", tarfile.SYMTYPE, "/etc/passwd"), "not a plain file"),
    "a hard link": (with_member(BLOB, b"", tarfile.LNKTYPE, "manifest.json"), "not a plain file"),
    "a pipe": (with_member(BLOB, b"", tarfile.FIFOTYPE), "not a plain file"),
    "a device": (with_member(BLOB, b"", tarfile.CHRTYPE), "not a plain file"),
    "a folder": (with_member("blobs", b"", tarfile.DIRTYPE), "not a plain file"),
    "a file with holes": (with_member(BLOB, b"", tarfile.GNUTYPE_SPARSE), "not a plain file"),
    "a header of another kind": (with_member("x", b"", tarfile.XHDTYPE, first=True), "not a plain file"),
    "a long name": (with_member("x", b"abc\0", tarfile.GNUTYPE_LONGNAME, first=True), "not a plain file"),
    "a manifest twice": (twice(0), "twice"),
    "events twice": (twice(1), "twice"),
    "a content twice": (twice(2), "twice"),
    "events of 8 GiB": (claiming("events.jsonl", b"%011o\0" % ((8 << 30) - 1)), "cut off"),
    "events of 10 GiB": (claiming("events.jsonl", TEN_GIB_BASE_256), "not a tar archive, or damaged"),
    "a manifest of 8 GiB": (claiming("manifest.json", b"%011o\0" % ((8 << 30) - 1)), "cut off"),
    "no events": (claiming("events.jsonl", b"%011o\0" % 0), "damaged"),
    "something behind it": (lambda whole: whole + b"x" * 2_000, "follows the end"),
    "two in one": (lambda whole: whole + whole, "follows the end"),
    "a compressed one": (gzip.compress, "not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("what", ARCHIVES)
def test_what_no_export_writes_is_refused_in_a_line(whole: bytes, own_home: Path, tmp_path: Path, what: str) -> None:
    change, said = ARCHIVES[what]
    file = tmp_path / "in.agentctl"
    file.write_bytes(change(whole))
    done = agentctl("import", file)
    assert done.code == 2
    assert said in done.err
    assert "nothing was imported" in done.err
    assert len(done.err.splitlines()) == 1
    assert not own_home.exists()


def test_a_content_that_nobody_names_is_not_stored(whole: bytes, own_home: Path, tmp_path: Path) -> None:
    name = "blobs/8e35c2cd3bf6641bdb0e2050b76932cbb2e6034a0ddacc1d9bea82a6ba57f7cf"  # of q
    file = tmp_path / "in.agentctl"
    file.write_bytes(packed([*members_of(whole), member(name, b"q")]))
    assert agentctl("import", file).code == 0
    assert not [path for path in own_home.rglob("*") if path.name == name.rpartition("/")[2]]
    assert [path for path in own_home.joinpath("blobs").rglob("*") if path.is_file()]
