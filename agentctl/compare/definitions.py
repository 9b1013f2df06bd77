"""Two definitions compared member by member, in which a list is not another one from where something was put into it.

Items with a name stand for each other by their names, all others by their order once what is the same is found.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from agentctl.compare.arguments import ABSENT, differing_leaves


@dataclass(frozen=True, slots=True)
class Apart:
    """A member that differs: its names on the way to it, and on each side a JSON Pointer and the value.

    A side that has no such member has ``ABSENT``.
    """

    names: tuple[str, ...]
    pointer_a: str
    pointer_b: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class _Way:
    """The way to a member, on both sides."""

    names: tuple[str, ...]
    a: str
    b: str

    def to(self, name: str, a: str, b: str) -> "_Way":
        return _Way((*self.names, name), f"{self.a}/{_escaped(a)}", f"{self.b}/{_escaped(b)}")


def members_apart(one: Any, other: Any, pointer: str) -> Iterator[Apart]:
    """Yield where two definitions differ: the smallest members of them that do."""
    return _apart(one, other, _Way((), pointer, pointer))


def _apart(one: Any, other: Any, way: _Way) -> Iterator[Apart]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            yield from _apart(one.get(name, ABSENT), other.get(name, ABSENT), way.to(name, name, name))
    elif isinstance(one, list) and isinstance(other, list):
        for left, right in _pairs(one, other):
            a = ABSENT if left is None else one[left]
            b = ABSENT if right is None else other[right]
            name = _name(b if left is None else a) or str(right if left is None else left)
            yield from _apart(a, b, way.to(name, str(left), str(right)))
    elif any(True for _ in differing_leaves(one, other)):
        yield Apart(way.names, way.a, way.b, one, other)


def _pairs(one: Sequence[Any], other: Sequence[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Yield the places of two lists whose items stand for each other, None where one has nothing."""
    mine, theirs = ([_key(item) for item in items] for items in (one, other))
    for tag, start, end, first, last in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        places = zip_longest(range(start, end), range(first, last))
        if tag == "replace" and any(_name(item) for item in (*one[start:end], *other[first:last])):
            yield from ((place, None) for place in range(start, end))
            yield from ((None, place) for place in range(first, last))
        else:
            yield from places


def _key(item: Any) -> str:
    if isinstance(item, dict):
        return f"named {_name(item) or item.get('type')}"
    return repr(item) if not isinstance(item, list) else "a list"


def _name(item: Any) -> str:
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) else ""


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
