"""A file's text, the value it holds, and the place of every part of that value.

A place is a line and a column, both from 1, in characters. Only ``\\n`` begins a new line, as
editors count them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentctl.errors import DefinitionError
from agentctl.visible import visible_line

Step: TypeAlias = str | int
"""The key of a mapping, or the number of an entry in a list."""

DEEPEST = 32
"""How many mappings and lists may lie inside each other, the outermost counted."""

MOST_VALUES = 100_000
"""How many scalars, mappings and lists a file may hold, keys counted: reading them takes time and memory."""

LARGEST_NUMBER = 2**63 - 1
"""Whole numbers beyond this, and below its negative, are refused: not every reader keeps them."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file: ``content`` is a scalar, a list of nodes or a dict of nodes.

    ``offset`` is where it begins in the text, ``key_offset`` where its key does, if it has one.
    ``written`` is a scalar as it stands in the file, where nothing quotes it.
    """

    content: Any
    offset: int
    key_offset: int | None = None
    written: str | None = None

    def plain(self) -> Any:
        """Return the value by itself: JSON's types, nested."""
        if isinstance(self.content, dict):
            return {key: member.plain() for key, member in self.content.items()}
        if isinstance(self.content, list):
            return [entry.plain() for entry in self.content]
        return self.content

    def child(self, step: Step) -> "Node | None":
        """Return the member or entry that ``step`` names, if there is one."""
        if isinstance(self.content, dict):
            return _node(self.content.get(step))
        if isinstance(self.content, list) and isinstance(step, int) and 0 <= step < len(self.content):
            return _node(self.content[step])
        return None


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file and the file's name, as the person gave it."""

    path: str
    text: str

    def line(self, offset: int) -> int:
        """Return the number of the line that holds ``offset``."""
        return self.text.count("\n", 0, offset) + 1

    def problem(self, offset: int, what: str, *, hint: str | None = None) -> DefinitionError:
        """Make the error that says ``what`` is wrong at ``offset``."""
        column = offset - self.text.rfind("\n", 0, offset)
        return DefinitionError(what, path=self.path, line=self.line(offset), column=column, hint=hint)


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: where it came from and what it holds."""

    source: Source
    root: Node

    @property
    def value(self) -> Any:
        """The whole value: JSON's types, nested; a new copy each time."""
        return self.root.plain()

    def find(self, at: tuple[Step, ...]) -> Node | None:
        """Return the part of the file at the path ``at``, if there is one."""
        node: Node | None = self.root
        for step in at:
            node = node.child(step) if node is not None else None
        return node

    def problem(
        self, at: tuple[Step, ...], what: str, *, on_key: bool = False, hint: str | None = None
    ) -> DefinitionError:
        """Make the error that says ``what`` is wrong with the part at ``at``.

        It points to the value, or to its key, or to the nearest thing around it that is there.
        """
        message = f"{path_text(at)}: {what}" if at else what
        return self.source.problem(self._offset(at, on_key=on_key), message, hint=hint)

    def _offset(self, at: tuple[Step, ...], *, on_key: bool) -> int:
        node = self.find(at)
        if node is None:
            # What is missing is missing from something: point to where that begins.
            return self._offset(at[:-1], on_key=True)
        if on_key and node.key_offset is not None:
            return node.key_offset
        return node.offset


def together(problems: Iterable[DefinitionError]) -> DefinitionError:
    """Make one error of the problems of a file, at least one: the first by its place, which holds the others."""
    first, *others = sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))
    return DefinitionError(
        first.message,
        path=first.path,
        line=first.line,
        column=first.column,
        hint=first.hint,
        others=tuple(others),
    )


def path_text(at: tuple[Step, ...]) -> str:
    """Write a path as people do: ``tools[0].configs[1].name``; odd keys in quotes."""
    text = ""
    for step in at:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}"
        else:
            text += f"[{quoted(step)}]"
    return text.removeprefix(".")


def quoted(text: str, longest: int = 60) -> str:
    """Write any text on one line and in quotes, cut to ``longest`` characters."""
    return f'"{visible_line(text if len(text) <= longest else text[: longest - 3] + "...")}"'


def _node(found: Any) -> Node | None:
    return found if isinstance(found, Node) else None
