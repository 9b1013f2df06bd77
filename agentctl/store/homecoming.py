"""The changes of a session as they stand to the folder that its workspace came from.

Everything is looked at before anything is written: what is there must be, to the byte, what the
session began with, or already what the session made of it. ``store.bringing`` writes what may be.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentctl.errors import StoreError
from agentctl.session.effects import Effect
from agentctl.session.files import File
from agentctl.session.gitnames import is_gits_own
from agentctl.store.folder import explained, inside, open_folder, open_regular, parts_of, refuse_clashes, status_of

_PIECE = 1 << 20
_NOT_A_FOLDER = (errno.ELOOP, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a change stands to the folder: to be brought, there already, or (with the reason) in the way.

    ``name`` is its path relative to the folder; ``found`` what was there when it was looked at.
    """

    effect: Effect
    name: str
    state: Literal["ready", "done", "refused"]
    reason: str | None = None
    found: os.stat_result | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What is in the folder under a name."""

    status: os.stat_result
    kind: Literal["file", "folder", "link", "other"]
    digest: str | None = None
    target: str | None = None


def look_at(changes: Mapping[str, Effect], folder: Path) -> list[Standing]:
    """Look at every change, by its name relative to ``folder``; nothing is written.

    Raises UsageError for a folder that cannot be read, StoreError for a name that leads outside or
    into a git repository itself.
    """
    for name in changes:
        if is_gits_own("/".join(parts_of(name))):
            raise StoreError(f"{name} belongs to a git repository itself, and is never written")
    refuse_clashes([name for name, effect in changes.items() if effect.after is not None], folder)
    making_way = {name for name, effect in changes.items() if _is_or_was_no_folder(effect)}
    with explained(folder), open_folder(folder) as root:
        return [_standing(effect, name, changes, root, making_way) for name, effect in changes.items()]


def _is_or_was_no_folder(effect: Effect) -> bool:
    """Say whether nothing can be below a name before the change or after it."""
    return any(side is not None and side.kind != "folder" for side in (effect.before, effect.after))


def _standing(effect: Effect, name: str, changes: Mapping[str, Effect], root: int, making_way: set[str]) -> Standing:
    *folders, own = parts_of(name)
    try:
        with inside(root, folders) as place:
            found = _found(own, place, effect)
            if found and found.kind == "folder" and effect.after and effect.after.kind != "folder":
                _refuse_strangers(name, own, place, changes)
    except FileNotFoundError:
        found = None
    except _StrangerError as stranger:
        return Standing(effect, name, "refused", f"{stranger.name} is in it, which the session did not know")
    except OSError as error:
        if error.errno not in _NOT_A_FOLDER:
            return Standing(effect, name, "refused", f"it cannot be read: {error.strerror}")
        if not making_way & {"/".join(folders[:length]) for length in range(1, len(folders) + 1)}:
            return Standing(effect, name, "refused", "part of its path is not a folder there")
        found = None
    return _compared(effect, name, found)


class _StrangerError(Exception):
    """A folder that is to become something else holds what the session did not take away."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _refuse_strangers(name: str, own: str, place: int, changes: Mapping[str, Effect]) -> None:
    with inside(place, [own]) as inner:
        for entry in _names_in(inner):
            known = changes.get(f"{name}/{entry}")
            if known is None or known.after is not None:
                raise _StrangerError(f"{name}/{entry}")
            status = status_of(entry, inner)
            if status is not None and stat.S_ISDIR(status.st_mode):
                _refuse_strangers(f"{name}/{entry}", entry, inner, changes)


def _names_in(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def _found(name: str, place: int, effect: Effect) -> _Found | None:
    status = status_of(name, place)
    if status is None:
        return None
    if stat.S_ISDIR(status.st_mode):
        return _Found(status, "folder")
    if stat.S_ISLNK(status.st_mode):
        return _Found(status, "link", target=os.readlink(name, dir_fd=place))
    if not stat.S_ISREG(status.st_mode):
        return _Found(status, "other")
    sizes = {side.size for side in (effect.before, effect.after) if side is not None and side.kind == "file"}
    return _Found(status, "file", _digest(name, place) if status.st_size in sizes else None)


def _digest(name: str, place: int) -> str:
    digest = hashlib.sha256()
    with open_regular(name, place) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _compared(effect: Effect, name: str, found: _Found | None) -> Standing:
    before, after, status = effect.before, effect.after, found.status if found else None
    if _is_done(before, after, found):
        return Standing(effect, name, "done", found=status)
    makes_folder = found is None and after is not None and after.kind == "folder"
    was_folder = found is None and before is not None and before.kind == "folder"
    if makes_folder or was_folder or _is_same(before, found):
        return Standing(effect, name, "ready", found=status)
    return Standing(effect, name, "refused", _difference(before, found))


def _is_done(before: File | None, after: File | None, found: _Found | None) -> bool:
    if not _is_same(after, found):
        return False
    if before is None or after is None or found is None or not _is_same(before, found) or after.kind != "file":
        return True
    return after.runs == bool(found.status.st_mode & stat.S_IXUSR)


def _is_same(file: File | None, found: _Found | None) -> bool:
    if file is None or found is None:
        return file is None and found is None
    if file.kind != found.kind:
        return False
    return file.digest == found.digest if file.kind == "file" else file.target == found.target or file.kind == "folder"


def _difference(before: File | None, found: _Found | None) -> str:
    if before is None:
        return "it is there already, and other than the session made it"
    if found is None:
        return "it is not there any more"
    if before.kind != found.kind:
        return f"it was a {before.kind}, and is {'something else' if found.kind == 'other' else 'a ' + found.kind} now"
    return "it has changed since the session began"
