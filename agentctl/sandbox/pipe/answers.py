"""What a sandbox answers, checked before anybody believes it: nothing of it is trusted."""

from typing import Any

from agentctl.canonical import JsonObject
from agentctl.errors import SandboxError
from agentctl.sandbox.base import OutputFile, ToolOutcome
from agentctl.sandbox.inside.frames import VERSION, FrameError
from agentctl.visible import visible_line

_MOST_PATH = 4_096


def outcome_of(value: Any) -> ToolOutcome:
    """Read what a call came to. Raises FrameError for what is no outcome."""
    match value:
        case {"content": [*content], "is_error": bool() as is_error, "facts": dict() as facts}:
            if all(map(_is_block, content)):
                plain = {str(key): fact for key, fact in facts.items() if isinstance(fact, str | int | float)}
                return ToolOutcome(tuple(content), is_error, plain)
    raise FrameError("an outcome that is none")


def _is_block(block: Any) -> bool:
    match block:
        case {"type": "text", "text": str(), **rest}:
            return not rest
        case {"type": "image" | "document", "source": source, **rest}:
            return not rest and _is_source(source)
    return False


def _is_source(source: Any) -> bool:
    match source:
        case {"type": "base64", "media_type": str(), "data": str(), **rest}:
            return not rest
    return False


def output_file_of(value: Any) -> OutputFile | None:
    """Read one file of the outputs folder; None for one with a name that leads elsewhere, or none."""
    match value:
        case [str() as path, int() as size, int() as mode, *more] if size >= 0:
            parts = path.split("/")
            if 0 < len(path) <= _MOST_PATH and "\0" not in path and not {"", ".", ".."} & set(parts):
                return OutputFile(path, size, mode & 0o777, str(more[0]) if more and more[0] else None)
    return None


def whole_number(value: Any) -> int:
    """Read a size. Raises SandboxError for what is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SandboxError("the sandbox sent what it must not: a size that is none")
    return value


def call_id_of(value: object) -> str:
    """Read the id of a call; for what is none, the empty one, which no call has."""
    return value if isinstance(value, str) else ""


def number_of(value: object) -> int:
    """Read the number of a request; for what is none, -1, which no request has."""
    return value if isinstance(value, int) else -1


def not_understood(message: JsonObject) -> str:
    """Say that the far end does not know what we say: it is of another agentctl, or either has a fault."""
    versions = f"version {told(message.get('version'))}, and this agentctl speaks version {VERSION}"
    return f"the sandbox does not know the message {told(message.get('message'))}: it is of {versions}"


def told(value: object) -> str:
    """Show what a sandbox says of itself, on one line that is not too long."""
    return visible_line(str(value))[:500]


def no_constant(name: str) -> object:
    """Refuse what Python reads as JSON and no other language does. Raises FrameError."""
    raise FrameError(f"{name} in JSON")
