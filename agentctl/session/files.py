"""The files of a session as its log has them: what it began with, and what each call changed.

A file is written in events and manifests as ``{"path", "kind", "mode", "size", "sha256", "target"}``:
``path`` is absolute, in the usual places of a sandbox (``/workspace``, ``/mnt/session/outputs``)
whatever they are in this one, ``kind`` is ``file``, ``folder`` or ``link``, ``mode`` the
permission bits, ``sha256`` names the contents of a file (a blob), ``target`` is where a link leads.
Where contents were not kept, ``sha256`` is missing and ``cut`` says why. ``mtime``, where it is known, is
when the contents were changed last, in seconds, with up to six digits behind the point (older records
have none). A change has ``change`` as well: ``created``, ``modified`` (which may make a file of a folder,
or the reverse) or ``deleted``, the last with ``path`` and ``kind`` alone. A name that is no UTF-8 has each
wrong byte as one of U+DC80 to U+DCFF, which JSON writes as an escape, so that it leads back to the same bytes.
"""

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agentctl.canonical import JsonObject, canonical_json
from agentctl.errors import StoreError
from agentctl.events.base import Event
from agentctl.events.local import LocalCheckpoint, LocalFilesChanged, LocalFilesUploaded, LocalSandboxStarted


class Contents(Protocol):
    """Where the contents of files are, by their SHA-256 in hexadecimal."""

    def open(self, digest: str) -> Iterator[bytes]:
        """Yield contents in pieces of at most 1 MiB. Raises StoreError where they are missing."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """A file, folder or symbolic link inside a sandbox.

    ``digest`` is None for a file whose contents were not kept, and ``cut`` says why.
    """

    path: str
    kind: Literal["file", "folder", "link"]
    mode: int
    size: int = 0
    digest: str | None = None
    target: str | None = None
    cut: str | None = None
    mtime: float | None = field(default=None, compare=False)

    @classmethod
    def from_json(cls, body: JsonObject) -> "File":
        """Read one as it is written in the log. Raises StoreError."""
        try:
            return cls(
                path=str(body["path"]),
                kind=body["kind"],
                mode=int(body["mode"]),
                size=int(body.get("size", 0)),
                digest=body.get("sha256"),
                target=body.get("target"),
                cut=body.get("cut"),
                mtime=body.get("mtime"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError("the record of the session's files is damaged") from error

    @property
    def runs(self) -> bool:
        """Whether whoever owns it may run it."""
        return bool(self.mode & stat.S_IXUSR)

    def as_json(self) -> JsonObject:
        """Write it as the log has it."""
        body: JsonObject = {"path": self.path, "kind": self.kind, "mode": self.mode}
        if self.kind == "file":
            body["size"] = self.size
        optional = {"sha256": self.digest, "target": self.target, "cut": self.cut, "mtime": self.mtime}
        return body | {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one path. ``after`` is None for what was deleted."""

    path: str
    change: Literal["created", "modified", "deleted"]
    after: File | None

    @classmethod
    def from_json(cls, body: JsonObject) -> "Change":
        """Read one as it is written in the log. Raises StoreError."""
        change = body.get("change")
        if change not in ("created", "modified", "deleted"):
            raise StoreError("the record of the session's files is damaged")
        return cls(str(body.get("path")), change, None if change == "deleted" else File.from_json(body))


def manifest_of(files: list[File]) -> bytes:
    """Write the files that a session begins with, sorted by path, as its manifest."""
    lines = (canonical_json(file.as_json()) for file in sorted(files, key=lambda file: file.path))
    return "".join(f"{line}\n" for line in lines).encode()


@dataclass(frozen=True, slots=True)
class Restoring:
    """What makes the files of a new sandbox those of the record: files to put in place, paths to remove."""

    files: tuple[File, ...]
    gone: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """The paths of files that cannot be put back, because their contents were not kept."""
        return [file.path for file in self.files if file.kind == "file" and file.digest is None]


class FilesRecord:
    """A fold over the log that remembers where the files of a session are written down.

    ``digests`` names the contents that calls have left, ``looks`` the looks at the files, between calls,
    that found something. Nothing is read until files are asked for: folding a log must not need its blobs.
    """

    def __init__(self) -> None:
        self.digests: set[str] = set()
        self.looks: set[str] = set()
        self._events: list[LocalFilesUploaded | LocalFilesChanged] = []
        self._was_filled = False
        self._checkpoint: str | None = None
        self._before_checkpoint = 0

    @property
    def is_recorded(self) -> bool:
        """Whether the log says at all what files there were; older ones do not."""
        return self._was_filled or bool(self._events)

    def add(self, event: Event) -> None:
        """Take one more event."""
        match event:
            case LocalFilesUploaded():
                self._events.append(event)
            case LocalFilesChanged():
                self._events.append(event)
                if look := (event.extra.get("local") or {}).get("look"):
                    self.looks.add(look)
                self.digests.update(change["sha256"] for change in event.changes if "sha256" in change)
            case LocalSandboxStarted():
                self._was_filled |= "files" in event.facts  # from the record, be it with nothing
            case LocalCheckpoint():
                self._checkpoint, self._before_checkpoint = event.image, len(self._events)

    def tree(self, contents: Contents) -> dict[str, File]:
        """Return every file by its path, as it was after the last event. Raises StoreError."""
        return {file.path: file for file in self.restoring(contents).files}

    def restoring(self, contents: Contents, checkpoint: str | None = None) -> Restoring:
        """Say how a sandbox gets the files that were there after the last event. Raises StoreError.

        ``checkpoint`` is the image that it is made from, where that is a state that was kept: what
        the newest one holds need not be put into it again.
        """
        files: dict[str, File] = {}
        gone: set[str] = set()
        begin = self._before_checkpoint if checkpoint is not None and checkpoint == self._checkpoint else 0
        for event in self._events[begin:]:
            apply_event(files, event, contents)
            if isinstance(event, LocalFilesChanged):
                gone |= {change["path"] for change in event.changes}
        return Restoring(tuple(files.values()), tuple(sorted(gone - files.keys())))


def apply_event(files: dict[str, File], event: LocalFilesUploaded | LocalFilesChanged, contents: Contents) -> None:
    """Bring ``files`` up to one more event. Raises StoreError."""
    if isinstance(event, LocalFilesUploaded):
        files |= {file.path: file for file in read_manifest(event.manifest, contents)}
        return
    for body in event.changes:
        change = Change.from_json(body)
        if change.after is not None:
            files[change.path] = change.after
        else:
            files.pop(change.path, None)


def read_manifest(digest: str, contents: Contents) -> Iterator[File]:
    """Yield the files of a manifest. Raises StoreError."""
    for line in b"".join(contents.open(digest)).splitlines():
        try:
            body = json.loads(line)
        except ValueError as error:
            raise StoreError("the record of the session's files is damaged") from error
        yield File.from_json(body)
