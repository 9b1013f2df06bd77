"""An agent: the body of the Managed Agents API's *create agent*, and what only runs here."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from agentctl.definitions.fields import (
    Definition,
    Items,
    Metadata,
    ModelId,
    Name,
    NullMeans,
    Shape,
    definition_hash,
    snapshot,
    spelled_out,
    wrong,
)
from agentctl.definitions.local import Limits, LocalAgent, Permissions, Stuck
from agentctl.definitions.multiagent import Multiagent
from agentctl.definitions.toolset import (
    TOOL_NAMES,
    AgentToolset,
    CustomTool,
    McpToolset,
    Policy,
    Tool,
    ToolConfig,
    ToolName,
)
from agentctl.definitions.web import WEB_TOOLS

__all__ = [
    "TOOL_NAMES",
    "WEB_TOOLS",
    "Agent",
    "AgentToolset",
    "CustomTool",
    "Limits",
    "LocalAgent",
    "McpToolset",
    "ModelConfig",
    "Permissions",
    "Policy",
    "Stuck",
    "Tool",
    "ToolConfig",
    "ToolName",
    "definition_hash",
    "snapshot",
]

MOST_TOOLS = 256

Effort: TypeAlias = Literal["low", "medium", "high", "xhigh", "max"]


class EffortLevel(Definition):
    """How hard the model works, as the API answers it."""

    type: Effort = Field(description="The level")


def _level(value: object) -> object:
    return value["type"] if isinstance(value, dict) and value.keys() == {"type"} else value


class ModelConfig(Definition):
    """Which model answers, and how."""

    id: ModelId = Field(description="The model's id, such as claude-opus-5-5")
    effort: Annotated[Effort, BeforeValidator(_level, json_schema_input_type=Effort | EffortLevel)] | None = Field(
        None, description="How hard the model works; its own default unless written"
    )
    speed: Annotated[Literal["standard", "fast"], NullMeans("standard")] = Field(
        "standard", description="fast costs more, and not every model has it"
    )
    inference_geo: Annotated[str, Shape("[a-z0-9_-]{1,64}", "must be a region such as us or global")] | None = Field(
        None, description="Where the model runs: us or global; your workspace's default unless written"
    )


class McpServer(Definition):
    """An MCP server that is reached by its address."""

    type: Literal["url"] = Field(description="Always url")
    name: str = Field(min_length=1, max_length=255, description="What an mcp_toolset calls it; no name twice")
    url: Annotated[
        str,
        Field(max_length=2_048),
        Shape("https?://[!-~]+", "must be an address that begins with https:// or http://"),
    ] = Field(description="Where the server answers")


class Skill(Definition):
    """Instructions and files for one kind of work."""

    type: Literal["anthropic", "custom"] = Field(description="Whose skill it is")
    skill_id: str = Field(min_length=1, description="xlsx and the like; skill_…; a path or an address of its folder")
    version: Annotated[str, NullMeans("latest")] = Field("latest", min_length=1, description="A version, or latest")


class ExecutionIdentity(Definition):
    """As whom the hosted service runs the agent; without meaning here."""

    type: Literal["service_account", "aws_role"] = Field(description="Which kind of principal")
    role_arn: str | None = Field(None, min_length=1, max_length=2_048, description="For aws_role: the role")

    @model_validator(mode="after")
    def _names_its_role(self) -> Self:
        if self.type == "aws_role" and self.role_arn is None:
            raise wrong("is missing", "role_arn")
        if self.type != "aws_role" and self.role_arn is not None:
            raise wrong(f"has no place beside type {self.type}", "role_arn")
        return self


class Agent(Definition):
    """An agent as its file defines it."""

    type: Annotated[Literal["agent"], Field(exclude=True)] = Field("agent", description="Always agent; may be left out")
    name: Name = Field(description="What the agent is called")
    model: Annotated[
        ModelConfig,
        BeforeValidator(
            lambda value: spelled_out(value, id=None),
            json_schema_input_type=ModelId | ModelConfig,
        ),
    ] = Field(description="A model's id, or an object that says more about it")
    system: str | None = Field(None, max_length=100_000, description="The system prompt")
    description: str | None = Field(None, max_length=2_048, description="What the agent is for")
    tools: Items[Tool] = Field((), max_length=MOST_TOOLS, description="What the agent can do")
    mcp_servers: Items[McpServer] = Field(
        (), max_length=20, description="MCP servers, each named by exactly one mcp_toolset; loaded, not run yet"
    )
    skills: Items[
        Annotated[
            Skill,
            BeforeValidator(
                lambda value: spelled_out(value, type="custom", skill_id=None),
                json_schema_input_type=Annotated[str, Field(min_length=1)] | Skill,
            ),
        ]
    ] = Field((), max_length=20, description="Skills, or paths or addresses of their folders; loaded, not run yet")
    multiagent: Multiagent | None = Field(None, description="Which agents it may set to work; loaded, not run yet")
    metadata: Metadata = Field({}, description="Up to 16 pairs of text, for you")
    execution_identity: Annotated[ExecutionIdentity, NullMeans({"type": "service_account"})] = Field(
        {"type": "service_account"},
        validate_default=True,
        description="As whom the hosted service runs the agent; without meaning here",
    )
    local: Annotated[LocalAgent, NullMeans({})] = Field(
        {}, validate_default=True, description="What the hosted API has no field for"
    )

    @property
    def toolset(self) -> AgentToolset | None:
        """The built-in tools, where the agent has them."""
        return next((tool for tool in self.tools if isinstance(tool, AgentToolset)), None)

    @model_validator(mode="after")
    def _has_each_tool_once(self) -> Self:
        seen: set[str] = set()
        for number, tool in enumerate(self.tools):
            name = tool.name if isinstance(tool, CustomTool) else tool.type
            if name in seen and not isinstance(tool, McpToolset):
                raise wrong("is there twice", "tools", number, "name" if isinstance(tool, CustomTool) else "type")
            seen.add(name)
        enabled = sum(self.toolset.resolved(name).enabled for name in TOOL_NAMES) if self.toolset else 0
        if enabled + sum(isinstance(tool, CustomTool) for tool in self.tools) > MOST_TOOLS:
            raise wrong(f"are more than {MOST_TOOLS} tools, those of the toolset counted one by one", "tools")
        return self

    @model_validator(mode="after")
    def _uses_each_mcp_server_once(self) -> Self:
        unused: set[str] = set()
        for number, server in enumerate(self.mcp_servers):
            if server.name in unused:
                raise wrong("is there twice", "mcp_servers", number, "name")
            unused.add(server.name)
        for number, tool in enumerate(self.tools):
            if isinstance(tool, McpToolset):
                if tool.mcp_server_name not in unused:
                    raise wrong(self._why_not(tool.mcp_server_name), "tools", number, "mcp_server_name")
                unused.remove(tool.mcp_server_name)
        for number, server in enumerate(self.mcp_servers):
            if server.name in unused:
                raise wrong("is not used: no mcp_toolset in tools names it", "mcp_servers", number, "name")
        return self

    def _why_not(self, server: str) -> str:
        declared = any(one.name == server for one in self.mcp_servers)
        return "already has an mcp_toolset" if declared else "is not among mcp_servers"

    @model_validator(mode="after")
    def _fetches_from_tools_it_has(self) -> Self:
        own = {tool.name for tool in self.tools if isinstance(tool, CustomTool)}
        for number, tool in enumerate(self.tools):
            for place, entry in enumerate(tool.configs if isinstance(tool, AgentToolset) else ()):
                sources = entry.url_sources.client_tool_results if entry.url_sources else None
                for which, reference in enumerate(sources.tools if sources else ()):
                    if reference.name not in own:
                        at = ("tools", number, "configs", place, "url_sources", "client_tool_results", "tools", which)
                        raise wrong("is not a custom tool of this agent", *at, "name")
        return self
