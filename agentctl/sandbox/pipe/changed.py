"""What a sandbox tells of changed files, checked before anybody believes it."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentctl.canonical import JsonObject
from agentctl.sandbox.base import Changes
from agentctl.sandbox.inside.frames import FrameError
from agentctl.sandbox.inside.report import MOST_CHANGES, MOST_CONTENTS, MOST_FILE
from agentctl.sandbox.places import Places

_DIGEST = re.compile("[0-9a-f]{64}")
_MOST_PATH = 4_096
_MOST_SAID = 20_000
_KINDS = ("file", "folder", "link")
_LARGEST = 1 << 63


def changes_of(value: Any, contents: Mapping[str, bytes], places: Places) -> Changes | None:
    """Read one report; paths become those of the usual places. Raises FrameError for what is no report."""
    match value:
        case None:
            return None
        case {"changes": [*bodies], **rest} if len(bodies) <= MOST_CHANGES:
            changes = tuple(_change(body, places) for body in bodies)
            named = {body["sha256"] for body in changes if "sha256" in body}
            found = {digest: contents[digest] for digest in named & contents.keys()}
            cut = rest.get("cut")
            return Changes(changes, found, None if cut is None else _text(cut, _MOST_SAID))
    raise FrameError("a report of changes that is none")


def contents_within(value: Any) -> dict[str, bytes]:
    """Read the contents that came within a result. Raises FrameError."""
    if not isinstance(value, dict):
        raise FrameError("contents that are none")
    return {digest: _checked(digest, _decoded(written)) for digest, written in value.items()}


def sizes_of(value: Any) -> list[tuple[str, int]]:
    """Read which contents are to be fetched, and how long each is. Raises FrameError."""
    sizes: list[tuple[str, int]] = []
    for item in value if isinstance(value, list) else [None]:
        match item:
            case [str() as digest, int() as size] if 0 <= size <= MOST_FILE and _DIGEST.fullmatch(digest):
                sizes.append((digest, size))
            case _:
                raise FrameError("contents that are none")
    if sum(size for _, size in sizes) > MOST_CONTENTS:
        raise FrameError("more contents than there may be")
    return sizes


def contents_apart(pieces: Iterator[bytes], sizes: Sequence[tuple[str, int]]) -> Iterator[tuple[str, bytes]]:
    """Yield the contents that follow each other in what was fetched. Raises FrameError."""
    held = bytearray()
    for digest, size in sizes:
        while len(held) < size:
            piece = next(pieces, b"")
            if not piece:
                raise FrameError("contents that are shorter than they were said to be")
            held += piece
        yield digest, _checked(digest, bytes(held[:size]))
        del held[:size]


def _change(body: Any, places: Places) -> JsonObject:
    match body:
        case {"path": str() as path, "change": "deleted", "kind": kind} if kind in _KINDS:
            return {"path": _place(path, places), "change": "deleted", "kind": kind}
        case {"path": str() as path, "change": "created" | "modified" as change, "kind": kind, "mode": mode}:
            known = {"path": _place(path, places), "change": change, "kind": kind, "mode": _number(mode) & 0o777}
            return known | _state(body)
    raise FrameError("a change that is none")


def _state(body: JsonObject) -> JsonObject:
    match body:
        case {"kind": "folder"}:
            return {}
        case {"kind": "link", "target": str() as target}:
            return {"target": _text(target, _MOST_PATH)} | _mtime(body)
        case {"kind": "file", "size": size}:
            state: JsonObject = {"size": _number(size)} | _mtime(body)
            if "cut" in body:
                return state | {"cut": _text(body["cut"], _MOST_SAID)}
            if _DIGEST.fullmatch(_text(body.get("sha256"), 64)):
                return state | {"sha256": body["sha256"]}
    raise FrameError("a change that is none")


def _mtime(body: JsonObject) -> JsonObject:
    match body:
        case {"mtime": bool()}:
            pass
        case {"mtime": int() | float() as mtime} if -_LARGEST <= mtime < _LARGEST:  # which NaN is not
            return {"mtime": mtime}
        case _ if "mtime" not in body:
            return {}
    raise FrameError("a time that is none")


def _place(path: str, places: Places) -> str:
    _text(path, _MOST_PATH)
    parts = path.split("/")[1:]
    usual = places.recorded(path)
    if usual is None or "\0" in path or any(part in ("", ".", "..") for part in parts) or usual in places.roots:
        raise FrameError("a change of what is not recorded")
    return usual


def _text(value: Any, most: int) -> str:
    try:
        if isinstance(value, str) and len(value.encode("utf-8", "surrogateescape")) <= most:
            return value
    except UnicodeEncodeError:
        pass
    raise FrameError("a text that is none")


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST:
        raise FrameError("a number that is none")
    return value


def _decoded(written: Any) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except (TypeError, ValueError) as error:
        raise FrameError("contents that are none") from error


def _checked(digest: str, data: bytes) -> bytes:
    if hashlib.sha256(data).hexdigest() != digest:
        raise FrameError("contents that are not what they were said to be")
    return data
