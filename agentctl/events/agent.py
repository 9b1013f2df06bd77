"""Events of the agent: what the model said, and what its calls came to."""

from typing import ClassVar, Literal

from agentctl.canonical import JsonObject
from agentctl.events.base import Event, event


@event
class AgentMessage(Event):
    """Text of the model."""

    type: ClassVar[str] = "agent.message"

    content: list[JsonObject]


@event
class AgentThinking(Event):
    """A mark that the model thought; the thoughts themselves are not in it."""

    type: ClassVar[str] = "agent.thinking"


@event
class AgentToolUse(Event):
    """A call of a built-in tool that the model wants.

    ``evaluation`` says which permission policy gave ``evaluated_permission``; it is absent where
    the call was refused before any policy applied (no such tool, arguments that are not valid).
    """

    type: ClassVar[str] = "agent.tool_use"

    name: str
    input: JsonObject
    evaluated_permission: Literal["allow", "ask", "deny"] | None = None
    evaluation: JsonObject | None = None
    session_thread_id: str | None = None


@event
class AgentToolResult(Event):
    """The one result of a call; ``tool_use_id`` is the id of its ``agent.tool_use`` event."""

    type: ClassVar[str] = "agent.tool_result"

    tool_use_id: str
    content: list[JsonObject] | None = None
    is_error: bool | None = None


@event
class AgentCustomToolUse(Event):
    """A call of a tool that whoever runs the session must answer with ``user.custom_tool_result``."""

    type: ClassVar[str] = "agent.custom_tool_use"

    name: str
    input: JsonObject
    session_thread_id: str | None = None


@event
class AgentThreadContextCompacted(Event):
    """A summary stands from here on for all that the model was told so far; the record keeps everything."""

    type: ClassVar[str] = "agent.thread_context_compacted"
