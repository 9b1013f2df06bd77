"""``agentctl outputs``: the files that a session made, listed or fetched."""

from pathlib import Path
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.complain import write_error
from agentctl.cli.looking import Opened, opened, stdout_look
from agentctl.cli.options import Output, OutputOption, SessionArgument
from agentctl.cli.output import print_json, reporting, write_out, write_out_bytes
from agentctl.cli.quick import QuickCommand
from agentctl.errors import UsageError
from agentctl.events.local import LocalOutputs
from agentctl.render.lines import Line, Span, paint_all, plain, shown
from agentctl.render.listing import table
from agentctl.render.look import Look
from agentctl.render.numbers import many, size
from agentctl.store.blobs import Blobs
from agentctl.store.outputs import KeptFile, choose, kept_files, write_files
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_STANDARD_OUTPUT = Path("-")


@app.command(cls=QuickCommand)
def outputs(
    session: SessionArgument,
    paths: Annotated[list[str] | None, typer.Argument(metavar="PATH", help="Only these files.")] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-d", metavar="DIR", help="Write into this folder; - is standard output, for one."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """List or fetch the files that a session made."""
    with reporting(output), opened(session) as found:
        listed = _listed(found)
        files = choose(kept_files(listed.files) if listed else [], paths or [])
        if listed and listed.cut:
            write_error(f"agentctl: {visible_line(listed.cut)}")
        if directory == _STANDARD_OUTPUT:
            _print(found, files, output)
            return
        if directory is not None:
            _fetch(found, files, directory, named=bool(paths), force=force)
        if output is Output.TEXT:
            look = stdout_look()
            write_out(paint_all(_lines(found, files, directory, look), look))
        else:
            print_json(_as_json(found, files, directory) | {"cut": listed.cut if listed else None})


def _listed(session: Opened) -> LocalOutputs | None:
    record = session.last(LocalOutputs.type)
    return record.event if record and isinstance(record.event, LocalOutputs) else None


def _print(session: Opened, files: list[KeptFile], output: Output) -> None:
    """Write one file to standard output, as it is. Raises UsageError, StoreError."""
    if len(files) != 1 or output is not Output.TEXT:
        raise UsageError(
            "standard output takes one file and nothing else", hint="agentctl outputs SESSION PATH -d - > FILE"
        )
    (file,) = files
    if file.digest is None:
        raise UsageError(f"{file.path} cannot be fetched: {file.skipped}")
    write_out_bytes(Blobs(session.home.blobs).open(file.digest))


def _fetch(session: Opened, files: list[KeptFile], directory: Path, *, named: bool, force: bool) -> None:
    for file in files:
        if file.digest is None and named:
            raise UsageError(f"{file.path} cannot be fetched: {file.skipped}")
        if file.digest is None:
            write_error(f"agentctl: {visible_line(file.path)} is left out: {visible_line(file.skipped or '')}")
    kept = [file for file in files if file.digest is not None]
    if kept:
        write_files(kept, Blobs(session.home.blobs), directory, replace=force)


def _lines(session: Opened, files: list[KeptFile], directory: Path | None, look: Look) -> list[Line]:
    if not files and (imported := session.header().imported) is not None:
        form = shown(str(imported.get("format")), look)
        return [plain(f"a transcript of {form} does not have the files that its session made")]
    if not files:
        return [plain(f"session {shown(session.row.id, look)} made no files")]
    if directory is not None:
        written = [file for file in files if file.digest is not None]
        head = [plain(f"wrote {many(len(written), 'file')} to {shown(directory, look)}")] if written else []
        return [*head, *(plain(f"  {shown(file.path, look)}") for file in written)]
    return table([], [_row(file, look) for file in files], look, (1,))


def _row(file: KeptFile, look: Look) -> list[Span]:
    state = f"sha256:{file.digest}" if file.digest else f"not kept: {shown(file.skipped, look)}"
    return [Span(shown(file.path, look)), Span(size(file.size)), Span(state, "dim")]


def _as_json(session: Opened, files: list[KeptFile], directory: Path | None) -> JsonObject:
    return {
        "type": "outputs",
        "schema": "agentctl.outputs/1",
        "session_id": session.row.id,
        "directory": None if directory is None else str(directory.absolute()),
        "files": [
            {
                "path": file.path,
                "size": file.size,
                "mode": file.mode,
                "sha256": file.digest,
                "skipped": file.skipped,
                "written": directory is not None and file.digest is not None,
            }
            for file in files
        ],
    }
