"""``agentctl schema``: the JSON Schema that editors use."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from agentctl.cli.output import write_out
from agentctl.definitions.schema import agent_schema, environment_schema

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


class Kind(StrEnum):
    """Kinds of definition."""

    AGENT = "agent"
    ENVIRONMENT = "environment"


@app.command()
def schema(kind: Annotated[Kind, typer.Argument(help="Which definition.")]) -> None:
    """Print the JSON Schema of a definition file."""
    body = agent_schema() if kind is Kind.AGENT else environment_schema()
    write_out(json.dumps(body, indent=2, ensure_ascii=False) + "\n")
