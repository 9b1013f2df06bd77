"""What a sandbox claims of files, when it lies: an error or left out, never believed."""

import base64
import hashlib
import math
from typing import Any

import pytest

from agentctl.errors import SandboxError
from agentctl.sandbox.base import Layout, ToolCall, ToolOutcome
from agentctl.sandbox.inside.frames import FrameError
from agentctl.sandbox.pipe.changed import changes_of, contents_apart, contents_within, sizes_of
from agentctl.sandbox.places import Places
from agentctl.sandbox.supervised import SupervisedSandbox
from tests.sandbox.far_end import WrittenEnd, begin

PLACES = Places(Layout(workspace="/box/space", outputs="/box/out"))
DATA = b"data"
DIGEST = hashlib.sha256(DATA).hexdigest()
FILE = {"path": "/box/space/f", "change": "created", "kind": "file", "mode": 0o644, "size": 4, "sha256": DIGEST}
FOLDER = {"path": "/workspace/f", "change": "created", "kind": "folder", "mode": 0o644}


def read(*changes: Any, **more: Any) -> list[dict[str, Any]]:
    found = changes_of({"changes": list(changes), **more}, {DIGEST: DATA, "0" * 64: b"not named"}, PLACES)
    assert found is not None
    return [*found.changes]


def test_a_report_is_read_with_the_usual_paths_and_the_contents_that_it_names() -> None:
    link = {"path": "/box/out/a/l", "change": "modified", "kind": "link", "mode": 0o777, "target": "../\udcff"}
    gone = {"path": "/box/space/d", "change": "deleted", "kind": "folder"}
    found = changes_of({"changes": [FILE, link, gone], "cut": "more"}, {DIGEST: DATA, "0" * 64: b""}, PLACES)
    assert found is not None
    assert found.contents == {DIGEST: DATA}
    assert found.cut == "more"
    assert [body["path"] for body in found.changes] == ["/workspace/f", "/mnt/session/outputs/a/l", "/workspace/d"]
    assert changes_of(None, {}, PLACES) is None


def test_only_what_is_known_is_taken_over() -> None:
    assert read({**FILE, "mode": 0o106755, "extra": 1, "target": "/etc"}) == [
        {**FILE, "path": "/workspace/f", "mode": 0o755}
    ]
    assert read({**FILE, "cut": "too large", "size": 1 << 62}) == [
        {
            "path": "/workspace/f",
            "change": "created",
            "kind": "file",
            "mode": 0o644,
            "size": 1 << 62,
            "cut": "too large",
        }
    ]
    assert read({**FILE, "kind": "folder"}) == [FOLDER]


@pytest.mark.parametrize("mtime", [0, 1_700_000_000, 1_700_000_000.123456, -5, -0.5])
def test_a_time_may_have_a_fraction(mtime: float) -> None:
    link = {"path": "/box/space/l", "change": "created", "kind": "link", "mode": 0o777, "target": "f"}
    assert [body["mtime"] for body in read({**FILE, "mtime": mtime}, {**link, "mtime": mtime})] == [mtime] * 2
    assert "mtime" not in read(link)[0]


WRONG: dict[str, list[object]] = {
    "path": [
        *(
            "/etc/passwd",
            "/workspace/f",
            "/box/space",
            "/box/space/",
            "/box/space/../x",
            "/box/space/a/./b",
            "/box/space//f",
        ),
        *("/box/spaceshop", "box/space/f", "", "/box/space/\0", "/box/space/\ud800", "/box/space/" + "x" * 5000),
        *(3, None),
    ],
    "kind": ["link", "socket", None, 3, ["file"]],
    "change": ["renamed", None, {}],
    "mode": [-1, 1.5, True, "644", None, 1 << 70],
    "size": [-1, "4", None, True],
    "sha256": ["", DIGEST.upper(), DIGEST[:-1], "../" + DIGEST[3:], None, 3],
    "mtime": ["now", None, True, math.nan, math.inf, -math.inf, 1 << 63, -1e19],
    "cut": [3],
}


@pytest.mark.parametrize(
    "body",
    [
        *({**FILE, name: value} for name, values in WRONG.items() for value in values),
        {**FILE, "kind": "link", "target": "x" * 5000},
        {"path": "/box/space/f", "change": "deleted", "kind": "device"},
        {"change": "deleted", "kind": "file"},
        [],
        None,
    ],
)
def test_a_change_that_is_none_breaks_the_sandbox(body: object) -> None:  # O7
    with pytest.raises(FrameError):
        read(body)


def test_there_is_a_most_of_everything() -> None:
    with pytest.raises(FrameError):
        read(*[FILE] * 10_001)
    with pytest.raises(FrameError):
        read(FILE, cut="x" * 100_000)
    with pytest.raises(FrameError):
        sizes_of([[DIGEST, 16 << 20]] * 5)
    sizes: object
    for sizes in ([[DIGEST, 17 << 20]], [[DIGEST, -1]], [["x", 1]], [DIGEST], {}, [[DIGEST, True, 1]]):
        with pytest.raises(FrameError):
            sizes_of(sizes)


def test_contents_are_what_their_name_says_or_the_sandbox_is_broken() -> None:
    written = base64.b64encode(DATA).decode()
    assert contents_within({DIGEST: written}) == {DIGEST: DATA}
    wrong: object
    for wrong in ({DIGEST: base64.b64encode(b"other").decode()}, {DIGEST: "?"}, {DIGEST: 3}, {"x": written}, [], None):
        with pytest.raises(FrameError):
            contents_within(wrong)
    assert dict(contents_apart(iter([b"da", b"ta"]), [(DIGEST, 4)])) == {DIGEST: DATA}
    for pieces in ([b"da"], [b"daTa"], []):
        with pytest.raises(FrameError):
            dict(contents_apart(iter(pieces), [(DIGEST, 4)]))


def told(files: object, more: str = "message()") -> ToolOutcome:
    code = f"say(**READY)\nsay(type='result', id=message()['id'], outcome=FINE, files={files!r})\n{more}\n"
    sandbox = SupervisedSandbox(WrittenEnd(code))
    try:
        begin(sandbox)
        [(_, outcome)] = sandbox.call([ToolCall("a", "bash", {})])
    finally:
        sandbox.close()
    return outcome


HERE = {**FILE, "path": "/workspace/f"}
FETCHED = """
asked = message()
assert asked["type"] == "read_contents" and asked["id"] == "a"
say(type="reply", request=asked["request"], size={size})
send(frame({data!r}, asked["channel"]) + frame(b"", asked["channel"], 2))
message()
"""


def test_contents_are_fetched_where_they_are_not_in_the_result() -> None:
    files = {"changes": {"changes": [HERE]}, "within": {}, "spooled": [[DIGEST, 4]]}
    outcome = told(files, FETCHED.format(size=4, data=DATA))
    assert outcome.changes is not None
    assert outcome.changes.contents == {DIGEST: DATA}
    assert outcome.between is None


@pytest.mark.parametrize(
    ("files", "more"),
    [
        (3, ""),
        ({"changes": 3}, ""),
        ({"changes": {"changes": [FILE]}}, ""),
        ({"within": {DIGEST: "AAAA"}}, ""),
        ({"spooled": [[DIGEST, 4]]}, FETCHED.format(size=4, data=b"else")),
        ({"spooled": [[DIGEST, 4]]}, FETCHED.format(size=2, data=b"da")),
        ({"spooled": [[DIGEST, 4]]}, FETCHED.format(size=4, data=b"data and more")),
        ({"spooled": [[DIGEST, 4]]}, "asked = message(); say(type='reply', request=asked['request'], error='no')"),
    ],
)
def test_a_report_that_is_none_breaks_the_sandbox(files: object, more: str) -> None:
    with pytest.raises(SandboxError) as raised:
        told(files, more + "\nmessage()")
    assert "\n" not in raised.value.message
