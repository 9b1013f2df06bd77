"""Blobs: each once, whole, durable when they are named in the log."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from agentctl.errors import StoreError
from agentctl.store import blobs as blobs_module
from agentctl.store.blobs import Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def files(blobs_root: Path) -> list[Path]:
    return [path for path in blobs_root.rglob("*") if path.is_file()]


def test_many_are_stored_at_once_each_under_its_name(blobs: Blobs, tmp_path: Path) -> None:
    payloads = [b"", b"one", b"one", os.urandom(3 << 20), *(str(number).encode() for number in range(300))]
    found = blobs.put_many([payload[:100], payload[100:]] for payload in payloads)
    assert found == [(hashlib.sha256(payload).hexdigest(), len(payload)) for payload in payloads]
    assert [blobs.read(digest) for digest, _ in found] == payloads
    assert len(files(tmp_path / "blobs")) == len(set(payloads))
    assert {path.stat().st_mode & 0o777 for path in files(tmp_path / "blobs")} == {0o600}


def test_what_is_there_is_not_written_again(blobs: Blobs, tmp_path: Path) -> None:
    large = os.urandom(3 << 20)
    blobs.put_many([[b"small"], [large[:100], large[100:]]])
    places = {path: path.stat().st_ino for path in files(tmp_path / "blobs")}
    for pieces in ([large], [large[:200], large[200:]]):
        blobs.put_many([[b"small"], pieces])
    assert {path: path.stat().st_ino for path in files(tmp_path / "blobs")} == places


def test_one_that_was_cut_short_is_written_again(blobs: Blobs, tmp_path: Path) -> None:
    digest, _ = blobs.put([b"whole"])
    [path] = files(tmp_path / "blobs")
    path.write_bytes(b"wh")
    assert blobs.put([b"whole"]) == (digest, 5)
    assert blobs.read(digest) == b"whole"


def test_what_could_not_be_made_durable_is_not_relied_on(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, _ = blobs.put([b"kept before"])

    def failing(place: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(blobs_module, "sync", failing)
        with pytest.raises(StoreError, match="cannot write to"):
            blobs.put_many([[b"kept before"], [b"new"]])
    assert [path.name for path in files(tmp_path / "blobs")] == [kept]
    assert blobs.read(kept) == b"kept before"


def test_a_source_that_fails_leaves_nothing_half_written(blobs: Blobs, tmp_path: Path) -> None:
    def source() -> object:
        yield b"x"
        yield b"y"
        raise EOFError

    with pytest.raises(EOFError):
        blobs.put_many([source()])  # type: ignore[list-item]
    assert files(tmp_path / "blobs") == []
