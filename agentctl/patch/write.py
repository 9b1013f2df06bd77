"""What a session did to its workspace, as one patch that ``git apply`` takes.

Paths are relative to the workspace. A patch that is applied to the files as they were gives the
files as they are, to the byte, with their links and executable bits; folders are only those that
files are in, and other bits of a mode are not part of it, as in git.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agentctl.errors import StoreError
from agentctl.patch.binary import literal
from agentctl.patch.names import quoted
from agentctl.patch.unified import hunks
from agentctl.session.effects import WORKSPACE, Effect, inside
from agentctl.session.files import Contents, File
from agentctl.session.gitnames import is_gits_own

MOST_TEXT = 8 << 20
"""Bytes up to which contents are compared line by line; larger ones are written as binary ones are."""

_MOST_REVERSE = 16 << 20
_LINK = b"120000"
_NOTHING = b"0" * 40
_SHORT = 12


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A change of the workspace that a patch does not hold, and why."""

    effect: Effect
    reason: str


@dataclass(frozen=True, slots=True)
class Patchable:
    """Changes of the workspace, divided: those that a patch holds, those it cannot, and those it never does."""

    held: tuple[Effect, ...]
    not_kept: tuple[LeftOut, ...]
    gits_own: tuple[LeftOut, ...]


def patchable(effects: Sequence[Effect]) -> Patchable:
    """Find out what of some changes a patch of the workspace can hold; folders and other places are passed over."""
    held: list[Effect] = []
    not_kept: list[LeftOut] = []
    gits_own: list[LeftOut] = []
    for effect in effects:
        name = inside(effect.path, WORKSPACE)
        if name is None or effect.is_folder:
            continue
        if is_gits_own(name):
            gits_own.append(LeftOut(effect, "it belongs to a git repository itself"))
        elif effect.cut is not None:
            not_kept.append(LeftOut(effect, f"its contents were not kept: {effect.cut}"))
        else:
            held.append(effect)
    return Patchable(tuple(held), tuple(not_kept), tuple(gits_own))


def patch(effects: Sequence[Effect], contents: Contents) -> Iterator[bytes]:
    """Yield the patch of changes that it can hold. Raises StoreError for contents that are missing or damaged."""
    for effect in effects:
        yield from patch_of(effect, contents)


def patch_of(effect: Effect, contents: Contents) -> Iterator[bytes]:
    """Yield the patch of one path in pieces. Raises StoreError for contents that are missing or damaged."""
    name = inside(effect.path, WORKSPACE) or effect.path.lstrip("/")
    old, new = _side(effect.before, contents, _MOST_REVERSE), _side(effect.after, contents)
    if old is None or new is None or old.is_link == new.is_link:
        yield from _difference(name, old, new)
    else:  # git has no patch that makes a link of a file: one goes and the other comes
        yield from _difference(name, old, None)
        yield from _difference(name, None, new)


@dataclass(frozen=True, slots=True)
class _Side:
    """A file as git sees it: ``blob`` is git's name for its contents, ``data`` None where they are too many to hold."""

    mode: bytes
    blob: bytes
    data: bytes | None

    @property
    def is_link(self) -> bool:
        return self.mode == _LINK

    @property
    def is_text(self) -> bool:
        """Whether a person can compare it line by line."""
        return self.data is not None and len(self.data) <= MOST_TEXT and b"\0" not in self.data


def _side(file: File | None, contents: Contents, most: int | None = None) -> _Side | None:
    """Read a file, and keep its contents unless there are more than ``most`` bytes."""
    if file is None or file.kind == "folder":
        return None
    if file.kind == "link":
        target = os.fsencode(file.target or "")
        return _Side(_LINK, _blob(len(target), [target]), target)
    kept: list[bytes] = []
    whole = most is None or file.size <= most
    checked = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for piece in contents.open(file.digest or ""):
            checked.update(piece)
            if whole:
                kept.append(piece)
            yield piece

    blob = _blob(file.size, pieces())
    if checked.hexdigest() != file.digest:
        raise StoreError(f"the kept contents of {file.path} are damaged")
    return _Side(b"100755" if file.runs else b"100644", blob, b"".join(kept) if whole else None)


def _blob(size: int, pieces: Iterable[bytes]) -> bytes:
    found = hashlib.sha1(b"blob %d\x00" % size, usedforsecurity=False)
    for piece in pieces:
        found.update(piece)
    return found.hexdigest().encode()


def _difference(name: str, old: _Side | None, new: _Side | None) -> Iterator[bytes]:
    if old == new:
        return
    ours, theirs = quoted(f"a/{name}"), quoted(f"b/{name}")
    yield b"diff --git %b %b\n" % (ours, theirs)
    yield from _modes(old, new)
    if old and new and old.blob == new.blob:
        return
    before, after = old.data if old else b"", new.data if new else b""
    is_binary = not all(side is None or side.is_text for side in (old, new))
    yield _index(old, new, whole=is_binary)
    if is_binary or before is None or after is None:
        yield b"GIT binary patch\n"
        for data in (after, before):
            yield from literal(data) if data is not None else ()
    elif before != after:
        yield b"--- %b\n" % (ours if old else b"/dev/null")
        yield b"+++ %b\n" % (theirs if new else b"/dev/null")
        yield from hunks(before, after)


def _modes(old: _Side | None, new: _Side | None) -> Iterator[bytes]:
    if old is None and new is not None:
        yield b"new file mode %b\n" % new.mode
    elif new is None and old is not None:
        yield b"deleted file mode %b\n" % old.mode
    elif old is not None and new is not None and old.mode != new.mode:
        yield b"old mode %b\nnew mode %b\n" % (old.mode, new.mode)


def _index(old: _Side | None, new: _Side | None, *, whole: bool) -> bytes:
    """Write the line that names the contents; for a binary patch git wants the names whole."""
    before, after = old.blob if old else _NOTHING, new.blob if new else _NOTHING
    length = len(_NOTHING) if whole else _SHORT
    mode = b" " + old.mode if old and new and old.mode == new.mode else b""
    return b"index %b..%b%b\n" % (before[:length], after[:length], mode)
