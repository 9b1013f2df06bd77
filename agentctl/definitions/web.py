"""What the tools that reach the web may be told: which hosts, which addresses, and where the person is."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from agentctl.definitions.fields import LABEL, Definition, Items, Shape, refuse_twice, spelled_out, wrong

WEB_TOOLS: frozenset[str] = frozenset({"web_fetch", "web_search"})
"""The built-in tools that reach outside, and are off until a file names them and says ``enabled: true``."""

_DOMAIN = (
    rf"(?:{LABEL}\.)+(?!(?:[0-9]+|0[xX][0-9A-Fa-f]*|[Ll]ocalhost|[Ll]ocal|[Ii]nternal|[Ll]ocaldomain|[Ii]nvalid)(?:/|$))"
    rf"{LABEL}(?:/[!-~]*)?"
)

Domain: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=255),
    Shape(
        _DOMAIN,
        "must be a public host name in ASCII, such as docs.example.com: no scheme, port, wildcard or address",
    ),
]
Domains: TypeAlias = Annotated[tuple[Domain, ...], Field(strict=False, min_length=1, max_length=64)]


class UserLocation(Definition):
    """Roughly where the person is, for the results of a search."""

    type: Literal["approximate"] = Field(description="Always approximate")
    city: str | None = Field(None, description="A city's name")
    region: str | None = Field(None, description="A region's or state's name")
    country: Annotated[str, Shape("[A-Z]{2}", "must be two capital letters, as in ISO 3166-1")] | None = Field(
        None, description="Two capital letters, as in ISO 3166-1"
    )
    timezone: str | None = Field(None, description="A name of the IANA database, such as Europe/Berlin")


class ToolReference(Definition):
    """One tool, by its name."""

    type: Literal["tool_reference"] = Field(description="Always tool_reference")
    name: str = Field(min_length=1, max_length=128, description="The tool's name, exactly")


class UrlSource(Definition):
    """Which results of one kind contribute addresses that may be fetched."""

    type: Literal["all", "none", "only", "except"] = Field(description="Which results contribute")
    tools: Items[ToolReference] = Field((), max_length=128, description="For only and except: the tools that are meant")

    @model_validator(mode="after")
    def _lists_tools_where_it_must(self) -> Self:
        listed = self.type in {"only", "except"}
        if listed and not self.tools:
            raise wrong(f"must have at least one entry with type {self.type}", "tools")
        if self.tools and not listed:
            raise wrong(f"has no place beside type {self.type}", "tools")
        refuse_twice("tools", [tool.name for tool in self.tools])
        return self


_Source: TypeAlias = Annotated[
    UrlSource,
    BeforeValidator(
        lambda value: spelled_out(value, type=None),
        json_schema_input_type=Literal["all", "none"] | UrlSource,
    ),
]


class UrlSources(Definition):
    """Where the addresses that web_fetch may fetch come from; each is `all` unless written."""

    user_input: _Source | None = Field(None, description="Addresses in the person's messages: all or none")
    client_tool_results: _Source | None = Field(None, description="Addresses in results of custom tools")
    server_tool_results: _Source | None = Field(None, description="Addresses in results of the web tools")

    @model_validator(mode="after")
    def _leaves_a_source(self) -> Self:
        sources = (self.user_input, self.client_tool_results, self.server_tool_results)
        if all(source is not None and source.type == "none" for source in sources):
            raise wrong("leaves no source at all: switch web_fetch off instead")
        if self.user_input is not None and self.user_input.tools:
            raise wrong("must be all or none", "user_input")
        server_tools = self.server_tool_results.tools if self.server_tool_results else ()
        for number, tool in enumerate(server_tools):
            if tool.name not in WEB_TOOLS:
                raise wrong("must be web_search or web_fetch", "server_tool_results", "tools", number, "name")
        return self
