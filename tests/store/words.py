"""The least that a log can hold: a session, and words that somebody says in it."""

from agentctl.events.content import text_block
from agentctl.events.local import LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.events.user import UserMessage
from agentctl.ids import SystemClock

make = Maker(SystemClock())


def created(session_id: str, agent: str = "a", **members: object) -> LocalSessionCreated:
    return make(
        LocalSessionCreated,
        session_id=session_id,
        agentctl_version="0",
        agent={"name": agent},
        agent_hash="",
        environment={"name": "e"},
        environment_hash="",
        model="m",
        request={},
        sandbox={"kind": "none"},
        uploads=[],
        limits={},
        **members,
    )


def message(text: str) -> UserMessage:
    return make(UserMessage, content=[text_block(text)], processed_at=None)
