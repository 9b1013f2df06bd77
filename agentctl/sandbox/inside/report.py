# ruff: noqa: PTH108, PTH115, PTH118
"""What is told of changes: each one in a line of JSON, and the contents that nobody has been told before."""

from __future__ import annotations

import base64
import hashlib
import os
import stat

from agentctl.sandbox.inside.changes import MOST_KNOWN, Changes, mode_of
from agentctl.sandbox.inside.files import open_regular, seconds_of
from agentctl.sandbox.inside.outcome import ToolError, printable, reason_of
from agentctl.sandbox.inside.output import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from agentctl.sandbox.inside.outcome import Message

MOST_FILE = 16 << 20
"""Bytes of one file whose contents are sent."""

MOST_CONTENTS = 64 << 20
"""Bytes of all contents that are sent with one call."""

MOST_READ = 256 << 20
"""Bytes that are read for one call, to find out what is to be sent."""

MOST_CHANGES = 10_000
MOST_NAMES = 8 << 20
"""Characters of all paths and targets of one call."""

MOST_WITHIN = 512 << 10
"""Bytes of contents that go within the result itself; more than that is fetched."""

_PIECE = 1 << 20
_MOST_NAMED = 5
_MOST_SHOWN = 200
_TOO_LARGE = f"it has more than {MOST_FILE >> 20} MiB"
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


class Contents:
    """Contents that go with one result: the first within it, the others in a file without a name, to be fetched."""

    def __init__(self, folder: str) -> None:
        self.within: dict[str, str] = {}
        self.spooled: list[list[object]] = []
        self.size = self.read = 0
        self.spool = -1
        self._folder = folder

    def add(self, digest: str, data: bytes) -> None:
        """Take contents. Raises OSError where there is no room for them."""
        if self.spool < 0 and self.size + len(data) <= MOST_WITHIN:
            self.within[digest] = base64.b64encode(data).decode()
        else:
            if self.spool < 0:
                self.spool = self._open()
            write_all(self.spool, data)
            self.spooled.append([digest, len(data)])
        self.size += len(data)

    def close(self) -> None:
        """Let go of the file."""
        if self.spool >= 0:
            os.close(self.spool)
            self.spool = -1

    def _open(self) -> int:
        path = os.path.join(self._folder, f".agentctl-{os.getpid()}-{os.urandom(8).hex()}")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.unlink(path)
        return fd


class Reporter:
    """Knows what was told, so that nothing is told twice."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self._told: dict[str, tuple[str, int, str]] = {}
        self._sent: set[str] = set()
        self._unseen: set[str] = set()

    def forget_sent(self) -> None:
        """Send contents again: whoever has them may have gone."""
        self._sent.clear()

    def digest_of(self, path: str, status: os.stat_result) -> str | None:
        """Return the SHA-256 of a file that was told and has not been touched since."""
        kind, _, digest = self._told.get(path, ("", 0, ""))
        return digest if kind == "file" and self.changes.is_as_seen(path, status) else None

    def report(self, contents: Contents) -> Message | None:
        """Look for changes and tell them; None for none."""
        self.changes.look()
        found, self.changes.found = self.changes.found, {}
        bodies: list[Message] = []
        skipped: list[str] = []
        names = untold = 0
        for path in sorted(found):
            if len(bodies) >= MOST_CHANGES or names > MOST_NAMES:
                self._told.pop(path, None)
                untold += 1
                continue
            body = self._body(path, found[path], contents, skipped)
            if body is not None:
                names += len(path) + len(body.get("target", ""))
                bodies.append(body)
        cut = self._cut(untold, skipped)
        if not bodies and not cut:
            return None
        return {"changes": bodies, **({"cut": cut} if cut else {})}

    def _body(self, path: str, before: bytes, contents: Contents, skipped: list[str]) -> Message | None:
        was, now = mode_of(before), mode_of(self.changes.now(path))
        kind = _KINDS.get(stat.S_IFMT(now))
        if kind is None:
            if now:
                skipped.append(path)
            self._told.pop(path, None)
            former = _KINDS.get(stat.S_IFMT(was))
            return {"path": path, "change": "deleted", "kind": former} if former else None
        if kind == "folder" and (was ^ now) & ~0o7000 == 0:
            return None  # it is another folder than it was, but that shows in what is in it
        change = "modified" if stat.S_IFMT(was) in _KINDS else "created"
        body = {"path": path, "change": change, "kind": kind, "mode": now & 0o777}
        state = self._state(path, kind, body, contents)
        if state is not None and self._told.get(path) == state:
            return None
        if state is None:
            self._told.pop(path, None)
        else:
            self._told[path] = state
        return body

    def _state(self, path: str, kind: str, body: Message, contents: Contents) -> tuple[str, int, str] | None:
        """Fill in what a thing is now; return what names that state, None where it is not known."""
        if kind == "file":
            self._read(path, body, contents)
            return (kind, body["mode"], body["sha256"]) if "sha256" in body else None
        if kind == "link":
            try:
                body["target"] = os.readlink(path)
                body["mtime"] = seconds_of(os.lstat(path).st_mtime_ns)
            except OSError:
                body["target"] = ""  # it has just gone, or become something else: the next look finds it
                return None
        return kind, body["mode"], body.get("target", "")

    def _read(self, path: str, body: Message, contents: Contents) -> None:
        """Read a file once, for its hash and its contents; what cannot be had is said in ``cut``."""
        body["size"] = 0
        try:
            fd = open_regular(path, path, os.O_NOFOLLOW)
        except ToolError:
            body["cut"] = "it became something else"
            return
        except OSError as error:
            body["cut"] = f"it cannot be read: {(error.strerror or str(error)).lower()}"
            return
        with os.fdopen(fd, "rb", buffering=0) as file:
            status = os.fstat(fd)
            body.update(mode=status.st_mode & 0o777, size=status.st_size, mtime=seconds_of(status.st_mtime_ns))
            if status.st_size > MOST_FILE:
                body["cut"] = _TOO_LARGE
            elif contents.read + status.st_size > MOST_READ:
                body["cut"] = f"more than {MOST_READ >> 20} MiB changed in one call"
            else:
                self._keep(_read_up_to(file, MOST_FILE + 1), body, contents)

    def _keep(self, data: bytes, body: Message, contents: Contents) -> None:
        contents.read += len(data)
        body["size"] = len(data)
        if len(data) > MOST_FILE:
            body["cut"] = _TOO_LARGE
            return
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._sent:
            if contents.size + len(data) > MOST_CONTENTS:
                body["cut"] = f"more than {MOST_CONTENTS >> 20} MiB of new contents in one call"
                return
            try:
                contents.add(digest, data)
            except OSError as error:
                body["cut"] = f"there is no room to keep it: {reason_of(error)}"
                return
            self._sent.add(digest)
        body["sha256"] = digest

    def _cut(self, untold: int, skipped: list[str]) -> str:
        """Say what is missing from a report, and why."""
        unseen, self.changes.unseen = self.changes.unseen, []
        new = [path for path in unseen if path not in self._unseen]
        self._unseen.update(new)
        reasons = []
        if self.changes.too_many:
            reasons.append(f"there are more than {MOST_KNOWN:,} files, so that changes are not recorded any more")
        if untold:
            reasons.append(f"there were {untold:,} more changes")
        if skipped:
            reasons.append(f"neither file nor folder nor link: {_named(skipped)}")
        if new:
            reasons.append(f"may not be looked into: {_named(new)}")
        return "; ".join(reasons)


def _read_up_to(file: IO[bytes], most: int) -> bytes:
    """Read a file, a growing one no further than that."""
    data = file.read(min(most, _PIECE))
    if len(data) < _PIECE:
        return data
    pieces, size = [data], len(data)
    while data and size < most:
        data = file.read(min(most - size, _PIECE))
        pieces.append(data)
        size += len(data)
    return b"".join(pieces)


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMED:,} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(printable(path)[:_MOST_SHOWN] for path in paths[:_MOST_NAMED]) + more
