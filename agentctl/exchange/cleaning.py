"""Redaction on the way out: what has become known as a secret since a session was recorded stays here.

What holds none leaves as it is stored, byte for byte. Where something is taken out of an event or of a
file, everything that names it by its hash is written anew.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from agentctl.canonical import JsonObject, canonical_json
from agentctl.errors import StoreError
from agentctl.events.base import Event
from agentctl.events.codec import encode
from agentctl.events.local import LocalFilesChanged, LocalFilesUploaded, LocalOutputs, LocalSandboxStarted
from agentctl.redaction import Redactor
from agentctl.session.contents import is_digest
from agentctl.session.files import Contents, File, manifest_of, read_manifest
from agentctl.session.packages import packages_digest
from agentctl.session.redacting import redacted

Keep: TypeAlias = Callable[[Iterable[bytes]], tuple[str, int]]
"""Stores bytes; returns their SHA-256 and their number."""

_LONGEST_MARK = 256
_MARK = re.compile(r"\[redacted:([^\]\\\"]{1,200})\]")


class Cleaner:
    """Takes secrets out of events and of the contents that they name.

    ``contents`` has what is stored and what ``keep`` was given. ``names`` are the secrets that were
    found, ``changed`` counts the contents that they were found in; ``sizes`` are those of the contents that
    leave, by SHA-256; ``missing`` those that are not there, which is an error unless ``forgiving``.
    """

    def __init__(self, redactor: Redactor, contents: Contents, keep: Keep, *, forgiving: bool = False) -> None:
        self.names: list[str] = []
        self.changed = 0
        self.sizes: dict[str, int] = {}
        self.missing: set[str] = set()
        self._redactor = redactor
        self._contents = contents
        self._keep = keep
        self._forgiving = forgiving
        self._copies: dict[str, str] = {}

    def event(self, event: Event) -> Event:
        """Return an event without secrets that names contents without any: the same one where nothing changes.

        Raises StoreError where contents are missing or damaged.
        """
        clean = redacted(event, self._redactor)
        if clean is not event:
            self._learn_names(_names(canonical_json(encode(clean))), _names(canonical_json(encode(event))))
        match clean:
            case LocalFilesUploaded():
                manifest, size = self._manifest(clean)
                return clean if manifest == clean.manifest else replace(clean, manifest=manifest, bytes=size)
            case LocalSandboxStarted() if (digest := packages_digest(clean.facts)) is not None:
                given = self._copy(str(digest))
                packages = {**clean.facts["packages"], "sha256": given}
                return clean if given == digest else replace(clean, facts={**clean.facts, "packages": packages})
            case LocalFilesChanged():
                changes = [self._renamed(body) for body in clean.changes]
                return clean if changes == clean.changes else replace(clean, changes=changes)
            case LocalOutputs():
                files = [self._renamed(body) for body in clean.files]
                return clean if files == clean.files else replace(clean, files=files)
            case _:
                return clean

    def keep(self, data: bytes) -> str:
        """Take what is to leave as a content of its own; return its SHA-256."""
        digest, self.sizes[digest] = self._keep([data])
        return digest

    def take(self, digest: str) -> None:
        """Let a content leave as it is. Raises StoreError where it is missing."""
        if digest not in self.sizes:
            self.sizes[digest] = sum(map(len, self._contents.open(digest)))

    def _renamed(self, body: JsonObject) -> JsonObject:
        if "sha256" not in body:
            return body
        digest = self._copy(body["sha256"])
        return body if digest == body["sha256"] else {**body, "sha256": digest, "size": self.sizes[digest]}

    def _manifest(self, event: LocalFilesUploaded) -> tuple[str, int]:
        given = self._copy(event.manifest)
        if given in self.missing:
            return given, event.bytes
        files = list(read_manifest(given, self._contents))
        renamed = [self._renamed_file(file) for file in files]
        if renamed != files:
            del self.sizes[given]
            given = self.keep(manifest_of(renamed))
        return given, sum(file.size for file in renamed)

    def _renamed_file(self, file: File) -> File:
        if file.digest is None or (digest := self._copy(file.digest)) == file.digest:
            return file
        return replace(file, digest=digest, size=self.sizes[digest])

    def _copy(self, digest: str) -> str:
        """Return the SHA-256 of what leaves in the place of a content."""
        if digest not in self._copies:
            try:
                self._copies[digest] = self._copied(digest)
            except StoreError:
                if not self._forgiving or not is_digest(digest):
                    raise
                self.missing.add(digest)
                self._copies[digest] = digest
        return self._copies[digest]

    def _copied(self, digest: str) -> str:
        if not is_digest(digest):
            raise StoreError("contents are named in a way that is none")
        hashed, size = hashlib.sha256(), 0
        for piece in self._redactor.contents(_checked(self._contents, digest)):
            hashed.update(piece)
            size += len(piece)
        if hashed.hexdigest() == digest:
            self.sizes[digest] = size
            return digest
        # Only what is not the same is kept anew: most holds no secret, and now and then it is a gigabyte.
        clean, self.sizes[clean] = self._keep(self._redactor.contents(self._contents.open(digest)))
        self.changed += 1
        self._learn_names(_names_in(self._contents.open(clean)), _names_in(self._contents.open(digest)))
        return clean

    def _learn_names(self, found: Iterable[str], former: Iterable[str]) -> None:
        self.names += [name for name in Counter(found) - Counter(former) if name not in self.names]


def _checked(contents: Contents, digest: str) -> Iterator[bytes]:
    hashed = hashlib.sha256()
    for piece in contents.open(digest):
        hashed.update(piece)
        yield piece
    if hashed.hexdigest() != digest:
        raise StoreError(f"blob {digest} is damaged")


def _names(text: str) -> list[str]:
    return _MARK.findall(text)


def _names_in(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the names in the marks of some contents, wherever these are cut into pieces."""
    tail = ""
    for piece in pieces:
        text = tail + piece.decode("latin-1")
        last = 0
        for match in _MARK.finditer(text):
            yield match[1]
            last = match.end()
        tail = text[max(last, len(text) - _LONGEST_MARK) :]
