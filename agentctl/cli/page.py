"""``agentctl replay --html``: the page of a session, written to a file at once or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agentctl.cli.looking import Opened, Selection
from agentctl.cli.options import Output
from agentctl.cli.output import print_json, write_out, write_out_bytes
from agentctl.errors import UsageError
from agentctl.policy.budget import hosted_cost
from agentctl.render.facts import Known
from agentctl.render.html.page import page
from agentctl.render.numbers import many, size
from agentctl.session.log import Record
from agentctl.store.blobs import Blobs
from agentctl.store.leases import is_running
from agentctl.store.lineage import forks_of
from agentctl.visible import visible_line

_STANDARD_OUTPUT = Path("-")
_PUBLIC = 0o666


def write_page(session: Opened, selection: Selection, path: Path, output: Output) -> None:
    """Write the page of what is asked for of a session; ``-`` is standard output. Raises StoreError, UsageError."""
    if path == _STANDARD_OUTPUT and output is not Output.TEXT:
        raise UsageError("standard output takes the page and nothing else", hint="name a file: --html FILE")
    events = (selection.last or session.row.events) - selection.first + 1
    status = session.status if selection.last is None else "shown in part"
    made = page(session.row.id, events, _wanted(session, selection), Blobs(session.home.blobs))
    forks = forks_of(session.connection, session.row.id)
    known = Known(status, hosted_cost(made.glance.summary.result.used), forks)
    aspects = made.glance.completeness.aspects(under_way=is_running(session.home, session.row.id))
    pieces = (piece.encode() for piece in made.html(known, aspects))
    if path == _STANDARD_OUTPUT:
        write_out_bytes(pieces)
        return
    written = _write(path, pieces)
    if output is Output.TEXT:
        write_out(f"wrote {visible_line(str(path))}: {many(events, 'event')}, {size(written)}\n")
    else:
        print_json(
            {
                "type": "page",
                "schema": "agentctl.page/1",
                "session_id": session.row.id,
                "path": str(path.absolute()),
                "events": events,
                "bytes": written,
            }
        )


def _wanted(session: Opened, selection: Selection) -> Iterator[tuple[Record, bool]]:
    return ((record, selection.wants(record)) for record in session.records(until=selection.last))


def _write(path: Path, pieces: Iterator[bytes]) -> int:
    """Write a file beside its place, then put it there; return its bytes. What is no file is written to as it is."""
    place: str | None = None
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as device:
                return sum(map(device.write, pieces))
        path = path.resolve()  # a link stays, and what it leads to is written
        descriptor, place = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with open(descriptor, "wb") as file:
            file.writelines(pieces)
            written = file.tell()
        Path(place).chmod(_PUBLIC & ~_umask())
        Path(place).replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        if place is not None:
            with contextlib.suppress(FileNotFoundError):
                Path(place).unlink()
    return written


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
