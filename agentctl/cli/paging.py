"""Long text on a terminal, a screen at a time."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from agentctl.cli.output import write_out
from agentctl.programs import find_program
from agentctl.redaction import environment_of_others
from agentctl.render.lines import Line, paint_all, width
from agentctl.render.look import Look

_PAGER = "less"


def page(lines: Sequence[Line], look: Look) -> None:
    """Write lines to standard output; through ``$PAGER`` (or less) where a terminal is too short for them."""
    text = paint_all(lines, look)
    height = sum(max(1, -(-width(line) // look.columns)) for line in lines)
    command = _pager() if look.moves and height >= look.rows else None
    if command is None or not _paged(command, text):
        write_out(text)


def _pager() -> list[str] | None:
    try:
        name, *arguments = shlex.split(os.environ.get("PAGER") or _PAGER)
    except ValueError:
        return None
    found = name if Path(name).is_absolute() else find_program(name)
    return [found, *arguments] if found and name != "cat" else None


def _paged(command: list[str], text: str) -> bool:
    """Show text in a pager; say whether that could be done."""
    environ = {"LESS": "FRX", **environment_of_others()}
    try:
        done = subprocess.run(command, input=text.encode("utf-8", "backslashreplace"), env=environ, check=False)
    except OSError:
        return False
    return done.returncode == 0
