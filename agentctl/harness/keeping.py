"""What calls did to files, on its way into the record: contents first, then what names them."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from agentctl.canonical import JsonObject
from agentctl.errors import SandboxError
from agentctl.sandbox.base import Changes
from agentctl.session.files import Restoring
from agentctl.session.notices import LOST
from agentctl.session.packages import read_packages
from agentctl.visible import visible_line

_NOT_SENT = "its contents were not sent"
_MOST_NAMED = 10


class Store(Protocol):
    """Where bytes are kept, each under its SHA-256."""

    def put(self, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Store bytes durably; return their SHA-256 in hexadecimal and their number. Raises StoreError."""
        ...

    def put_many(self, payloads: Iterable[Iterable[bytes]]) -> Sequence[tuple[str, int]]:
        """Store many at once, durably. Raises StoreError."""
        ...


class Keeper:
    """Keeps the contents of changed files, and knows under which names."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, tuple[str, int]] = {}

    def keep_contents(self, contents: Mapping[str, bytes]) -> None:
        """Store contents durably; what is kept of them is what will be there of these files."""
        found = self._store.put_many([data] for data in contents.values())
        self._kept.update(zip(contents, found, strict=True))

    def record(self, changes: Changes, known: Container[str]) -> list[JsonObject]:
        """Keep the contents, and return the changes as they are written down.

        A file whose contents the sandbox did not send, now or before (``known`` are those of the
        session's record), is one that was not kept: its word alone gives nobody the contents of others.
        """
        self.keep_contents(changes.contents)
        return [self._recorded(body, known) for body in changes.changes]

    def packages(self, content: bytes) -> JsonObject:
        """Keep the packages of an image; return how ``local.sandbox_started`` tells of them."""
        ((digest, _),) = self._store.put_many([[content]])
        count = sum(map(len, (read_packages(content) or {}).values()))
        return {"packages": {"sha256": digest, "count": count}}

    def kept(self, digest: str | None) -> tuple[str, int] | None:
        """Return how contents were kept that came with a call: their name, and their number of bytes."""
        return self._kept.get(digest or "")

    def _recorded(self, body: JsonObject, known: Container[str]) -> JsonObject:
        told = body.get("sha256")
        if told is None:
            return body
        if told in self._kept:
            digest, size = self._kept[told]
            return body | {"sha256": digest, "size": size}
        if told in known:
            return body
        return {name: value for name, value in body.items() if name != "sha256"} | {"cut": _NOT_SENT}


def at_most(most: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces of a file. Raises SandboxError where there are more bytes than may be kept."""
    for piece in pieces:
        most -= len(piece)
        if most < 0:
            raise SandboxError("it became larger than what is kept while it was read")
        yield piece


def replaced_notice(
    restored: Restoring | None,
    folders: Sequence[str],
    *,
    is_kept_state: bool,
    is_rebuilt: bool,
    why: str = LOST,
    unkept: str | None = None,
) -> str:
    """Tell the model ``why`` it has a new sandbox, what that has of the former one, and what it has not.

    ``restored`` is None where the record does not say what files there were. ``is_kept_state`` says that it was
    made from the state in which the session came to rest, ``is_rebuilt`` that its image is another one than the
    session began with, ``unkept`` why the state in which it rested last could not be kept.
    """
    told = [_what_is_there(restored, folders, is_kept_state=is_kept_state)]
    if unkept is not None and is_kept_state:
        told.append(
            "What was elsewhere is as it was when the session came to rest at an earlier time; what was done there "
            f"since could not be kept ({visible_line(unkept)}). Running processes and the state of the shell are gone."
        )
    elif is_kept_state:
        told.append(
            "What was elsewhere is as it was when the session came to rest; running processes and the state of the "
            "shell are gone."
        )
    else:
        told.append("Files elsewhere, what was installed, running processes and the state of the shell are gone.")
    if is_rebuilt:
        told.append("Its image was made anew from the same recipe, so installed packages may have other versions.")
    return f"[{why} {' '.join(told)}]"


def unkept_line(reason: str) -> str:
    """Say what a new sandbox lacks where the state in which the session rested could not be kept."""
    return f"what was beside the recorded files when it came to rest, which could not be kept: {visible_line(reason)}"


def _what_is_there(restored: Restoring | None, folders: Sequence[str], *, is_kept_state: bool) -> str:
    where = f"Files under {' and '.join(folders)}"
    if restored is None:
        if is_kept_state:
            return f"{where} are as they were when the session came to rest."
        return "What was copied in at the start is there again; files that calls made or changed since are gone."
    more = ""
    if missing := restored.missing:
        others = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        more = f", but for some that were too large to be kept: {_named(missing)}{others}"
    return f"{where} are as they were after the last call that ended{more}."


def _named(paths: Sequence[str]) -> str:
    return ", ".join(visible_line(path) for path in paths[:_MOST_NAMED])
