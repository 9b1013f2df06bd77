"""``agentctl validate``: is a file that a person wrote right, and if not, where?"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import typer

from agentctl.canonical import JsonObject
from agentctl.checks.definition import load_checks
from agentctl.cli.complain import complain
from agentctl.cli.kinds import looks_like_checks, looks_like_rules
from agentctl.cli.options import Output, OutputOption
from agentctl.cli.output import print_json, write_out
from agentctl.cli.rules import read_rules
from agentctl.definitions.agent import Agent, definition_hash
from agentctl.definitions.environment import Environment
from agentctl.definitions.load import load_any
from agentctl.definitions.reading import read_definition
from agentctl.errors import DefinitionError, UsageError
from agentctl.launch.secrets import learn_secrets, refuse_secrets
from agentctl.paths import home
from agentctl.visible import visible_line

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def validate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Agents, environments, checks, rules of diff.")
    ],
    output: OutputOption = Output.TEXT,
) -> None:
    """Check files that people write: agents, environments, checks, and rules of diff."""
    reports = [_check(path, output) for path in files]
    if output is not Output.TEXT:
        valid = all(report["valid"] for report in reports)
        print_json({"type": "validation", "schema": "agentctl.validate/1", "valid": valid, "files": reports})
    if not all(report["valid"] for report in reports):
        raise typer.Exit(2)


def _check(path: Path, output: Output) -> JsonObject:
    try:
        found = _found(path)
    except UsageError as error:
        problems = [*getattr(error, "problems", ())] or [error]
        if output is Output.TEXT:
            for problem in problems:
                complain(problem)
        unknown = dict.fromkeys(field.name for field in fields(_Found))
        return {
            "path": str(path),
            "valid": False,
            **unknown,
            "problems": [_problem(problem) for problem in problems],
        }
    if output is Output.TEXT:
        write_out(f"{visible_line(str(path))}: ok, {found.kind} {visible_line(found.name or '')}".rstrip() + "\n")
    return {"path": str(path), "valid": True, **asdict(found), "problems": []}


@dataclass(frozen=True, slots=True)
class _Found:
    """A file without a mistake: what it is, and the name and the hash of a definition."""

    kind: Literal["agent", "environment", "checks", "rules"]
    name: str | None = None
    hash: str | None = None


def _found(path: Path) -> _Found:
    """Read a file of any kind. Raises DefinitionError, NotFoundError, UsageError."""
    document, prose = read_definition(path)
    if prose is None and looks_like_rules(document):
        read_rules(path)
        return _Found("rules")
    if prose is None and looks_like_checks(document):
        load_checks(path)
        return _Found("checks")
    definition = load_any(path)
    _refuse_secrets(path, definition)
    kind: Literal["agent", "environment"] = "agent" if isinstance(definition, Agent) else "environment"
    return _Found(kind, definition.name, definition_hash(definition))


def _refuse_secrets(path: Path, definition: Agent | Environment) -> None:
    """Refuse what a session that is run with this file would refuse. Raises UsageError."""
    try:
        refuse_secrets(learn_secrets(home()), None, [definition])
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from error


def _problem(error: UsageError) -> JsonObject:
    place = (error.line, error.column) if isinstance(error, DefinitionError) else (None, None)
    return {"message": error.message, "line": place[0], "column": place[1], "hint": error.hint}
