"""``agentctl validate``: is a definition file right, and if not, where?"""

from pathlib import Path
from typing import Annotated

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.complain import complain
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import print_json, write_out
from agentctl.definitions.agent import Agent, definition_hash
from agentctl.definitions.environment import Environment
from agentctl.definitions.load import load_any
from agentctl.errors import DefinitionError, UsageError
from agentctl.launch.secrets import learn_secrets, refuse_secrets
from agentctl.paths import home
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Agent and environment files.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Check agent and environment files."""
    reports = [_check(path, output) for path in files]
    if output is not Output.TEXT:
        valid = all(report["valid"] for report in reports)
        print_json({"type": "validation", "schema": "agentctl.validate/1", "valid": valid, "files": reports})
    if not all(report["valid"] for report in reports):
        raise typer.Exit(2)


def _check(path: Path, output: Output) -> JsonObject:
    try:
        definition = load_any(path)
        _refuse_secrets(path, definition)
    except UsageError as error:
        problems = [*getattr(error, "problems", ())] or [error]
        if output is Output.TEXT:
            for problem in problems:
                complain(problem)
        return {"path": str(path), "valid": False, "problems": [_problem(problem) for problem in problems]}
    kind = "agent" if isinstance(definition, Agent) else "environment"
    if output is Output.TEXT:
        write_out(f"{visible_line(str(path))}: ok, {kind} {visible_line(definition.name)}\n")
    return {
        "path": str(path),
        "valid": True,
        "kind": kind,
        "name": definition.name,
        "hash": definition_hash(definition),
        "problems": [],
    }


def _refuse_secrets(path: Path, definition: Agent | Environment) -> None:
    """Refuse what a session that is run with this file would refuse. Raises UsageError."""
    try:
        refuse_secrets(learn_secrets(home()), None, [definition])
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from error


def _problem(error: UsageError) -> JsonObject:
    place = (error.line, error.column) if isinstance(error, DefinitionError) else (None, None)
    return {"message": error.message, "line": place[0], "column": place[1], "hint": error.hint}
