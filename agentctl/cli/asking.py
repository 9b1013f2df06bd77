"""Calls that ask for permission: put to a person on a terminal, or answered as the command line says."""

import sys
from typing import Protocol

from agentctl.canonical import canonical_json
from agentctl.launch.driving import Answer, Approver
from agentctl.session.state import OpenCall
from agentctl.visible import visible


class Drawing(Protocol):
    """What is being drawn on the terminal, which a question must not be mixed with."""

    def pause(self) -> None:
        """Take everything that moves off the screen."""
        ...


def approver(mode: str, drawing: Drawing) -> Approver | None:
    """Return what answers calls that ask: always the same, a person, or (None) nobody now."""
    if mode == "allow":
        return lambda call: ("allow", None)  # noqa: ARG005 - the answer is the same for all
    if mode == "deny":
        return lambda call: ("deny", "denied by --approve deny")  # noqa: ARG005
    if _is_terminal():
        return lambda call: _ask(call, drawing)
    return None


def _is_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _ask(call: OpenCall, drawing: Drawing) -> Answer | None:
    """Show the whole call and ask; an end of input leaves it waiting."""
    drawing.pause()
    sys.stderr.write(f"\n{visible(call.name)} asks for permission:\n{_whole(call)}\n")
    while True:
        sys.stderr.write("Allow it? [y]es, [n]o, no with a [r]eason, [l]ater: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        word = line.strip().lower()
        if not line or word in ("l", "later"):
            return None
        if word in ("y", "yes"):
            return "allow", None
        if word in ("n", "no"):
            return "deny", None
        if word in ("r", "reason"):
            sys.stderr.write("Reason: ")
            sys.stderr.flush()
            return "deny", sys.stdin.readline().strip() or None


def _whole(call: OpenCall) -> str:
    command = call.input.get("command")
    only_command = isinstance(command, str) and len(call.input) == 1
    text = command if only_command else canonical_json(call.input)
    return "\n".join("  " + line for line in visible(str(text)).splitlines())
