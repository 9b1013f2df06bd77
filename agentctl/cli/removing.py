"""Sessions removed with all that is theirs: events, kept states of sandboxes, blobs that nobody else names."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from agentctl.errors import BusyError, FullError, SandboxError, StoreError, UsageError
from agentctl.paths import Home
from agentctl.sandbox.docker.kept import remove_kept
from agentctl.store.database import Database
from agentctl.store.migrations import migrate
from agentctl.store.naming import named_blobs
from agentctl.store.reckoned import reckoned
from agentctl.store.removal import Doomed, doomed, remove_sessions
from agentctl.store.shrinking import GivenBack, give_back
from agentctl.store.sweeping import Swept, sweep_blobs

_ROOM = "nothing was removed; some room is needed for it, and agentctl prune --blobs --logs --builds may make that"


@dataclass(slots=True)
class Outcome:
    """What went: sessions, bytes of kept states, blobs; what was given back; and why something is still there.

    ``failed`` says that the store could not be written in the middle of it.
    """

    sessions: list[Doomed] = field(default_factory=list)
    kept_bytes: int = 0
    blobs: Swept = Swept(0, 0, 0)
    given_back: GivenBack = GivenBack(0, 0.0)
    troubles: list[str] = field(default_factory=list)
    failed: bool = False


def remove(store: Home, families: Iterable[Sequence[str]], *, skip_busy: bool = False) -> Outcome:
    """Remove sessions, family by family, then what only they had a use for. Raises BusyError, UsageError, StoreError.

    ``skip_busy`` leaves a family alone that is run by somebody, or that others need by now; and where the store fails
    behind the first family, what went is told all the same.

    What is to be removed has to be written into the log of writes first. Where the disk has no room for that, the index
    of search and stats goes, which they make anew.
    """
    families = list(families)
    try:
        return _removed(store, families, skip_busy=skip_busy)
    except FullError as error:
        if not reckoned(store).remove():
            raise FullError(error.message, hint=_ROOM) from error
    try:
        return _removed(store, families, skip_busy=skip_busy)
    except FullError as error:
        raise FullError(error.message, hint=_ROOM) from error


def _removed(store: Home, families: Iterable[Sequence[str]], *, skip_busy: bool) -> Outcome:
    outcome, names = Outcome(), set[str]()
    with closing(Database(store, migrate)) as database:
        for family in families:
            with database.reading() as connection:
                found = doomed(connection, family)
                named = {each.digest for each in named_blobs(store, connection, [each.key for each in found])}
            try:
                remove_sessions(store, database, family)
            except (BusyError, UsageError) as busy:  # taken up, forked or named meanwhile
                if not skip_busy:
                    raise
                outcome.troubles.append(busy.message)
                continue
            except StoreError as error:
                if not skip_busy or not outcome.sessions:
                    raise
                outcome.troubles.append(f"{error.message}; the other sessions stay")
                outcome.failed = True
                return outcome
            outcome.sessions += found
            names |= named
        _remove_kept_states(store, outcome)
        with database.reading() as connection:
            outcome.blobs = sweep_blobs(store, connection, only=names)
        try:
            outcome.given_back = give_back(database)
        except FullError as error:
            outcome.troubles.append(f"what is free in the database stays there for now: {error.message}")
    return outcome


def _remove_kept_states(store: Home, outcome: Outcome) -> None:
    """Remove the images of sandboxes; where the daemon does not answer, ``prune`` finds them later."""
    try:
        for each in outcome.sessions:
            if each.has_checkpoint:
                outcome.kept_bytes += remove_kept(store, each.session_id)
    except SandboxError as error:
        outcome.troubles.append(f"kept states of sandboxes stay until agentctl prune: {error.message}")
