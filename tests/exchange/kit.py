"""Sessions sent out of one store and into another."""

import io
from contextlib import ExitStack
from pathlib import Path

import pytest

from agentctl.cli.export import export_session
from agentctl.cli.incoming import read_session, store_sessions
from agentctl.exchange.container import Writer, members
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import read_events
from agentctl.store.intake import Taken
from agentctl.store.rows import SessionRow
from agentctl.store.sessions import find_session

ID = "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"


def sent(home: Home, folder: Path, session_id: str = ID, *, salvage: bool = False) -> Path:
    """Export a session of a store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENTCTL_HOME", str(home.root))
        file = export_session(session_id, folder, salvage=salvage, force=True).file
    assert file is not None
    return file


def taken_in(home: Home, *files: Path, as_id: str | None = None) -> list[Taken]:
    """Import files into a store."""
    with ExitStack() as held:
        return store_sessions(home, [read_session(file, held, as_id) for file in files])


def everything(home: Home, session_id: str = ID) -> tuple[SessionRow, list[Record]]:
    """Return all that there is of a session."""
    with reading(home) as connection:
        anchor = read_anchor(home, session_id)
        records = [*read_events(connection, Blobs(home.blobs), session_id, anchor=anchor)]
        return find_session(connection, session_id), records


def unpacked(file: Path) -> dict[str, bytes]:
    """Return the members of an archive."""
    return {member.name: b"".join(member.pieces) for member in members(io.BytesIO(file.read_bytes()))}


def packed(parts: dict[str, bytes], file: Path) -> Path:
    """Write an archive."""
    stream = io.BytesIO()
    writer = Writer(stream)
    for name, data in parts.items():
        writer.add(name, len(data), [data])
    writer.finish()
    file.write_bytes(stream.getvalue())
    return file
