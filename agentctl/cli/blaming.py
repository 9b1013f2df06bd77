"""Whose fault a failure is: that of a record that somebody has changed, or a bug."""

from collections.abc import Iterator
from contextlib import contextmanager

from agentctl.errors import StoreError
from agentctl.events.codec import NOT_UNDERSTOOD
from agentctl.paths import home
from agentctl.store.database import reading
from agentctl.store.sessions import find_session_id


@contextmanager
def understood(*names: str) -> Iterator[None]:
    """Where a failure comes of an event that says what no event says, raise StoreError, which names it.

    To be around whatever is made of these sessions. Their records are examined only once something has failed:
    a failure for which they are not to blame goes on its way.
    """
    try:
        yield
    except NOT_UNDERSTOOD:
        for name in names:
            _blame_record(name)
        raise


def _blame_record(name: str) -> None:
    from agentctl.store.integrity import examine  # what nearly no command needs, every command would wait for

    store = home()
    with reading(store) as connection:
        session_id = find_session_id(connection, name)
        first = examine(connection, store, session_id, None).first
    if first is not None and first.seq is not None:
        raise StoreError(
            f"event #{first.seq} of {session_id} is damaged: {first.what}",
            hint=f"see: agentctl verify {session_id}",
        )
