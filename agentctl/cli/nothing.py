"""Paths that are empty, as those of variables that a script forgot to set.

To Python the empty path is the current folder: ``--workspace "$DIR"`` in a crontab would copy a whole home.
"""

from functools import partial
from pathlib import Path
from typing import Any, get_args

import typer


def refuse_empty_paths(command: Any) -> None:
    """Have a command, and the commands below it, refuse a path that is empty."""
    for below in getattr(command, "commands", {}).values():
        refuse_empty_paths(below)
    for parameter in command.params:
        kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
        if kind is Path or Path in get_args(kind):
            parameter.process_value = partial(_something, parameter, parameter.process_value)


def _something(parameter: Any, process: Any, ctx: Any, value: Any) -> Any:
    if "" in (value if isinstance(value, list | tuple) else [value]):
        raise typer.BadParameter("it is empty, and names no file or folder.", ctx=ctx, param=parameter)
    return process(ctx, value)
