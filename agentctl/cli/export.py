"""``agentctl export``: sessions as files, one each, without what is known to be secret."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple

import typer

from agentctl import __version__
from agentctl.canonical import JsonObject
from agentctl.cli.complain import write_error
from agentctl.cli.looking import Opened, opened
from agentctl.cli.options import SESSION_HELP, Output, OutputOption
from agentctl.cli.output import print_json, reporting, write_out, write_out_bytes
from agentctl.cli.quick import QuickCommand
from agentctl.errors import StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.codec import NOT_UNDERSTOOD, encode
from agentctl.exchange.cleaning import Cleaner
from agentctl.exchange.contents import Either
from agentctl.exchange.manifest import Manifest
from agentctl.exchange.members import read_event
from agentctl.exchange.writing import draft, write_session
from agentctl.launch.parts import vault_secrets
from agentctl.paths import Home, home
from agentctl.redaction import KNOWN, learn_own_keys
from agentctl.render.numbers import many, size
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.events import DamagedEventError, Row, read_rows, record_of
from agentctl.store.folder import explained, open_folder, waiting_file
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

SUFFIX = ".agentctl"


class Exported(NamedTuple):
    """A session that was written: where to (None for standard output), and how many bytes."""

    manifest: Manifest
    file: Path | None
    bytes: int


@app.command(cls=QuickCommand)
def export(
    sessions: Annotated[list[str], typer.Argument(metavar="SESSION...", help=SESSION_HELP)],
    directory: Annotated[
        Path, typer.Option("--directory", "-d", metavar="DIR", help="Write into this folder; - is standard output.")
    ] = Path(),
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Of a damaged record, all before the damage; exit 8 where there is any.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write sessions into files, one each, with all that they need."""
    with reporting(output):
        if str(directory) == "-" and (len(sessions) > 1 or output is not Output.TEXT):
            raise UsageError("standard output takes one session and nothing else", hint="name a folder: -d DIR")
        learn_secrets(home())
        written = [export_session(name, directory, salvage=salvage, force=force) for name in sessions]
        if output is not Output.TEXT:
            print_json(_body(written))
        for each in written:
            _tell(each, output)
        is_whole = not any(each.manifest.damage or each.manifest.missing for each in written)
        raise typer.Exit(0 if is_whole else StoreError.exit_code)


def learn_secrets(store: Home) -> None:
    """Learn what must not leave: this process's own keys, and what is in every vault that can be opened."""
    learn_own_keys()
    KNOWN.learn(vault_secrets(store))


def export_session(name: str, directory: Path, *, salvage: bool = False, force: bool = False) -> Exported:
    """Write one session into a folder, ``-`` for standard output. Raises UsageError, NotFoundError, StoreError."""
    with opened(name) as found, _target(directory, f"{found.row.id}{SUFFIX}", force=force) as stream:
        manifest = _write(found, stream, salvage=salvage)
        length = stream.tell()
        if str(directory) == "-":
            stream.seek(0)
            write_out_bytes(iter(lambda: stream.read(1 << 20), b""))
            return Exported(manifest, None, length)
        return Exported(manifest, directory / f"{found.row.id}{SUFFIX}", length)


@contextmanager
def _target(directory: Path, name: str, *, force: bool) -> Iterator[BinaryIO]:
    """Give a file to write into, which gets its name when all went well."""
    if str(directory) == "-":
        if sys.stdout is not None and sys.stdout.isatty():
            raise UsageError("a session is no text for a terminal", hint="agentctl export SESSION -d - > FILE")
        with tempfile.TemporaryFile() as file:
            yield file
        return
    place = directory / name
    with explained(place), open_folder(directory, make=True) as folder, waiting_file(folder, 0o600) as waiting:
        if not force and place.exists():
            raise UsageError(f"{place} is there already", hint="replace it with --force, or choose another folder")
        yield waiting.file
        waiting.file.flush()
        waiting.take(name, replace=force)


def _write(found: Opened, stream: BinaryIO, *, salvage: bool) -> Manifest:
    session_id, stored = found.row.id, Blobs(found.home.blobs)
    rows = read_rows(found.connection, session_id, anchor=read_anchor(found.home, session_id))
    with tempfile.TemporaryDirectory(prefix="agentctl-export-") as folder, tempfile.TemporaryFile() as lines:
        scratch = Blobs(Path(folder))
        contents = Either(scratch, stored)
        cleaner = Cleaner(KNOWN, contents, scratch.put, forgiving=salvage)
        try:
            made = draft(rows, lambda row: _read(session_id, stored, row), cleaner, lines, salvage=salvage)
        except StoreError as error:
            what = "what comes before it" if isinstance(error, DamagedEventError) else "all but that"
            hint = f"{what} can be had with: agentctl export {session_id} --salvage"
            hint = "nothing comes before it, so there is nothing to save" if salvage else hint
            raise StoreError(error.message, hint=hint) from error
        return write_session(made, session_id, __version__, cleaner, lines, contents, stream)


def _read(session_id: str, stored: Blobs, row: Row) -> Event:
    """Read an event that is to leave. Raises DamagedEventError, also for one that no import would take."""
    event = record_of(session_id, stored, *row).event
    try:
        read_event(encode(event))
    except UsageError as error:
        raise DamagedEventError(session_id, row[0], f"it is not what its type says: {error.message}") from error
    except NOT_UNDERSTOOD as error:
        raise DamagedEventError(session_id, row[0], f"it is not what its type says ({error})") from error
    return event


def _tell(written: Exported, output: Output) -> None:
    manifest = written.manifest
    if written.file is not None and output is Output.TEXT:
        write_out(
            f"{visible_line(str(written.file))}  {many(manifest.events, 'event')}, "
            f"{many(manifest.blobs, 'content')}, {size(written.bytes)}\n"
        )
    if manifest.redacted:
        names = visible_line(", ".join(manifest.redacted["names"]))
        changed = len(manifest.redacted["events"])
        write_error(f"agentctl: taken out of {many(changed, 'event')} on the way, so its hashes are new: {names}")
    if manifest.damage:
        write_error(f"agentctl: {visible_line(manifest.damage)}; saved is what comes before it")
    if manifest.missing:
        write_error(f"agentctl: {many(len(manifest.missing), 'content')} missing or damaged, and not in the file")


def _body(written: list[Exported]) -> JsonObject:
    return {
        "type": "export",
        "schema": "agentctl.export/1",
        "sessions": [
            {
                "session_id": each.manifest.session_id,
                "file": str(each.file),
                "bytes": each.bytes,
                "events": each.manifest.events,
                "contents": each.manifest.blobs,
                "head": each.manifest.head,
                "redacted": each.manifest.redacted,
                "damage": each.manifest.damage,
                "missing": each.manifest.missing,
            }
            for each in written
        ],
    }
