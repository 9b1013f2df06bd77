"""What a difference is about, in words: its name, its two values, and the call that it is in."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from agentctl.canonical import canonical_json
from agentctl.compare.difference import Difference, Place, Step
from agentctl.compare.header import PACKAGE
from agentctl.compare.moves import is_move
from agentctl.render.calls import asked
from agentctl.render.numbers import many, size

_HASH = "sha256:"
_HASH_CHARACTERS = 12
_MOST_VALUE = 400
_LONG = 60
_MARGIN = 24
"""How much is shown of what two long texts have in common, on each side of what they have not."""


def value_text(value: Any) -> str:
    """Write a value on one line, hashes and long text cut; what is known of a file is its size."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case str():
            text = value
        case {"manager": str(_), "version": str(version)}:
            text = version
        case {"sha256": str(_)}:
            text = size(value["size"]) if isinstance(value.get("size"), int) else ""
        case {"kind": "file", "cut": str(reason)}:
            text = f"not kept: {reason}"
        case {"kind": str(kind), "path": _}:
            text = kind
        case {"name": str(_)}:
            text = _named(value)
        case {"allowed": bool(_), "refused": bool(_)}:
            text = _verdicts(value)
        case [*items] if all(isinstance(item, str) for item in items):
            text = ", ".join(items)
        case _:
            text = canonical_json(value)
    return text[: len(_HASH) + _HASH_CHARACTERS] if text.startswith(_HASH) else text[:_MOST_VALUE]


def _named(value: dict[str, Any]) -> str:
    """Write an object with a name: ``write (permission_policy.type always_ask)``."""
    members = _told_members(value)
    return f"{value['name']} ({members})" if members else str(value["name"])


def _without_name(value: Any, what: str) -> str:
    """Write a value; of an object that the difference is named by, only what is in it."""
    is_named = isinstance(value, dict) and isinstance(value.get("name"), str) and what.endswith(f".{value['name']}")
    return _told_members(value)[:_MOST_VALUE] if is_named else value_text(value)


def _told_members(value: dict[str, Any]) -> str:
    name = value["name"]
    told = [f"{path} {text}" for path, text in _members(value) if path != "name" and (path, text) != ("type", name)]
    return ", ".join(told)


def _members(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _members(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", inner if isinstance(inner, str) else value_text(inner)


def _verdicts(value: dict[str, Any]) -> str:
    """Say what came of the connections to a host."""
    failures, reached = value.get("failures") or [], value.get("reached", True)
    words = ["allowed"] if value["allowed"] and reached else []
    words += ["failed at times" if reached else "failed"] if failures else []
    words += ["refused"] if value["refused"] else []
    why = [*failures, *(value.get("reasons") or [])]
    return " and ".join(words) + (f" ({'; '.join(map(str, why))})" if why else "")


def change_text(difference: Difference) -> str:
    """Say what a difference is: ``A -> B``, or which side alone has it."""
    one, other = (place.value if place is not None else None for place in (difference.a, difference.b))
    match difference.kind:
        case "only_a":
            return _with("only in A", _without_name(one, difference.what))
        case "only_b":
            return _with("only in B", _without_name(other, difference.what))
        case _ if is_move(difference):
            return "the same contents"
        case _ if isinstance(one, str) and isinstance(other, str) and one.splitlines() == other.splitlines():
            return "in how its lines end"
        case _ if (lines := lines_apart(difference)) is not None:
            return f"in {many(max(map(len, lines)), 'line')}"
        case _ if isinstance(one, str) and isinstance(other, str) and max(len(one), len(other)) > _LONG:
            return " -> ".join(map(value_text, _apart(one, other)))
        case _:
            return _files_text(one, other) or f"{value_text(one)} -> {value_text(other)}"


def lines_apart(difference: Difference) -> tuple[list[str], list[str]] | None:
    """Return the lines in which two texts differ that have several; None for whatever is not two such texts.

    The same lines in another order are all of them returned.
    """
    one, other = (place.value if place is not None else None for place in (difference.a, difference.b))
    if not isinstance(one, str) or not isinstance(other, str) or "\n" not in one.strip() + other.strip():
        return None
    mine, theirs = one.splitlines(), other.splitlines()
    if mine == theirs:
        return None
    left, right = Counter(mine), Counter(theirs)
    found = list((left - right).elements()), list((right - left).elements())
    return found if any(found) else (mine, theirs)


def _with(where: str, text: str) -> str:
    return f"{where}: {text}" if text else where


def _apart(one: str, other: str) -> tuple[str, str]:
    """Leave out what two long texts have in common, but for a little around what they have not."""
    shorter = min(len(one), len(other))
    start = next((place for place in range(shorter) if one[place] != other[place]), shorter)
    end = next((place for place in range(shorter - start) if one[-1 - place] != other[-1 - place]), shorter - start)
    before, behind = max(0, start - _MARGIN), max(0, end - _MARGIN)
    before = before if before > 1 else 0
    behind = behind if behind > 1 else 0

    def part(text: str) -> str:
        return ("…" if before else "") + text[before : len(text) - behind] + ("…" if behind else "")

    return part(one), part(other)


def _files_text(one: Any, other: Any) -> str:
    """Say how two files differ; empty for what are none. Their hashes tell nobody anything."""
    match one, other:
        case [{"mode": int(mine), "sha256": mine_is}, {"mode": int(theirs), "sha256": theirs_is}] if (
            mine != theirs and mine_is == theirs_is
        ):
            return f"mode {mine:o} -> {theirs:o}"
        case [{"sha256": _}, {"sha256": _}]:
            sizes = value_text(one), value_text(other)
            return "other contents" + (f", {sizes[0]} -> {sizes[1]}" if sizes[0] != sizes[1] else "")
        case [{"kind": _, "path": _}, {"kind": _, "path": _}] if value_text(one) == value_text(other):
            return f"{value_text(one)} (other contents)"
        case _:
            return ""


def is_package(difference: Difference) -> bool:
    """Say whether a difference is that of a package of the images."""
    return difference.what.startswith(f"{PACKAGE}: ")


def package_text(difference: Difference) -> str:
    """Say how a package moved: ``six 1.16.0 -> 1.17.0 (pip)``; none is where an image does not have it."""
    versions = [_version(place) for place in (difference.a, difference.b)]
    return f"{difference.what.removeprefix(f'{PACKAGE}: ')} {' -> '.join(versions)} ({_manager(difference)})"


def name_text(difference: Difference) -> str:
    """Name what a difference is about, where several are listed."""
    return f"{difference.what} ({_manager(difference)})" if is_package(difference) else difference.what


def _version(place: Place | None) -> str:
    return value_text(place.value if place is not None else None)


def _manager(difference: Difference) -> str:
    return next(str(place.value["manager"]) for place in (difference.a, difference.b) if place is not None)


def given_text(difference: Difference) -> str:
    """Say which argument of a call differs: ``bash is given another command``."""
    assert difference.step is not None
    tool = difference.step.call.name
    member = difference.what.removeprefix(tool).strip() or "argument"
    match difference.kind:
        case "only_a":
            return f"{tool} is given {member} in A only"
        case "only_b":
            return f"{tool} is given {member} in B only"
        case _:
            return f"{tool} is given another {member}"


def call_text(step: Step) -> str:
    """Name a call: the tool and its most telling argument."""
    call = step.call
    told = asked(call.name, call.input)
    return " ".join(filter(None, (call.name, told.text, told.remark)))
