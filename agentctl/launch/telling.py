"""Sessions are told something, whoever runs them, and what they came to is told again."""

from collections.abc import Callable, Sequence

from agentctl.errors import UsageError
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.events.user import SystemMessage, UserMessage
from agentctl.harness.outlook import Outlook
from agentctl.ids import SystemClock
from agentctl.launch.driving import outlook_of
from agentctl.launch.parts import open_log
from agentctl.launch.secrets import learn_secrets, refuse_secrets
from agentctl.paths import Home
from agentctl.session.fork import header_of, refuse_imported
from agentctl.session.log import Listener, Session
from agentctl.session.result import Result
from agentctl.session.state import SessionState
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import header_events, read_events


def tell(session_id: str, home: Home, choose: Callable[[SessionState, Maker], Sequence[Event]]) -> Sequence[Event]:
    """Append what ``choose`` makes of the session's state, whoever runs the session; return it.

    Raises NotFoundError for a session that is not there, and what ``choose`` raises.
    """
    learn_secrets(home)
    refuse_imported(recorded_header(home, session_id))
    with open_log(home) as log:
        session = Session(session_id, log, Result())
        events = choose(session.state, Maker(SystemClock()))
        if events:
            session.append(*events)
        return events


def queue_message(session_id: str, home: Home, message: str, system: str | None = None) -> str:
    """Append a message that the session takes up when it can; return the event's id.

    Raises UsageError where ``system``, what the operator says along with it, is nothing for the model.
    """
    refuse_secrets(learn_secrets(home), message)
    if system is not None:
        refuse_system_message(outlook_of(recorded_header(home, session_id)))

    def choose(state: SessionState, make: Maker) -> Sequence[Event]:  # noqa: ARG001 - a message is always welcome
        return said(message, system, make)

    return tell(session_id, home, choose)[0].id


def tell_again(session_id: str, home: Home, listeners: Sequence[Listener]) -> None:
    """Have the listeners learn a session that is there. Raises UsageError for one that did not come to rest."""
    result = Result()
    with reading(home) as connection:
        for record in read_events(connection, Blobs(home.blobs), session_id):
            result = result.after(record.event)
            for listener in listeners:
                listener.learn(record)
    if result.status != "idle" or result.stop_reason is None:
        raise UsageError(
            f"session {session_id} is there already, and was interrupted before it came to rest",
            hint=f"go on with it: agentctl resume {session_id}",
        )


def said(message: str, system: str | None, make: Maker) -> list[Event]:
    """Make the events of a message, and of what the operator says along with it."""
    events: list[Event] = [make(UserMessage, content=[text_block(message)], processed_at=None)]
    if system is not None:
        events.append(make(SystemMessage, content=[text_block(system)], processed_at=None))
    return events


def refuse_system_message(outlook: Outlook) -> None:
    """Raise UsageError where the session's model takes no word of the operator behind a message."""
    if not outlook.takes_system_messages():
        raise UsageError(
            f"model {outlook.header.model} takes no system messages in the middle of a conversation",
            hint="say it in the message itself, or in the system prompt of a new session",
        )


def recorded_header(home: Home, session_id: str) -> LocalSessionCreated:
    """Return what a session depends on, as it was recorded. Raises NotFoundError."""
    with reading(home) as connection:
        return header_of(session_id, header_events(connection, Blobs(home.blobs), session_id))
