"""Files of the host that are to be copied into a sandbox, looked at before anything is read.

Symbolic links stay links, hidden files come along, and what is neither file nor folder nor link is
left out and told.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agentctl.errors import NotFoundError, UsageError
from agentctl.sandbox.base import Upload
from agentctl.visible import visible_line

MOST_BYTES = 1 << 30
"""All uploads of a session together."""

MOST_FILES = 100_000
"""Files, folders and links, all uploads of a session together."""


@dataclass(slots=True)
class Cargo:
    """One upload, looked at: the folder it goes to, and the paths that go there by their names.

    ``size`` counts bytes of regular files; ``skipped`` names what cannot be copied.
    """

    folder: str
    paths: list[tuple[str, Path]] = field(default_factory=list)
    size: int = 0
    skipped: list[str] = field(default_factory=list)


def load(uploads: Sequence[Upload], *, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> list[Cargo]:
    """Look at everything that is to be copied.

    Raises NotFoundError where there is nothing, UsageError for what cannot be read and for more
    than the limits allow.
    """
    cargoes = [_looked_at(upload) for upload in uploads]
    files, size = sum(len(cargo.paths) for cargo in cargoes), sum(cargo.size for cargo in cargoes)
    if files > most_files or size > most_bytes:
        raise UsageError(
            f"there is too much to copy into the sandbox: {files:,} files, {_mib(size)} MiB",
            hint=f"at most {most_files:,} files and {_mib(most_bytes)} MiB are copied",
        )
    return cargoes


def _looked_at(upload: Upload) -> Cargo:
    source = upload.source
    try:
        mode = source.stat().st_mode
    except OSError as error:
        raise NotFoundError(f"cannot copy {_shown(source)}: {_reason(error)}") from error
    if stat.S_ISDIR(mode):
        cargo = Cargo(upload.target)
        _walk(source, cargo)
        return cargo
    if not stat.S_ISREG(mode):
        raise UsageError(f"cannot copy {_shown(source)}: neither a file nor a folder")
    target = upload.target + source.name if upload.target.endswith("/") else upload.target
    folder, _, name = target.rpartition("/")
    cargo = Cargo(folder or ("/" if target.startswith("/") else "."))
    try:
        _add(name, source.resolve(), source.stat(), cargo)
    except OSError as error:
        raise NotFoundError(f"cannot copy {_shown(source)}: {_reason(error)}") from error
    return cargo


def _walk(source: Path, cargo: Cargo) -> None:
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(source / folder), key=lambda entry: entry.name)
        except OSError as error:
            raise UsageError(f"cannot copy {_shown(source / folder)}: {_reason(error)}") from error
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            try:
                status = entry.stat(follow_symlinks=False)
                _add(name, Path(entry.path), status, cargo)
            except FileNotFoundError:
                continue  # it has just gone
            except OSError as error:
                raise UsageError(f"cannot copy {_shown(Path(entry.path))}: {_reason(error)}") from error
            if stat.S_ISDIR(status.st_mode):
                folders.append(name)


def _add(name: str, path: Path, status: os.stat_result, cargo: Cargo) -> None:
    """Add one path. Raises UsageError for a file that may not be read, FileNotFoundError for one that has just gone."""
    if stat.S_ISREG(status.st_mode):
        if not os.access(path, os.R_OK):
            path.lstat()
            raise UsageError(f"cannot copy {_shown(path)}: permission denied")
        cargo.size += status.st_size
    elif not (stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        cargo.skipped.append(name)
        return
    cargo.paths.append((name, path))


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f}"


def _shown(path: Path) -> str:
    return visible_line(str(path))


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
