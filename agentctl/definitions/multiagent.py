"""Which other agents an agent may set to work, and how. Loaded and kept; running it comes later."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from agentctl.definitions.fields import Definition, Items, ModelId, spelled_out, wrong


class RosterEntry(Definition):
    """One agent that may be set to work: another one, the agent itself, or a model that gives advice."""

    type: Literal["agent", "self", "advisor"] = Field(description="Another agent, this one, or an advisor")
    id: str | None = Field(None, min_length=1, description="For agent: its id, or the path of its file")
    version: int | None = Field(None, ge=1, description="For agent: its version; the latest unless written")
    model: ModelId | None = Field(None, description="For advisor: the id of its model")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        for field, kind in (("id", "agent"), ("model", "advisor")):
            if getattr(self, field) is None and self.type == kind:
                raise wrong("is missing", field)
        for field, kind in (("id", "agent"), ("version", "agent"), ("model", "advisor")):
            if getattr(self, field) is not None and self.type != kind:
                raise wrong(f"has no place beside type {self.type}", field)
        return self


Entry: TypeAlias = Annotated[
    RosterEntry,
    BeforeValidator(
        lambda value: spelled_out(value, type="agent", id=None),
        json_schema_input_type=Annotated[str, Field(min_length=1)] | RosterEntry,
    ),
]


class Coordinator(Definition):
    """The agent hands work to the agents of a list."""

    type: Literal["coordinator"] = Field(description="Always coordinator")
    agents: Annotated[tuple[Entry, ...], Field(strict=False)] = Field(
        min_length=1, max_length=20, description="The agents, 1 to 20"
    )

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        _refuse_twice("agents", self.agents)
        for number, entry in enumerate(self.agents):
            if entry.type == "advisor" and any(one.type == "advisor" for one in self.agents[:number]):
                raise wrong("is a second advisor", "agents", number)
        return self


class InlineAgents(Definition):
    """Whether the agent may describe new agents itself."""

    type: Literal["enabled", "disabled"] = Field(description="Whether it may")


class Helpers(Definition):
    """One way of setting other agents to work."""

    type: Literal["enabled", "disabled"] = Field(description="Whether the agent has it")
    inline_agents: InlineAgents | None = Field(
        None, description="Whether the agent may describe new agents itself; enabled unless written"
    )
    predefined_agents: Items[Entry] = Field((), max_length=20, description="Agents that are there already, at most 20")

    @model_validator(mode="after")
    def _leaves_an_agent(self) -> Self:
        if self.type == "disabled" and self.predefined_agents:
            raise wrong("has no place beside type disabled", "predefined_agents")
        if self.type == "disabled" and self.inline_agents is not None:
            raise wrong("has no place beside type disabled", "inline_agents")
        inline = self.inline_agents is None or self.inline_agents.type == "enabled"
        if self.type == "enabled" and not inline and not self.predefined_agents:
            raise wrong("must name an agent where inline_agents is disabled", "predefined_agents")
        for number, entry in enumerate(self.predefined_agents):
            if entry.type == "advisor":
                raise wrong("must be agent or self", "predefined_agents", number, "type")
        _refuse_twice("predefined_agents", self.predefined_agents)
        return self


class Advisor(Definition):
    """Whether the agent may ask another model for advice."""

    type: Literal["enabled", "disabled"] = Field(description="Whether it may")
    model: ModelId | None = Field(None, description="For enabled: the id of the model")

    @model_validator(mode="after")
    def _names_its_model(self) -> Self:
        if self.type == "enabled" and self.model is None:
            raise wrong("is missing", "model")
        if self.type == "disabled" and self.model is not None:
            raise wrong("has no place beside type disabled", "model")
        return self


class Multiagent20261001(Definition):
    """Three ways of setting others to work, each switched by itself."""

    type: Literal["multiagent_20261001"] = Field(description="Always multiagent_20261001")
    subagents: Helpers | None = Field(None, description="Threads of other agents; enabled unless written")
    workflows: Helpers | None = Field(None, description="Programs that run agents; enabled unless written")
    advisor: Advisor | None = Field(None, description="A model to ask for advice; disabled unless written")


Multiagent: TypeAlias = Annotated[Coordinator | Multiagent20261001, Field(discriminator="type")]


def _refuse_twice(field: str, roster: tuple[RosterEntry, ...]) -> None:
    for number, entry in enumerate(roster):
        if (entry.type, entry.id) in [(other.type, other.id) for other in roster[:number]]:
            raise wrong("is there twice", field, number)
