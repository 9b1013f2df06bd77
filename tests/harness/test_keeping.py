"""What calls did to files becomes part of the record: contents first, and nobody's but the session's own."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from agentctl.canonical import JsonObject
from agentctl.harness.keeping import Keeper, replaced_notice
from agentctl.sandbox.base import Changes
from agentctl.session.files import File, Restoring
from agentctl.store.blobs import Blobs

DATA = b"what a call wrote"


def name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def created(data: bytes, path: str = "/workspace/f") -> JsonObject:
    body = {"path": path, "change": "created", "kind": "file", "mode": 0o644}
    return body | {"size": len(data), "sha256": name(data)}


def told(*changes: JsonObject, contents: Mapping[str, bytes] | None = None) -> Changes:
    return Changes(tuple(changes), contents or {})


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def test_contents_are_kept_before_they_are_named(blobs: Blobs) -> None:
    deleted = {"path": "/workspace/g", "change": "deleted", "kind": "file"}
    recorded = Keeper(blobs).record(told(created(DATA), deleted, contents={name(DATA): DATA}), ())
    assert recorded == [created(DATA), deleted]
    assert blobs.read(name(DATA)) == DATA


def test_what_came_with_an_earlier_call_need_not_come_again(blobs: Blobs) -> None:
    keeper = Keeper(blobs)
    keeper.record(told(created(DATA), contents={name(DATA): DATA}), ())
    assert keeper.record(told(created(DATA, "/workspace/copy")), ()) == [created(DATA, "/workspace/copy")]
    assert Keeper(blobs).record(told(created(DATA)), {name(DATA)}) == [created(DATA)], "nor what the record has"


def test_naming_the_contents_of_others_gives_nobody_what_is_in_them(blobs: Blobs) -> None:  # E15
    secret, _ = blobs.put([b"a file of another session"])
    [recorded] = Keeper(blobs).record(told(created(b"a file of another session")), {"0" * 64})
    assert recorded["cut"] == "its contents were not sent"
    assert "sha256" not in recorded
    assert secret not in str(recorded)


class Redacting(Blobs):
    """A store that keeps something else than it is given, as one that takes secrets out does."""

    def put_many(self, payloads: Iterable[Iterable[bytes]]) -> list[tuple[str, int]]:
        return super().put_many([b"".join(payload).replace(b"wrote", b"[...]!")] for payload in payloads)


def test_what_is_recorded_names_what_was_kept_also_later(tmp_path: Path) -> None:
    blobs = Redacting(tmp_path / "blobs")
    keeper = Keeper(blobs)
    kept = b"what a call [...]!"
    for _ in range(2):
        [recorded] = keeper.record(told(created(DATA), contents={name(DATA): DATA}), ())
        assert (recorded["sha256"], recorded["size"]) == (name(kept), len(kept))
    assert keeper.kept(name(DATA)) == (name(kept), len(kept))
    assert keeper.kept(None) is None
    assert blobs.read(name(kept)) == kept


def test_the_model_is_told_what_a_new_sandbox_has_and_what_not() -> None:
    folders = ("/workspace", "/out")
    there = File("/workspace/a", "file", 0o644, 1, "a" * 64)
    notice = replaced_notice(Restoring((there,)), folders, is_kept_state=False, is_rebuilt=False)
    assert "Files under /workspace and /out are as they were after the last call that ended." in notice
    assert "too large" not in notice
    assert "what was installed" in notice
    notice = replaced_notice(Restoring(()), folders, is_kept_state=True, is_rebuilt=False, unkept="the disk\nis full")
    assert "at an earlier time; what was done there since could not be kept (the disk\\nis full)" in notice
    cut = tuple(File(f"/workspace/{n}\n", "file", 0o644, 1, cut="too large") for n in range(12))
    notice = replaced_notice(Restoring((there, *cut)), folders, is_kept_state=True, is_rebuilt=False)
    assert "/workspace/0\\n, " in notice
    assert "and 2 more" in notice
    assert "what was installed" not in notice
