"""What the commands that look have in common: finding a session, choosing events, and how a terminal is written to."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias

import typer

from agentctl.cli.blaming import understood
from agentctl.cli.complain import write_error
from agentctl.cli.output import standard_output
from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.codec import known_types, type_of
from agentctl.events.local import LocalSessionCreated
from agentctl.paths import Home, home
from agentctl.render.look import Look, look_of
from agentctl.render.numbers import many
from agentctl.session.fork import header_of
from agentctl.session.log import Record
from agentctl.spelling import did_you_mean
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import find_event, has_type, header_events, last_event, read_events
from agentctl.store.leases import is_running
from agentctl.store.rows import Listed, SessionRow
from agentctl.store.sessions import find_session
from agentctl.visible import visible_line

FromOption: TypeAlias = Annotated[
    str | None, typer.Option("--from", metavar="EVENT", help="The first event: its number or its id.")
]
UntilOption: TypeAlias = Annotated[
    str | None, typer.Option("--until", metavar="EVENT", help="The last event: its number or its id.")
]

_NAMED = 3
"""Damaged sessions that a line names at most."""

_PATTERN = re.compile(r"[a-z_]+(\.[a-z_]+)*(\.\*)?")


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that is being looked at."""

    connection: sqlite3.Connection
    home: Home
    row: SessionRow

    @property
    def status(self) -> str:
        """Say what the session does: what its record says, unless the process that ran it is gone."""
        return status_of(self.home, self.row)

    def again(self) -> "Opened":
        """Return what is known of it now. Raises NotFoundError where it was removed meanwhile, and StoreError."""
        return replace(self, row=find_session(self.connection, self.row.id))

    def records(self, *, after: int = 0, until: int | None = None) -> Iterator[Record]:
        """Yield its events. Raises StoreError."""
        anchor = read_anchor(self.home, self.row.id)
        return read_events(
            self.connection, Blobs(self.home.blobs), self.row.id, after=after, until=until, anchor=anchor
        )

    def header(self) -> LocalSessionCreated:
        """Return its first event; for a fork, as it would be if it had begun with the fork. Raises StoreError."""
        events = header_events(self.connection, Blobs(self.home.blobs), self.row.id)
        if not events or not isinstance(events[0], LocalSessionCreated):
            raise StoreError(f"session {self.row.id} does not begin with its definitions")
        return header_of(self.row.id, events)

    def last(self, kind: str) -> Record | None:
        """Return its last event of a type. Raises StoreError."""
        return last_event(self.connection, Blobs(self.home.blobs), self.row.id, kind)


@contextmanager
def opened(name: str) -> Iterator[Opened]:
    """Open the session of that name, ``understood``. Raises NotFoundError, UsageError, StoreError."""
    standard_output()
    store = home()
    with understood(name), reading(store) as connection:
        found = Opened(connection, store, find_session(connection, name))
        try:
            yield found
        except StoreError as error:
            error.hint = error.hint or f"see: agentctl verify {found.row.id}"
            raise


def status_of(store: Home, row: SessionRow) -> str:
    """Say what a session does; one that was running when its process ended is interrupted."""
    works = row.status in ("running", "rescheduling")
    return "interrupted" if works and not is_running(store, row.id) else row.status


def leave_if_damaged(listed: Listed) -> None:
    """Where rows of the index cannot be read, say which and what mends them, and end with 8."""
    for each in listed.damaged:
        write_error(visible_line(f"agentctl: {each.message}; {each.hint}"))
    if listed.damaged:
        raise typer.Exit(StoreError.exit_code)


def tell_unreadable(events: int, session_ids: Sequence[str], what: str) -> None:
    """Say that some events of these sessions cannot be read, and so not be ``what`` is asked for."""
    names = ", ".join(session_ids[:_NAMED])
    more = f" and {len(session_ids) - _NAMED} more" if len(session_ids) > _NAMED else ""
    where = f"{many(events, 'event')} of {names}{more}"
    write_error(visible_line(f"{where} cannot be read, and so not be {what}; see: agentctl verify {session_ids[0]}"))


def stdout_look() -> Look:
    """Return how to write to standard output."""
    return look_of(standard_output())


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events of a session are asked for: from one number to another, of certain types."""

    first: int = 1
    last: int | None = None
    patterns: tuple[str, ...] = ()

    def wants(self, record: Record) -> bool:
        """Say whether an event is asked for."""
        return record.seq >= self.first and self.wants_type(record.event)

    def wants_type(self, event: Event) -> bool:
        """Say whether the type of an event is asked for."""
        return not self.patterns or any(_matches(type_of(event), pattern) for pattern in self.patterns)


def select(session: Opened, first: str | None, last: str | None, types: str | None) -> Selection:
    """Read the options that choose events.

    Raises NotFoundError for an event or a type that is not there, UsageError for what makes no sense.
    """
    start = find_event(session.connection, session.row.id, first) if first is not None else 1
    end = find_event(session.connection, session.row.id, last) if last is not None else None
    if end is not None and end < start:
        raise UsageError(f"event #{end} comes before event #{start}")
    patterns = type_patterns(types)
    for pattern in patterns:
        _check(session, pattern)
    return Selection(start, end, patterns)


def type_patterns(types: str | None) -> tuple[str, ...]:
    """Read types of events as they are written in an option, with commas between. Raises UsageError."""
    patterns = tuple(filter(None, (part.strip() for part in (types or "").split(","))))
    if types is not None and not patterns:
        raise UsageError("no type of event is named", hint="for example: agent.message,agent.tool_* or session.*")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise UsageError(f"{pattern} is no type of event", hint="one is agent.message; agent.* stands for several")
    return patterns


def is_known_type(pattern: str) -> bool:
    """Say whether this version knows a type of event that is meant."""
    return any(_matches(name, pattern) for name in known_types())


def no_such_type(pattern: str, where: str = "") -> NotFoundError:
    """Return the failure that nothing is of such a type, with the type that was perhaps meant."""
    return NotFoundError(
        f"there is no event of type {pattern}{where}{did_you_mean(pattern, sorted(known_types()))}",
        hint="agent.* stands for all that begin so",
    )


def _check(session: Opened, pattern: str) -> None:
    if is_known_type(pattern):
        return
    if not has_type(session.connection, session.row.id, pattern):
        raise no_such_type(pattern, f" in session {session.row.id}")


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
