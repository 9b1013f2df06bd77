"""Events that people write: into a terminal, another shell, a script or over HTTP."""

from typing import ClassVar, Literal

from agentctl.canonical import JsonObject
from agentctl.events.base import Event, event


@event
class UserMessage(Event):
    """A message to the agent: text, image and document blocks."""

    type: ClassVar[str] = "user.message"

    content: list[JsonObject]


@event
class UserInterrupt(Event):
    """Stop what is going on and rest."""

    type: ClassVar[str] = "user.interrupt"

    session_thread_id: str | None = None


@event
class UserToolConfirmation(Event):
    """The answer to a call that asked: ``deny_message`` only with deny."""

    type: ClassVar[str] = "user.tool_confirmation"

    tool_use_id: str
    result: Literal["allow", "deny"]
    deny_message: str | None = None
    session_thread_id: str | None = None


@event
class UserCustomToolResult(Event):
    """What a custom tool gave."""

    type: ClassVar[str] = "user.custom_tool_result"

    custom_tool_use_id: str
    content: list[JsonObject] | None = None
    is_error: bool | None = None
    session_thread_id: str | None = None


@event
class SystemMessage(Event):
    """A word of the operator in the middle of the conversation, text only; it belongs to the message before it."""

    type: ClassVar[str] = "system.message"

    content: list[JsonObject]
