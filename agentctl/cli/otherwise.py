"""What may be otherwise than in the session that something is done with again: its environment, its model."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from agentctl.definitions.environment import Environment
from agentctl.definitions.load import load_environment

OtherEnvironmentOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--environment", "-e", metavar="ENV", help="Another environment, as its file says now."),
]
OtherModelOption: TypeAlias = Annotated[
    str | None, typer.Option("--model", metavar="ID", help="Another model than the session's own, or script:FILE.")
]


def other_environment(file: Path | None) -> Environment | None:
    """Read the environment that was named, if one was. Raises NotFoundError, DefinitionError."""
    return load_environment(file) if file is not None else None
