"""``agentctl schema``: the JSON Schema that editors use."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from agentctl.checks.definition import checks_schema
from agentctl.cli.output import write_out
from agentctl.cli.rules import rules_schema
from agentctl.definitions.schema import agent_schema, environment_schema
from agentctl.render.diff.schema import diff_schema

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Kind(StrEnum):
    """What there is a schema of: kinds of definition, files of checks and of rules, and what `diff -o json` prints."""

    AGENT = "agent"
    ENVIRONMENT = "environment"
    DIFF = "diff"
    CHECKS = "checks"
    RULES = "rules"


_SCHEMAS = {
    Kind.AGENT: agent_schema,
    Kind.ENVIRONMENT: environment_schema,
    Kind.DIFF: diff_schema,
    Kind.CHECKS: checks_schema,
    Kind.RULES: rules_schema,
}


@app.command()
def schema(kind: Annotated[Kind, typer.Argument(help="Which definition.")]) -> None:
    """Print the JSON Schema of a definition file."""
    body = _SCHEMAS[kind]()
    write_out(json.dumps(body, indent=2, ensure_ascii=False) + "\n")
