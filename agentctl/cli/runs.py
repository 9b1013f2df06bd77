"""Which sessions are runs of the same thing: the same agent, environment, model, files and first message."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from agentctl.cli.complain import write_error
from agentctl.cli.looking import Opened, opened
from agentctl.errors import StoreError, UsageError
from agentctl.events.local import LocalFilesUploaded
from agentctl.store.rows import list_sessions
from agentctl.visible import visible_line

_TWO = 2

_Identity: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Groups:
    """The sessions of each side by their ids; A's first one is what all are compared with."""

    a: tuple[str, ...]
    b: tuple[str, ...] = ()


def groups_of(names: Sequence[str], runs: int | None) -> Groups:
    """Find the sessions that are meant: those that are named, or the last ``runs`` that are as each of two.

    Raises NotFoundError, UsageError, StoreError.
    """
    if runs is None:
        if len(names) < _TWO:
            raise UsageError("diff takes two sessions or more", hint="agentctl diff A B; see: agentctl ls")
        return Groups(tuple(names))
    if len(names) != _TWO:
        raise UsageError("--runs takes two sessions, one of each side")
    a, b = (_runs_like(name, runs) for name in names)
    if set(a) & set(b):
        raise UsageError(
            "both are runs of the same agent, environment, model, files and message: there are no two sides",
            hint="to compare them one by one, name them: agentctl diff A B C",
        )
    return Groups(a, b)


def _runs_like(name: str, runs: int) -> tuple[str, ...]:
    """Return the last sessions that are runs of the same thing as one, it itself first."""
    with opened(name) as session:
        wanted, row = _identity(session), session.row
        listed = list_sessions(session.connection)
    for each in listed.damaged:
        _tell_left_out(each)
    others = (
        other.id
        for other in listed.rows
        if other.id != row.id
        and (other.agent, other.environment, other.first_message) == (row.agent, row.environment, row.first_message)
    )
    return (row.id, *islice(_that_are(wanted, others), runs - 1))


def _that_are(wanted: _Identity, names: Iterator[str]) -> Iterator[str]:
    for name in names:
        try:
            with opened(name) as session:
                is_alike = _identity(session) == wanted
        except StoreError as error:
            _tell_left_out(error)
        else:
            if is_alike:
                yield name


def _tell_left_out(error: StoreError) -> None:
    write_error(visible_line(f"agentctl: left out: {error.message}"))


def _identity(session: Opened) -> _Identity:
    created, uploaded = session.header(), session.last(LocalFilesUploaded.type)
    files = uploaded.event.manifest if uploaded and isinstance(uploaded.event, LocalFilesUploaded) else None
    digest = created.sandbox.get("image_digest")
    return created.agent_hash, created.environment_hash, created.model, digest, files, session.row.first_message
