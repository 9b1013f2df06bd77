"""What was kept of sandboxes, measured by the record: which state is a session's newest, and until when.

The record goes before the labels of an image: a state that a session still rests on is kept longer by
a later event, and an image cannot be labelled anew.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from agentctl.errors import AgentctlError, NotFoundError
from agentctl.events.local import LocalCheckpoint
from agentctl.ids import SystemClock, time_of
from agentctl.paths import Home
from agentctl.sandbox.docker.checkpoints import Checkpoint, Checkpoints
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import last_event
from agentctl.store.leases import at_rest, is_running


@dataclass(frozen=True, slots=True)
class Sweep:
    """One kept state that went, or would go: ``why`` it does, ``error`` why it could not be removed."""

    checkpoint: Checkpoint
    why: str
    error: str | None = None


def sweep_checkpoints(home: Home, *, older_seconds: float | None = None, remove: bool = True) -> Iterator[Sweep]:
    """Remove the kept states that nobody can count on any more, or only find them; yields each.

    These are over by their time, or of a session that is gone or has a newer one, or made more than
    ``older_seconds`` ago. Sessions that run are left alone. Raises SandboxError.
    """
    with contextlib.closing(Checkpoints(home.builds)) as checkpoints, _opened(home) as connection:
        for checkpoint in checkpoints.list():
            why = _why(home, connection, checkpoint, older_seconds)
            if why is None:
                continue
            if remove:
                yield from _removed(home, checkpoints, checkpoint, why)
            elif not is_running(home, checkpoint.session_id):
                yield Sweep(checkpoint, why)


def remove_former(home: Home, session_id: str, newest: str) -> None:
    """Remove what was kept of a session before its newest state; nobody waits for it, or hears of it."""
    with contextlib.suppress(AgentctlError), contextlib.closing(Checkpoints(home.builds)) as checkpoints:
        for checkpoint in checkpoints.list(session_id):
            if checkpoint.image != newest:
                checkpoints.remove(checkpoint)


def remove_kept(home: Home, session_id: str) -> int:
    """Remove what was kept of a session that is no more; return how many bytes that was. Raises SandboxError."""
    with contextlib.closing(Checkpoints(home.builds)) as checkpoints:
        return sum(each.size for each in checkpoints.list(session_id) if checkpoints.remove(each))


def _removed(home: Home, checkpoints: Checkpoints, checkpoint: Checkpoint, why: str) -> Iterator[Sweep]:
    with at_rest(home, checkpoint.session_id) as is_free:
        if is_free:
            done = checkpoints.remove(checkpoint)
            yield Sweep(checkpoint, why, None if done else "a container needs it")


def _why(
    home: Home, connection: sqlite3.Connection | None, checkpoint: Checkpoint, older_seconds: float | None
) -> str | None:
    event = _recorded(home, connection, checkpoint.session_id)
    if event is None:
        return "its session is gone, or does not know of it"
    if event.image != checkpoint.image:
        return "its session has a newer one"
    now = SystemClock().now()
    until, made = time_of(event.keep_until), time_of(checkpoint.created_at)
    if until is None or until <= now:
        return "its time is over"
    if older_seconds is not None and made is not None and now - made > timedelta(seconds=older_seconds):
        return "it is that old"
    return None


def _recorded(home: Home, connection: sqlite3.Connection | None, session_id: str) -> LocalCheckpoint | None:
    if connection is None:
        return None
    record = last_event(connection, Blobs(home.blobs), session_id, "local.checkpoint")
    return record.event if record is not None and isinstance(record.event, LocalCheckpoint) else None


@contextlib.contextmanager
def _opened(home: Home) -> Iterator[sqlite3.Connection | None]:
    with contextlib.ExitStack() as held:
        try:
            connection = held.enter_context(reading(home))
        except NotFoundError:
            connection = None
        yield connection
