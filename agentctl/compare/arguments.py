"""The arguments of calls, compared by what they ask for and not by how they are written.

Objects are compared by value: the order of keys, members that are null, and ``1`` against ``1.0`` are no
difference. Paths are relative to the workspace. Temporary paths and ids, which another run has under
other names, are taken out. A command of the shell is compared by its words, so that spaces and needless
quotes are no difference; what the quotes keep from the shell is one.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal, TypeAlias

from agentctl.canonical import canonical_json
from agentctl.compare.calls import Call
from agentctl.compare.normalise import names_taken_out
from agentctl.compare.places import relative, relative_within

_PATHS = ("file_path", "path", "notebook_path", "cwd", "directory")
_COMMANDS = ("command", "cmd", "script")
_WORD = re.compile(r"""(?:[^\s'"\\|&;()<>]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+|[|&;()<>]+|['"\\]""")
_SAFE_QUOTED = re.compile(r"""(?:'([\w./:=@%+,-]+)'|"([\w./:=@%+,-]+)")\Z""", re.ASCII)
_PIECES = re.compile(r"\s+|\w[\w.+:-]*\w|\w|[^\w\s]")
_NAMES = re.compile(r"\w+")
_MOST_PIECES = 1_000
_MOST_COUNTED = 20_000
_ALIKE = 0.5

Operation: TypeAlias = Literal["same", "out", "in"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A member of the arguments that differs: where it is (a JSON Pointer), and what it is on both sides.

    A side that has no such member has ``ABSENT``.
    """

    pointer: str
    a: Any
    b: Any


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()
"""What stands for a member that is not there; null is a value."""


def key_of(call: Call) -> str:
    """Return what two calls of a tool have in common where they ask for the same."""
    return canonical_json(_clean(call.input, "", is_shell=_is_shell(call.name)))


def leaves(one: Call, other: Call) -> list[Leaf]:
    """Return the members in which the arguments of two calls differ, as they were written."""
    return [
        leaf
        for leaf in differing_leaves(one.input, other.input)
        if _written(leaf.a, leaf.pointer, one) != _written(leaf.b, leaf.pointer, other)
    ]


def differing_leaves(one: Any, other: Any, pointer: str = "") -> Iterator[Leaf]:
    """Yield where two JSON values differ: the smallest parts of them that do. Null and absent are one."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            inner = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from differing_leaves(one.get(name, ABSENT), other.get(name, ABSENT), inner)
    elif isinstance(one, list) and isinstance(other, list):
        for place in range(max(len(one), len(other))):
            left = one[place] if place < len(one) else ABSENT
            right = other[place] if place < len(other) else ABSENT
            yield from differing_leaves(left, right, f"{pointer}/{place}")
    elif _is_nothing(one) and _is_nothing(other):
        return
    elif one != other or isinstance(one, bool) != isinstance(other, bool):
        yield Leaf(pointer, one, other)


def words(command: str) -> list[str]:
    """Split a command of the shell into words and operators, without the quotes that change nothing.

    A command of several lines may hold other languages, in which spaces count: its lines are its words.
    """
    if "\n" in command.strip():
        return [line.rstrip() for line in command.strip().split("\n")]
    return [_unquoted(word) for word in _WORD.findall(command)]


class Bags:
    """Says how much calls ask for the same; the words of each are counted once."""

    def __init__(self) -> None:
        self._bags: dict[str, Counter[str]] = {}

    def likeness(self, one: Call, other: Call) -> float:
        """Return a share from 0 to 1; calls of two tools have nothing in common."""
        if one.name != other.name:
            return 0.0
        if _path_of(one) is not None and _path_of(one) == _path_of(other):
            return 1.0
        mine, others = self._bag(one), self._bag(other)
        total = mine.total() + others.total()
        share = 2 * (mine & others).total() / total if total else 1.0
        same_program = _program(one) is not None and _program(one) == _program(other)
        return max(share, _ALIKE) if same_program else share

    def _bag(self, call: Call) -> Counter[str]:
        if call.id not in self._bags:
            texts = (text[:_MOST_COUNTED] for text in texts_in(call.input))
            self._bags[call.id] = Counter(word for text in texts for word in _NAMES.findall(text))
        return self._bags[call.id]


def is_alike(share: float) -> bool:
    """Say whether calls that are alike to this degree are one call with other arguments."""
    return share >= _ALIKE


def pieces(one: str, other: str) -> list[tuple[Operation, str]]:
    """Return how one text becomes the other, word by word."""
    mine, others = _PIECES.findall(one), _PIECES.findall(other)
    if max(len(mine), len(others)) > _MOST_PIECES:
        return [("out", one), ("in", other)]
    found: list[tuple[Operation, str]] = []
    for tag, start, end, first, last in SequenceMatcher(None, mine, others, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(("same", "".join(mine[start:end])))
            continue
        found += [("out", "".join(mine[start:end]))] if end > start else []
        found += [("in", "".join(others[first:last]))] if last > first else []
    return found


def _written(value: Any, pointer: str, call: Call) -> str:
    """Write a member of the arguments, clean: as text, in which true and 1 are two things."""
    return canonical_json(_clean(value, pointer, is_shell=_is_shell(call.name)))


def _clean(value: Any, pointer: str, *, is_shell: bool) -> Any:
    match value:
        case dict():
            members = ((name, _clean(item, f"{pointer}/{name}", is_shell=is_shell)) for name, item in value.items())
            return {name: item for name, item in members if item is not None}
        case list():
            return [_clean(item, pointer, is_shell=is_shell) for item in value]
        case str():
            return _clean_text(value, pointer.rpartition("/")[2], is_shell=is_shell)
        case float() if value.is_integer():
            return int(value)
        case _:
            return None if value is ABSENT else value


def _clean_text(text: str, name: str, *, is_shell: bool) -> Any:
    text = names_taken_out(text)
    if name in _PATHS:
        return relative(text)
    if is_shell and name in _COMMANDS:
        return [relative_within(word).removeprefix("./") or "." for word in words(text)]
    return relative_within(text)


def _is_shell(tool: str) -> bool:
    return tool.lower() in ("bash", "shell", "exec", "exec_command", "local_shell")


def _unquoted(word: str) -> str:
    match = _SAFE_QUOTED.match(word)
    return word if match is None else match[1] or match[2]


def _is_nothing(value: Any) -> bool:
    return value is None or value is ABSENT


def _path_of(call: Call) -> str | None:
    path = next((call.input[name] for name in _PATHS if isinstance(call.input.get(name), str)), None)
    return None if path is None else relative(path)


def _program(call: Call) -> str | None:
    if not _is_shell(call.name):
        return None
    command = next((call.input[name] for name in _COMMANDS if isinstance(call.input.get(name), str)), "")
    first = _WORD.search(command)
    return None if first is None or first[0] in ("cd", "echo", "cat", "ls") else first[0]


def texts_in(value: Any) -> Iterator[str]:
    """Yield every scalar of a JSON value as text."""
    match value:
        case dict():
            for item in value.values():
                yield from texts_in(item)
        case list():
            for item in value:
                yield from texts_in(item)
        case None:
            return
        case _:
            yield str(value)
