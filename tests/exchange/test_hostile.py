"""Files that somebody else has written: each lie is named, and nothing of it is stored."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.canonical import canonical_json
from agentctl.errors import NotFoundError, UsageError
from agentctl.events.large import chained
from agentctl.paths import Home
from tests.exchange.kit import ID, everything, packed, sent, taken_in, unpacked
from tests.kit import Recorder, analysis, open_log
from tests.patch.recorded import FilesRecorder
from tests.patch.trees import Node

Parts = dict[str, bytes]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = tmp_path_factory.mktemp("sent")
    home = Home(folder / "home")
    with open_log(home) as log:
        recorder = FilesRecorder(log, home)
        recorder.begin({"a": Node(b"one")}, "x" * 70_000)
        recorder.act("edit", {"a": Node(b"two")})
        analysis(recorder)
    return unpacked(sent(home, folder))


def lines_of(parts: Parts) -> list[dict[str, object]]:
    return [json.loads(line) for line in parts["events.jsonl"].splitlines()]


def with_events(parts: Parts, change: Callable[[list[dict[str, object]]], object]) -> Parts:
    """Change events, and everything that names them by a hash: what is left to find is what they say."""
    lines, former = lines_of(parts), ""
    change(lines)
    for line in lines:
        taken = canonical_json(line["blobs"]) if "blobs" in line else ""
        former = chained(former, canonical_json(line["event"]), taken)
        line["hash"] = former
    text = "".join(f"{canonical_json(line)}\n" for line in lines)
    manifest = {**json.loads(parts["manifest.json"]), "head": former, "events": len(lines)}
    return {**parts, "events.jsonl": text.encode(), "manifest.json": json.dumps(manifest).encode()}


def event(number: int, **members: object) -> Callable[[Parts], Parts]:
    return lambda parts: with_events(parts, lambda lines: lines[number]["event"].update(members))  # type: ignore[attr-defined]


def first_of(kind: str, **members: object) -> Callable[[Parts], Parts]:
    def change(lines: list[dict[str, object]]) -> None:
        body = next(line["event"] for line in lines if line["event"]["type"] == kind)  # type: ignore[index]
        body.update(members)  # type: ignore[attr-defined]

    return lambda parts: with_events(parts, change)


def replaced(old: bytes, new: bytes, name: str = "events.jsonl") -> Callable[[Parts], Parts]:
    return lambda parts: {**parts, name: parts[name].replace(old, new, 1)}


def without(start: str) -> Callable[[Parts], Parts]:
    return lambda parts: {name: data for name, data in parts.items() if not name.startswith(start)}


def fork(lines: list[dict[str, object]]) -> None:
    body = {"type": "local.forked", "id": "sevt_f", "processed_at": None, "session_id": ID, "agentctl_version": "0"}
    lines[3]["event"] = {**body, "parent": "p", "at": 2, "at_hash": "0" * 64}


LIES: dict[str, tuple[Callable[[Parts], Parts], str]] = {  # B12
    "a changed event": (replaced(b"wettest", b"driest"), "hash"),
    "a hash of its own": (replaced(b'"hash":"', b'"hash":"0'), "hash"),
    "a missing event": (lambda parts: with_events(parts, lambda lines: lines.pop(5)), "not the next event"),
    "a cut tail": (
        lambda parts: {**parts, "events.jsonl": b"\n".join(parts["events.jsonl"].split(b"\n")[:-3]) + b"\n"},
        "cut off",
    ),
    "half a line": (lambda parts: {**parts, "events.jsonl": parts["events.jsonl"][:-5]}, "not end with a whole line"),
    "a key twice": (replaced(b'"seq":3}', b'"seq":3,"seq":3}'), "comes twice"),
    "depth": (replaced(b'"seq":1}', b'"seq":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "nested deeper"),
    "some depth": (event(3, deep=json.loads("[" * 300 + "]" * 300)), "nested deeper"),
    "a huge number": (replaced(b'"seq":1}', b'"seq":' + b"9" * 5_000 + b"}"), "digits"),
    "infinity": (replaced(b'"seq":1}', b'"seq":1e999}'), "too large"),
    "NaN": (replaced(b'"seq":1}', b'"seq":NaN}'), "NaN"),
    "no UTF-8": (replaced(b"data-analyst", b"data-\xff\xfe"), "UTF-8"),
    "text for a list": (first_of("agent.message", content="text"), "content is not of the type"),
    "a number for a text": (first_of("agent.tool_use", name=5), "name is not of the type"),
    "true for a number": (first_of("local.files_uploaded", files=True), "files is not of the type"),
    "a result of no kind": (first_of("local.session_created", limits=[]), "limits is not of the type"),
    "a member that lacks": (
        lambda parts: with_events(parts, lambda lines: lines[-1]["event"].pop("stop_reason")),  # type: ignore[attr-defined]
        "lacks something",
    ),
    "a time that is none": (event(4, processed_at="yesterday"), "processed_at"),
    "an id that is none": (event(4, id="../../x"), "id is none"),
    "an id twice": (
        lambda parts: with_events(
            parts,
            lambda lines: lines[4]["event"].update(id=lines[3]["event"]["id"]),  # type: ignore[attr-defined,index]
        ),
        "id is that of another",
    ),
    "a session id with a way out": (event(0, session_id="../x"), "session_id"),
    "another session": (event(0, session_id="other"), "another session"),
    "a beginning twice": (
        lambda parts: with_events(parts, lambda lines: lines[3].update(event={**lines[0]["event"], "id": "sevt_2"})),  # type: ignore[dict-item]
        "local.session_created, and once",
    ),
    "a fork of nothing": (lambda parts: with_events(parts, fork), "forked elsewhere"),
    "a message that is no JSON": (first_of("local.model_response", raw="{"), "not valid JSON"),
    "a message without blocks": (first_of("local.model_response", raw='{"content": 5}'), "content is no list"),
    "contents with a way out": (
        first_of("local.outputs", files=[{"path": "x", "size": 1, "sha256": "../../etc/passwd"}]),
        "no SHA-256",
    ),
    "contents that are not there": (
        first_of("local.outputs", files=[{"path": "x", "size": 1, "sha256": "0" * 64}]),
        "is not in the file",
    ),
    "a change of no kind": (
        first_of("local.files_changed", changes=[{"path": "/x", "kind": "device", "mode": 1, "change": "created"}]),
        "of no kind",
    ),
    "a time of a file that is none": (
        first_of("local.files_changed", changes=[{"path": "/x", "kind": "file", "mode": 1, "change": "created",
                                                  "mtime": "now"}]),
        "mtime is no number",
    ),
    "a mode with a fraction": (
        first_of("local.files_changed", changes=[{"path": "/x", "kind": "file", "mode": 1.5, "change": "created"}]),
        "mode is no number",
    ),
    "a changed content": (
        lambda parts: {
            **parts, **{name: data[:-1] + b"?" for name, data in parts.items() if name.startswith("blobs/")},
        },
        "not what its name says",
    ),
    "a missing content": (without("blobs/"), "not in the file"),
    "no manifest": (without("manifest"), "no manifest.json"),
    "no events": (without("events"), "no events.jsonl"),
    "a file with a way out": (lambda parts: {**parts, "../../evil": b""}, "has no place"),
    "a newer format": (replaced(b"session_file/1", b"session_file/2", "manifest.json"), "newer agentctl"),
    "another format": (replaced(b"agentctl.session_file", b"other.session_file", "manifest.json"), "does not say"),
}  # fmt: skip


def store_of(folder: Path) -> Home:
    home = Home(folder / "store")
    with open_log(home) as log:
        Recorder(log, home, "here")
    return home


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused_and_nothing_is_stored(parts: Parts, tmp_path: Path, lie: str) -> None:
    change, told = LIES[lie]
    home = store_of(tmp_path)
    before = home.database.read_bytes()
    file = packed(change(parts), tmp_path / "lie.agentctl")
    with pytest.raises(UsageError) as refused:
        taken_in(home, file)
    assert told in str(refused.value)
    assert "nothing was imported" in str(refused.value)
    assert home.database.read_bytes() == before
    assert not home.blobs.exists()


def test_the_same_file_without_a_lie_is_taken(parts: Parts, tmp_path: Path) -> None:
    home = store_of(tmp_path)
    assert taken_in(home, packed(with_events(parts, list), tmp_path / "true.agentctl"))[0].state == "stored"
    assert everything(home)[0].events == len(lines_of(parts))


@pytest.mark.parametrize("cut", [1, 511, 512, 700, 5_000, -600, -1])
def test_an_archive_that_was_cut_or_bent_is_refused(parts: Parts, tmp_path: Path, cut: int) -> None:
    home = store_of(tmp_path)
    whole = packed(parts, tmp_path / "whole").read_bytes()
    bent = bytearray(whole)
    bent[150] ^= 1
    for data in (whole[: cut if cut > 0 else len(parts["manifest.json"]) + 1_600], bytes(bent), whole + b"x" * 512):
        file = tmp_path / "bad"
        file.write_bytes(data)
        with pytest.raises(UsageError):
            taken_in(home, file)


def test_what_is_no_file_at_all_is_refused(tmp_path: Path) -> None:
    home = store_of(tmp_path)
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    for path in (empty, tmp_path, Path("/dev/zero")):
        with pytest.raises(UsageError):
            taken_in(home, path)
    with pytest.raises(NotFoundError):
        taken_in(home, tmp_path / "nothing")


def test_of_several_files_none_is_stored_where_one_lies(parts: Parts, tmp_path: Path) -> None:
    home = store_of(tmp_path)
    good = packed(parts, tmp_path / "good")
    bad = packed(LIES["a changed event"][0](parts), tmp_path / "bad")
    with pytest.raises(UsageError):
        taken_in(home, good, bad)
    with pytest.raises(NotFoundError):
        everything(home)
