"""The changes of a session, brought home into the folder that its workspace came from.

Everything is looked at before anything is written: what is there must be, to the byte, what the
session began with, or already what the session made of it. What is written is written whole, file
by file, never through a link and never outside the folder, so a run that was broken off is simply
run again. Of a mode only the right to run a file is brought along.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentctl.errors import StoreError, UsageError
from agentctl.session.effects import Effect
from agentctl.session.files import Contents, File
from agentctl.session.gitnames import is_gits_own
from agentctl.store.folder import (
    explained,
    inside,
    open_folder,
    open_regular,
    parts_of,
    refuse_clashes,
    status_of,
    waiting_file,
    waiting_name,
)

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


def bring(standings: Sequence[Standing], contents: Contents, folder: Path) -> None:
    """Write what is ready to be brought, and nothing else.

    Raises UsageError where the folder changed since it was looked at or cannot be written, StoreError
    for contents that are missing or damaged. All contents are read once before anything is written.
    """
    ready = [standing for standing in standings if standing.state == "ready"]
    for standing in ready:
        for _ in _checked(standing.effect.after, contents):
            pass
    with explained(folder), open_folder(folder) as root:
        for step in _in_order(ready):
            with explained(folder / step.name):
                _bring(step, contents, root)


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
    return _runs(after.mode) == _runs(found.status.st_mode)


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


def _runs(mode: int) -> bool:
    return bool(mode & 0o100)


def _in_order(ready: Sequence[Standing]) -> Iterator[Standing]:
    """Yield deletions first, what is deepest before what it is in, then folders, then files and links."""

    def place(standing: Standing) -> tuple[int, int, str]:
        effect, depth = standing.effect, standing.name.count("/")
        was_folder = effect.before is not None and effect.before.kind == "folder"
        if effect.after is None:
            return (1, -depth, standing.name) if was_folder else (0, -depth, standing.name)
        return (2, depth, standing.name) if effect.after.kind == "folder" else (3, depth, standing.name)

    yield from sorted(ready, key=place)


def _bring(step: Standing, contents: Contents, root: int) -> None:
    *folders, own = parts_of(step.name)
    effect = step.effect
    if effect.after is None:
        _take_away(step, folders, own, root)
        return
    with inside(root, folders, make=True) as place:
        _refuse_changed(step, own, place)
        if step.found is not None and stat.S_ISDIR(step.found.st_mode):
            os.rmdir(own, dir_fd=place)
        if effect.after.kind == "folder":
            if step.found is not None:
                os.unlink(own, dir_fd=place)
            os.mkdir(own, dir_fd=place)
        elif effect.after.kind == "link":
            _write_link(step, own, place)
        else:
            _write_file(step, contents, own, place)


def _take_away(step: Standing, folders: Sequence[str], own: str, root: int) -> None:
    with inside(root, folders) as place:
        if step.found is None or not stat.S_ISDIR(step.found.st_mode):
            _refuse_changed(step, own, place)
            os.unlink(own, dir_fd=place)
            return
        try:
            os.rmdir(own, dir_fd=place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # what the session did not know stays, in its folder
                raise


def _refuse_changed(step: Standing, own: str, place: int) -> None:
    now = status_of(own, place)
    if _identity(now) != _identity(step.found):
        raise UsageError(
            f"{step.name} has changed while changes were brought home: what came before it is written",
            hint="look at it, then run the same command again",
        )


def _identity(status: os.stat_result | None) -> tuple[int, ...] | None:
    if status is None or stat.S_ISDIR(status.st_mode):
        return None if status is None else (status.st_dev, status.st_ino)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode


def _write_link(step: Standing, own: str, place: int) -> None:
    target = step.effect.after.target if step.effect.after else None
    if not _is_replaced(step):
        os.symlink(target or "", own, dir_fd=place)
        return
    waiting = waiting_name()
    os.symlink(target or "", waiting, dir_fd=place)
    os.rename(waiting, own, src_dir_fd=place, dst_dir_fd=place)


def _write_file(step: Standing, contents: Contents, own: str, place: int) -> None:
    after, former = step.effect.after, step.found if _is_replaced(step) else None
    if after is None:
        return
    runs = _runs(after.mode)
    with waiting_file(place, 0o777 if runs else 0o666) as waiting:
        for piece in _checked(after, contents):
            waiting.file.write(piece)
        waiting.file.flush()
        if former is not None and stat.S_ISREG(former.st_mode):
            _keep_rights(waiting.file.fileno(), former, runs=runs)
        waiting.take(own, replace=_is_replaced(step))


def _is_replaced(step: Standing) -> bool:
    return step.found is not None and not stat.S_ISDIR(step.found.st_mode)


def _keep_rights(opened: int, former: os.stat_result, *, runs: bool) -> None:
    """Give a new file the owner and the rights of the one it replaces, but for the right to run it."""
    mode = stat.S_IMODE(former.st_mode) & 0o777
    own = os.fstat(opened)
    if (own.st_uid, own.st_gid) != (former.st_uid, former.st_gid) and os.geteuid() == 0:
        os.fchown(opened, former.st_uid, former.st_gid)
    os.fchmod(opened, mode | (mode & 0o444) >> 2 if runs else mode & ~0o111)


def _checked(file: File | None, contents: Contents) -> Iterator[bytes]:
    """Yield the contents of a file. Raises StoreError at their end where they are not what they are named."""
    if file is None or file.kind != "file":
        return
    digest = hashlib.sha256()
    for piece in contents.open(file.digest or ""):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != file.digest:
        raise StoreError(f"the kept contents of {file.path} are damaged")
