"""Long text on a terminal, a screen at a time."""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from agentctl.cli.output import write_out
from agentctl.programs import find_program
from agentctl.redaction import environment_of_others
from agentctl.render.lines import Line, paint_all, width
from agentctl.render.look import Look

_PAGER = "less"


def page(lines: Sequence[Line], look: Look) -> None:
    """Write lines to standard output; through a pager where a terminal is too short for them.

    That is ``$AGENTCTL_PAGER``, ``$PAGER`` or less; one that is empty, or ``cat``, is none.
    """
    text = paint_all(lines, look)
    height = sum(max(1, -(-width(line) // look.columns)) for line in lines)
    command = _pager() if look.moves and height >= look.rows else None
    if command is None or not _paged(command, text):
        write_out(text)


def _pager() -> list[str] | None:
    try:
        words = shlex.split(os.environ.get("AGENTCTL_PAGER", os.environ.get("PAGER", _PAGER)))
    except ValueError:
        return None
    if not words:
        return None
    name, *arguments = words
    found = name if Path(name).is_absolute() else find_program(name)
    return [found, *arguments] if found and name != "cat" else None


def _paged(command: list[str], text: str) -> bool:
    """Show text in a pager; say whether that could be done."""
    environ = {"LESS": "FRX", **environment_of_others()}
    try:
        with _interrupts_are_the_pagers():
            done = subprocess.run(command, input=text.encode("utf-8", "backslashreplace"), env=environ, check=False)
    except OSError:
        return False
    return done.returncode == 0


@contextlib.contextmanager
def _interrupts_are_the_pagers() -> Iterator[None]:
    """Let ^C end what the pager does, not us: two programs would read from one terminal then."""
    former = signal.signal(signal.SIGINT, lambda *_: None)  # unlike SIG_IGN, not handed down to the pager
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
