"""Tool calls in few words: what was asked, what came of it, and how it went."""

import json
from typing import NamedTuple

from agentctl.canonical import JsonObject
from agentctl.render.numbers import duration, many, size

_TELLING = ("command", "file_path", "path", "pattern", "query", "url", "name", "id")


class Asked(NamedTuple):
    """The most telling argument of a call and a remark on it.

    ``is_path`` says that the end of the text tells more than its beginning.
    """

    text: str
    remark: str = ""
    is_path: bool = False


class Change(NamedTuple):
    """Text that a call takes out and text that it puts in."""

    out: str
    into: str


def asked(name: str, arguments: JsonObject) -> Asked:
    """Say in one line what a call asks for."""
    match name, arguments:
        case "bash", {"command": str(command)}:
            return _command(command)
        case "bash", {"restart": True}:
            return Asked("", "(restart)")
        case "read", {"file_path": str(path), "view_range": [int(first), int(last)]}:
            return Asked(path, f"lines {first} to {last if last >= 0 else 'the end'}", is_path=True)
        case "write", {"file_path": str(path), "content": str(content)}:
            return Asked(path, many(_line_count(content), "line"), is_path=True)
        case "edit", {"file_path": str(path), "replace_all": True}:
            return Asked(path, "wherever it stands", is_path=True)
        case (("read" | "edit"), {"file_path": str(path)}):
            return Asked(path, is_path=True)
        case (("glob" | "grep"), {"pattern": str(pattern), "path": str(path)}):
            return Asked(pattern, f"in {path}")
        case _:
            return _other(arguments)


def change(name: str, arguments: JsonObject) -> Change | None:
    """Return what an edit replaces by what; None for other calls."""
    match name, arguments:
        case "edit", {"old_string": str(old), "new_string": str(new)}:
            return Change(old, new)
        case _:
            return None


def whole_input(name: str, arguments: JsonObject) -> str:
    """Return all that a call asks for; empty where the change it makes, or its path or pattern, says it already."""
    telling, remark, _ = asked(name, arguments)
    match name, arguments:
        case "bash", {"command": str(command)} if set(arguments) == {"command"}:
            return command.strip("\n")
        case "write", {"file_path": str(), "content": str(content)}:
            return content
    said = {telling, remark.removeprefix("in ")}
    if (
        change(name, arguments)
        or not telling
        or all(isinstance(each, str) and each in said for each in arguments.values())
    ):
        return ""
    return "\n".join(f"{key}: {_value(value)}" for key, value in arguments.items())


def outcome(facts: JsonObject) -> list[str]:
    """Say how a call went: what went wrong first, then how long it took."""
    found = []
    if facts.get("timed_out"):
        found.append("timed out")
    elif isinstance(code := facts.get("exit_code"), int) and code:
        found.append(f"exit {code}")
    if facts.get("spilled_to") and isinstance(written := facts.get("output_bytes"), int):
        found.append(f"{size(written)} of output")
    if isinstance(seconds := facts.get("duration_seconds"), int | float):
        found.append(duration(seconds))
    return found


def went(facts: JsonObject, *, is_error: bool) -> list[str]:
    """Say how a call went, as ``outcome`` does, and of one that failed for no other reason that it is an error."""
    is_told = failed(facts, is_error=False)
    return [*(["error"] if is_error and not is_told else []), *outcome(facts)]


def failed(facts: JsonObject, *, is_error: bool) -> bool:
    """Say whether a call did not do what it was asked to."""
    return is_error or bool(facts.get("timed_out")) or facts.get("exit_code") not in (None, 0)


def _command(command: str) -> Asked:
    first, *others = command.strip().split("\n")
    return Asked(first.strip(), f"+{many(len(others), 'line')}" if others else "")


def _other(arguments: JsonObject) -> Asked:
    for key in _TELLING:
        if isinstance(value := arguments.get(key), str) and value:
            return Asked(value.split("\n", 1)[0], is_path=key.endswith("path"))
    return Asked(json.dumps(arguments, ensure_ascii=False) if arguments else "")


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _line_count(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n") and bool(text))
