"""The tools of an agent: the built-in set, those of MCP servers, and those that the caller runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import Field, model_validator

from agentctl.canonical import JsonObject
from agentctl.definitions.fields import Definition, Items, NullMeans, Shape, refuse_twice, wrong
from agentctl.definitions.web import WEB_TOOLS, Domains, UrlSources, UserLocation

ToolName: TypeAlias = Literal["bash", "read", "write", "edit", "glob", "grep", "web_fetch", "web_search"]
Policy: TypeAlias = Literal["always_allow", "always_ask", "auto"]

TOOL_NAMES: tuple[ToolName, ...] = get_args(ToolName)
"""The built-in tools."""


@dataclass(frozen=True, slots=True)
class ToolConfig:
    """What holds for one tool once the defaults and its own entry are put together."""

    enabled: bool
    policy: Policy


class PermissionPolicy(Definition):
    """Whether calls of a tool run by themselves."""

    type: Policy = Field(description="always_allow: they run; always_ask: a person decides; auto: judged call by call")


class DefaultConfig(Definition):
    """What holds for the tools of a set that have no entry of their own."""

    enabled: bool | None = Field(None, description="Whether the tools are there; true unless written")
    permission_policy: PermissionPolicy | None = Field(
        None, description="Whether calls run by themselves: unless written, built-in tools do and MCP tools ask"
    )


# --- the built-in tools ---

_SETTINGS = MappingProxyType(
    {
        "allowed_domains": ("web_fetch", "web_search"),
        "blocked_domains": ("web_fetch", "web_search"),
        "max_content_tokens": ("web_fetch",),
        "url_sources": ("web_fetch",),
        "user_location": ("web_search",),
    }
)


class ToolEntry(Definition):
    """Settings of one built-in tool; each overrides `default_config`."""

    name: ToolName = Field(description="Which tool")
    type: str | None = Field(None, description="The same as the name; may be left out")
    enabled: bool | None = Field(None, description="Whether the tool is there")
    permission_policy: PermissionPolicy | None = Field(None, description="Whether its calls run by themselves")
    allowed_domains: Domains | None = Field(
        None, description="web_fetch, web_search: only these hosts and what is under them"
    )
    blocked_domains: Domains | None = Field(
        None, description="web_fetch, web_search: never these hosts; not together with allowed_domains"
    )
    max_content_tokens: int | None = Field(None, gt=0, description="web_fetch: most tokens of text per call")
    url_sources: UrlSources | None = Field(None, description="web_fetch: where addresses may come from")
    user_location: UserLocation | None = Field(None, description="web_search: where the person is, roughly")

    @model_validator(mode="before")
    @classmethod
    def _with_its_type(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("type") is None and isinstance(value.get("name"), str):
            return {**value, "type": value["name"]}
        return value

    @model_validator(mode="after")
    def _has_its_own_settings(self) -> Self:
        if self.type != self.name:
            raise wrong(f"must be {self.name}, like the name", "type")
        for setting, tools in _SETTINGS.items():
            if getattr(self, setting) is not None and self.name not in tools:
                raise wrong(f"is a setting of {' and '.join(tools)}, not of {self.name}", setting)
        if self.allowed_domains is not None and self.blocked_domains is not None:
            raise wrong("has no place beside allowed_domains", "blocked_domains")
        return self

    @model_validator(mode="after")
    def _names_hosts_once(self) -> Self:
        for setting in ("allowed_domains", "blocked_domains"):
            domains: tuple[str, ...] = getattr(self, setting) or ()
            for number, domain in enumerate(domains):
                if "/" in domain and self.name != "web_search":
                    raise wrong("must not have a path", setting, number)
                if domain.lower() in map(str.lower, domains[:number]):
                    raise wrong("is listed twice", setting, number)
        return self


class AgentToolset(Definition):
    """The built-in tools: bash, read, write, edit, glob, grep, web_fetch and web_search."""

    type: Literal["agent_toolset_20260401"] = Field(description="The set and its version")
    default_config: Annotated[DefaultConfig, NullMeans({})] = Field(
        {}, validate_default=True, description="For tools without an entry; it never enables web tools"
    )
    configs: Items[ToolEntry] = Field((), description="Settings tool by tool, no tool twice")

    @model_validator(mode="after")
    def _names_no_tool_twice(self) -> Self:
        refuse_twice("configs", [entry.name for entry in self.configs])
        return self

    def resolved(self, name: ToolName) -> ToolConfig:
        """Say what holds for one built-in tool. A web tool is off unless its own entry enables it."""
        entry = next((entry for entry in self.configs if entry.name == name), None)
        enabled = name not in WEB_TOOLS and self.default_config.enabled is not False
        policy = self.default_config.permission_policy
        if entry is not None:
            enabled = enabled if entry.enabled is None else entry.enabled
            policy = entry.permission_policy or policy
        return ToolConfig(enabled, policy.type if policy else "always_allow")


# --- tools of MCP servers ---


class McpToolEntry(Definition):
    """Settings of one tool of an MCP server."""

    name: str = Field(min_length=1, max_length=128, description="The tool's name as its server reports it")
    enabled: bool | None = Field(None, description="Whether the tool is there")
    permission_policy: PermissionPolicy | None = Field(None, description="Whether its calls run by themselves")


class McpToolset(Definition):
    """The tools of one MCP server."""

    type: Literal["mcp_toolset"] = Field(description="Always mcp_toolset")
    mcp_server_name: str = Field(min_length=1, max_length=255, description="A name from `mcp_servers`")
    default_config: Annotated[DefaultConfig, NullMeans({})] = Field(
        {}, validate_default=True, description="For tools without an entry"
    )
    configs: Items[McpToolEntry] = Field((), description="Settings tool by tool, no tool twice")

    @model_validator(mode="after")
    def _names_no_tool_twice(self) -> Self:
        refuse_twice("configs", [entry.name for entry in self.configs])
        return self


# --- tools that the caller runs ---


class CustomTool(Definition):
    """A tool whose calls are answered by whoever runs the session."""

    type: Literal["custom"] = Field(description="Always custom")
    name: Annotated[str, Shape("[A-Za-z0-9_-]{1,128}", "must be 1 to 128 letters, digits, underscores and hyphens")] = (
        Field(description="Letters, digits, _ and -; not the name of a built-in tool, no mcp__ or ant__ before it")
    )
    description: str = Field(min_length=1, description="What the tool does, for the model")
    input_schema: JsonObject = Field(
        description="JSON Schema of the input: type object, no $ref, no oneOf, anyOf or allOf at its top"
    )

    @model_validator(mode="after")
    def _has_a_name_of_its_own(self) -> Self:
        if self.name in TOOL_NAMES:
            raise wrong("is the name of a built-in tool", "name")
        if self.name.startswith(("mcp__", "ant__")):
            raise wrong("must not begin with mcp__ or ant__", "name")
        return self

    @model_validator(mode="after")
    def _has_a_schema_that_models_take(self) -> Self:
        schema = self.input_schema
        if schema.get("type") != "object":
            raise wrong("must be object", "input_schema", "type")
        for key in ("oneOf", "anyOf", "allOf"):
            if key in schema:
                raise wrong("has no place at the top of an input schema", "input_schema", key)
        if not isinstance(schema.get("properties"), dict | None):
            raise wrong("must be keys and values", "input_schema", "properties")
        for name in schema.get("properties") or ():
            if len(name) > 64:
                raise wrong("is a name of more than 64 characters", "input_schema", "properties", name)
        for place in _references(schema, ("input_schema",)):
            raise wrong("has no place in an input schema: write out what it refers to", *place)
        return self


def _references(value: object, at: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield (*at, "$ref")
        for key, part in value.items():
            yield from _references(part, (*at, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _references(part, (*at, number))


Tool: TypeAlias = Annotated[AgentToolset | McpToolset | CustomTool, Field(discriminator="type")]
