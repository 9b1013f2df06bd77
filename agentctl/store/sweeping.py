"""The removal of blobs that no session names.

A session puts its blobs before it stores the events that name them, so what nobody names may be named in a
moment. Spared is therefore whatever was put after the oldest run that goes on now began, and whatever is
young: that is found out before the record is read. Who puts a blob that is there already makes it young again.
"""

import sqlite3
import time
from collections.abc import Collection
from dataclasses import dataclass

from agentctl.paths import Home
from agentctl.store.blobs import Blobs
from agentctl.store.leases import running_since
from agentctl.store.naming import named_blobs

SPARED_SECONDS = 600.0
"""How young a blob may be to be spared although nobody runs: whoever writes without running a session takes less."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What went, or would go, in files and bytes; ``spared`` are files that nobody names and that are too young."""

    files: int
    bytes: int
    spared: int


def sweep_blobs(
    home: Home,
    connection: sqlite3.Connection,
    *,
    only: Collection[str] | None = None,
    gone: Collection[int] = (),
    spared_seconds: float = SPARED_SECONDS,
    remove: bool = True,
) -> Swept:
    """Remove the blobs that nobody names, or only some of these, or only count them.

    ``gone`` are the rows of sessions that are taken for removed. Raises StoreError, and then nothing was removed,
    where the record cannot be read whole.
    """
    if only is not None and not only:
        return Swept(0, 0, 0)
    before = min(time.time(), running_since(home)) - spared_seconds
    named = {each.digest for each in named_blobs(home, connection) if each.session not in gone}
    blobs = Blobs(home.blobs)
    files = bytes_of_all = spared = 0
    for found in blobs.stored():
        if found.digest in named or (only is not None and found.digest not in only):
            continue
        if found.seconds >= before or (remove and not blobs.discard(found, before)):
            spared += 1
        else:
            files, bytes_of_all = files + 1, bytes_of_all + found.size
    return Swept(files, bytes_of_all, spared)
