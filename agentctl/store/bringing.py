"""Changes of a session, written into the folder that its workspace came from.

What is written is written whole, file by file, never through a link and never outside the folder, so a
run that was broken off is simply run again. Of a mode only the right to run a file is brought along.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from agentctl.errors import StoreError, UsageError
from agentctl.session.files import Contents, File
from agentctl.store.folder import explained, inside, open_folder, parts_of, status_of, waiting_file, waiting_name
from agentctl.store.homecoming import Standing


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
    try:
        os.rename(waiting, own, src_dir_fd=place, dst_dir_fd=place)
    except OSError:
        os.unlink(waiting, dir_fd=place)
        raise


def _write_file(step: Standing, contents: Contents, own: str, place: int) -> None:
    after, former = step.effect.after, step.found if _is_replaced(step) else None
    if after is None:
        return
    runs = after.runs
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
