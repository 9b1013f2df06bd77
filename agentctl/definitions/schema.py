"""The JSON Schema that editors use, made from the models.

It accepts every file that the models accept, short forms included, and says what each field is for.
What no schema can say (an mcp_toolset must name a server that exists) only ``load`` finds.
"""

from pydantic.json_schema import GenerateJsonSchema

from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent
from agentctl.definitions.environment import Environment
from agentctl.definitions.fields import Definition


class _WithoutFieldTitles(GenerateJsonSchema):
    """Leaves out titles that only repeat the names of fields."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the name is pydantic's
        """Say no."""
        return False


def agent_schema() -> JsonObject:
    """Return the JSON Schema (2020-12) of an agent's file."""
    return _schema(Agent, "agent", "agentctl agent")


def environment_schema() -> JsonObject:
    """Return the JSON Schema (2020-12) of an environment's file."""
    return _schema(Environment, "environment", "agentctl environment")


def _schema(model: type[Definition], kind: str, title: str) -> JsonObject:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:agentctl:schema:{kind}:1",
        **model.model_json_schema(schema_generator=_WithoutFieldTitles),
        "title": title,
    }
