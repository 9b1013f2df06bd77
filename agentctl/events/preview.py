"""Half-written text: shown while it is typed, never stored."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Preview:
    """A piece of a message that is still being written.

    ``text`` continues the piece before it with the same ``index`` (the block's place in the
    message). For ``tool_input`` it is a piece of JSON and ``name`` is the tool's name.
    """

    kind: Literal["text", "thinking", "tool_input"]
    index: int
    text: str
    name: str | None = None
