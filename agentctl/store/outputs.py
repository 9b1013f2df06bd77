"""Files that a session made, written out of the store into a folder of the person's.

Names and modes come from a sandbox, so they are worth nothing as they are. Whatever the record
says: only regular files are made, only inside the folder, never through a link; no file is
replaced unless that is wanted; a name stands for the whole file or for none.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentctl.canonical import JsonObject
from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.store.blobs import Blobs
from agentctl.store.folder import MOST_PARTS, explained, inside, open_folder, parts_of, refuse_clashes, waiting_file

_DIGEST = re.compile("[0-9a-f]{64}")
_MODE_BITS = 0o755
_OWNER_BITS = 0o600


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file as the record has it. ``digest`` is None where its bytes were not kept, and ``skipped`` says why."""

    path: str
    size: int
    mode: int
    digest: str | None
    skipped: str | None = None


def kept_files(files: Sequence[JsonObject]) -> list[KeptFile]:
    """Read the files of a ``local.outputs`` event."""
    return [_kept(file) for file in files]


def choose(files: Sequence[KeptFile], paths: Sequence[str]) -> list[KeptFile]:
    """Return the files of these paths, all where none is named. Raises NotFoundError."""
    by_path = {file.path: file for file in files}
    for path in paths:
        if path not in by_path:
            raise NotFoundError(f"the session made no file {path}", hint="list them with: agentctl outputs SESSION")
    return [by_path[path] for path in paths] if paths else list(files)


def write_files(files: Sequence[KeptFile], blobs: Blobs, folder: Path, *, replace: bool = False) -> None:
    """Write files into ``folder``, making it where needed.

    All names are checked before the first file is written. Raises UsageError for a folder or a
    name that cannot be used and for a file that is there already, unless it is to be replaced;
    StoreError for a record that lies and for bytes that are missing or damaged.
    """
    wanted = [(parts_of(file.path), file) for file in files]
    with explained(folder), open_folder(folder, make=True) as root:
        refuse_clashes([file.path for file in files], folder)
        if not replace:
            for parts, file in wanted:
                _refuse_existing(folder, parts, file)
        for parts, file in wanted:
            with explained(folder / file.path), inside(root, parts[:-1], make=True) as place:
                _write(file, blobs, place, parts[-1], replace=replace)


def _kept(file: JsonObject) -> KeptFile:
    match file:
        case {"path": str(path), "size": int(size)} if path.count("/") >= MOST_PARTS:
            return KeptFile(path, size, _mode(file), None, f"it is more than {MOST_PARTS} folders deep")
        case {"path": str(path), "size": int(size), "sha256": str(digest)} if _DIGEST.fullmatch(digest):
            return KeptFile(path, size, _mode(file), digest)
        case {"path": str(path), "size": int(size)} if "sha256" not in file:
            return KeptFile(path, size, _mode(file), None, str(file.get("skipped") or "it was not kept"))
        case _:
            raise StoreError("the record of the output files is damaged")


def _mode(file: JsonObject) -> int:
    mode = file.get("mode")
    return (mode if isinstance(mode, int) else 0o644) & _MODE_BITS | _OWNER_BITS


def _write(file: KeptFile, blobs: Blobs, place: int, name: str, *, replace: bool) -> None:
    with waiting_file(place, 0o600) as waiting:
        digest = hashlib.sha256()
        for piece in blobs.open(file.digest or ""):
            digest.update(piece)
            waiting.file.write(piece)
        if digest.hexdigest() != file.digest:
            raise StoreError(f"the kept bytes of {file.path} are damaged")
        os.fchmod(waiting.file.fileno(), file.mode)
        waiting.file.flush()
        waiting.take(name, replace=replace)


def _refuse_existing(folder: Path, parts: Sequence[str], file: KeptFile) -> None:
    if os.path.lexists(folder.joinpath(*parts)):
        hint = "replace it with --force, or choose another folder"
        raise UsageError(f"{folder / file.path} is there already", hint=hint)
