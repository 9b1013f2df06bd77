"""Sessions by the names that people use for them."""

from agentctl.paths import home
from agentctl.store.database import reading
from agentctl.store.sessions import find_session


def id_of(name: str) -> str:
    """Return the id of the session of that name. Raises NotFoundError, UsageError, StoreError."""
    with reading(home()) as connection:
        return find_session(connection, name).id
