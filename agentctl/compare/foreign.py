"""Calls of other programs, under the names and in the place that agentctl's tools have.

Without that a transcript of Claude Code has no call in common with a session of agentctl that did the very same:
its tools are called ``Bash`` and ``Read``, and its folder is somebody's own.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agentctl.canonical import JsonObject
from agentctl.compare.calls import Call, Observation
from agentctl.events.local import LocalSessionCreated
from agentctl.session.effects import WORKSPACE

_NAMES: Mapping[str, str] = {
    "Bash": "bash",
    "shell": "bash",
    "shell_command": "bash",
    "container.exec": "bash",
    "exec_command": "bash",
    "local_shell": "bash",
    "Read": "read",
    "Write": "write",
    "Edit": "edit",
    "Glob": "glob",
    "Grep": "grep",
    "WebFetch": "web_fetch",
    "WebSearch": "web_search",
}
_MEMBERS: Mapping[str, str] = {"cmd": "command", "timeout": "timeout_ms"}
_SAID = ("description", "justification")
"""Members that are words for a person, and nothing that is asked for."""

_BESIDE = ("yield_time_ms", "max_output_tokens", "login", "tty", "sandbox_permissions", "with_escalated_permissions")
"""Members by which Codex says how its own program is to run a command, and none of what the command is."""

_FOLDER = "workdir"
_HEAD = re.compile(
    r"(?:Exit code: -?\d+\n|Chunk ID: [^\n]*\n)?Wall time: [\d.]+ seconds?\n"
    r"(?:(?:Process exited with code -?\d+|Original token count: \d+|Total output lines: \d+)\n)*Output:\n"
)
"""What Codex writes before the output of a command: its exit code and duration are facts of the result."""

_SHELLS = ("bash", "sh", "zsh")


def place_of(created: LocalSessionCreated) -> str:
    """Return the folder that an imported session worked in; empty where that is not known."""
    name = str(created.environment.get("name") or "")
    return name.rstrip("/") if name.startswith("/") else ""


def as_own(call: Call, place: str) -> Call:
    """Return a call of another program as one of agentctl's; ``place`` is the folder that it worked in."""
    name = _NAMES.get(call.name, call.name)
    seen = call.observation
    arguments = _arguments(call.input, place) if name == "bash" else call.input
    return replace(
        call,
        name=name,
        input={member: _placed(value, place) for member, value in arguments.items() if member not in _SAID},
        observation=None if seen is None else _observed(seen, place, is_command=name == "bash"),
    )


def _arguments(arguments: JsonObject, place: str) -> JsonObject:
    """Return what a shell is asked for; Codex names the shell itself as well, in a list of words."""
    found = {_MEMBERS.get(name, name): value for name, value in arguments.items() if name not in _BESIDE}
    if found.get(_FOLDER) in (place, f"{place}/"):
        del found[_FOLDER]  # where it works anyway
    match found.get("command"):
        case [str(shell), str(how), str(command)] if shell.rpartition("/")[2] in _SHELLS and how.startswith("-"):
            found["command"] = command
    return found


def _observed(seen: Observation, place: str, *, is_command: bool) -> Observation:
    """Return a result as agentctl's; a command that did not fail has ended with 0, which no transcript says."""
    facts = {"exit_code": 0, **seen.facts} if is_command and not seen.is_error else seen.facts
    content = [_without_head(block) if is_command else block for block in seen.content]
    return replace(seen, content=[_placed(block, place) for block in content], facts=facts)


def _without_head(block: JsonObject) -> JsonObject:
    text = block.get("text")
    return {**block, "text": _HEAD.sub("", text, count=1)} if isinstance(text, str) and _HEAD.match(text) else block


def _placed(value: Any, place: str) -> Any:
    match value:
        case str() if place:
            # A folder beside it, or one of its name in another place, is not it.
            return re.sub(rf"(?<![\w.-]){re.escape(place)}(?![\w-]|\.\w)", WORKSPACE, value)
        case dict():
            return {name: _placed(inner, place) for name, inner in value.items()}
        case list():
            return [_placed(inner, place) for inner in value]
        case _:
            return value
