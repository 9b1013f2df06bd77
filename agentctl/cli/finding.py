"""Sessions by the names that people use for them."""

from agentctl.paths import home
from agentctl.store.database import reading
from agentctl.store.events import find_event
from agentctl.store.sessions import find_session_id


def id_of(name: str) -> str:
    """Return the id of the session of that name. Raises NotFoundError, UsageError, StoreError."""
    with reading(home()) as connection:
        return find_session_id(connection, name)


def id_and_event(name: str, event: str | None) -> tuple[str, int | None]:
    """Return the id of a session and the number of an event of it. Raises NotFoundError, UsageError, StoreError."""
    with reading(home()) as connection:
        session_id = find_session_id(connection, name)
        return session_id, None if event is None else find_event(connection, session_id, event)
