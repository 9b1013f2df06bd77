"""Files that are the same under another name: one difference and not two."""

from collections import deque
from collections.abc import Iterable

from agentctl.compare.difference import Difference, Place


def with_moves(found: Iterable[Difference], prefix: str = "") -> list[Difference]:
    """Join files of which each side alone has one, with the same contents, in the order of their names.

    ``prefix`` is what the names of the differences begin with before the path. Empty files are the same by chance.
    """
    differences = list(found)
    waiting: dict[object, deque[Difference]] = {}
    for each in differences:
        if each.kind == "only_b" and (contents := _contents(each.b)) is not None:
            waiting.setdefault(contents, deque()).append(each)
    joined: dict[int, Difference] = {}
    gone: set[int] = set()
    for each in differences:
        if each.kind == "only_a" and waiting.get(_contents(each.a)):
            other = waiting[_contents(each.a)].popleft()
            what = f"{prefix}moved {each.what.removeprefix(prefix)} -> {other.what.removeprefix(prefix)}"
            joined[id(each)] = Difference(each.layer, "changed", what, each.a, other.b)
            gone.add(id(other))
    return [joined.get(id(each), each) for each in differences if id(each) not in gone]


def is_move(difference: Difference) -> bool:
    """Say whether a difference is that of a file with the same contents under another name."""
    paths = [
        place.value.get("path") for place in (difference.a, difference.b) if place and isinstance(place.value, dict)
    ]
    return (
        len(set(paths)) > 1
        and _contents(difference.a) is not None
        and _contents(difference.a) == _contents(difference.b)
    )


def _contents(place: Place | None) -> object:
    """Return what names the contents of a file; None for what is none, or empty."""
    if place is None or not isinstance(place.value, dict) or not place.value.get("size"):
        return None
    return place.value.get("sha256")
