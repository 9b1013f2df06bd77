"""May this call be made? The rules of ``local.permissions``, and below them the policy of the toolset.

Deny goes before ask, ask before allow, and a rule before the tool's policy. A call whose arguments
a deny rule fits is never allowed, whatever else is written.

Rules look at what a call says, not at what it does: a shell command can be written in endlessly many
ways, and a path can lead through a link. So nothing but a whole command can be allowed, and a pattern
that denies is a convenience. What an agent must not reach must not be in its sandbox.
"""

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Literal, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.patience import TooSlowError, patience

Permission: TypeAlias = Literal["allow", "ask", "deny"]

_ORDER: tuple[Permission, ...] = ("deny", "ask", "allow")
_PATHS = frozenset({"file_path", "path"})
_SEARCHES = frozenset({"glob", "grep"})

_Fits: TypeAlias = Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to be asked. ``place`` is where it stands in ``local.permissions``: ``deny[0]``."""

    place: str
    permission: Permission
    tool: str
    arguments: Mapping[str, _Fits]

    def fits(self, name: str, arguments: JsonObject) -> bool:
        """Say whether the rule is about such a call: its tool, and every argument that the rule names."""
        return fnmatchcase(name, self.tool) and all(
            fit(_argument(name, key, arguments)) for key, fit in self.arguments.items()
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one agent in one sandbox, in the order in which they are asked."""

    ordered: tuple[Rule, ...] = ()

    @classmethod
    def from_json(cls, body: Mapping[str, Any], workspace: str) -> "Rules":
        """Read ``local.permissions`` of an agent's snapshot; ``workspace`` is its absolute path in the sandbox."""
        return cls(
            tuple(
                _rule(f"{permission}[{number}]", permission, rule, workspace)
                for permission in _ORDER
                for number, rule in enumerate(body.get(permission) or ())
            )
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a call, and the place of the rule that decided; None where the tool's policy did."""

    permission: Permission
    rule: str | None = None


def decide(rules: Rules, base_policy: str, name: str, arguments: JsonObject) -> Decision:
    """Decide on a call whose arguments are valid.

    ``base_policy`` is what the toolset says of the tool: ``always_allow`` lets it run, everything
    else asks. Nobody here could judge what ``auto`` leaves to a judge.
    """
    for rule in rules.ordered:
        if rule.fits(name, arguments):
            return Decision(rule.permission, rule.place)
    return Decision("allow" if base_policy == "always_allow" else "ask")


def _rule(place: str, permission: Permission, body: Mapping[str, Any], workspace: str) -> Rule:
    return Rule(
        place,
        permission,
        body["tool"],
        {
            key: _path_fits(value, workspace) if key in _PATHS else _text_fits(value)
            for key, value in (body.get("input") or {}).items()
        },
    )


def _argument(name: str, key: str, arguments: JsonObject) -> object:
    value = arguments.get(key)
    return "" if value is None and key == "path" and name in _SEARCHES else value  # the workspace, then


# --- texts ---


def _text_fits(body: Mapping[str, str]) -> _Fits:
    if (whole := body.get("text")) is not None:
        return lambda value: value == whole
    return partial(_is_found, re.compile(body["matches"]))


def _is_found(expression: re.Pattern[str], value: object) -> bool:
    """Say whether an expression is found in what an agent wrote, perhaps so that looking for it never ends.

    Where it does not, it counts as found: expressions only deny and ask.
    """
    try:
        with patience(expression.pattern):
            return isinstance(value, str) and expression.search(value) is not None
    except TooSlowError:
        return True


# --- paths ---


def _path_fits(glob: str, workspace: str) -> _Fits:
    root = () if glob.startswith("/") else _plain_steps(workspace)
    wanted = _steps(glob)

    def fits(value: object) -> bool:
        if not isinstance(value, str):
            return False
        steps = _plain_steps(posixpath.join(workspace, value))
        return steps[: len(root)] == root and _leads_to(wanted, steps[len(root) :])

    return fits


def _plain_steps(path: str) -> tuple[str, ...]:
    """Write an absolute path in one way: no ``..``, no ``.``, no slash too many."""
    plain: list[str] = []
    for step in _steps(path):
        if step != "..":
            plain.append(step)
        elif plain:
            plain.pop()
    return tuple(plain)


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for step in path.split("/") if step not in ("", "."))


def _leads_to(glob: Sequence[str], steps: Sequence[str]) -> bool:
    """Follow a path through a glob, at all its places at once: the model chooses the path, and none takes long."""
    places = _with_stars_left_out(glob, {0})
    for step in steps:
        followed = {place + (glob[place] != "**") for place in places if _step_fits(glob, place, step)}
        places = _with_stars_left_out(glob, followed)
    return len(glob) in places


def _with_stars_left_out(glob: Sequence[str], places: set[int]) -> set[int]:
    """Add the places behind every ``**`` that is reached: it may stand for no folder at all."""
    for place, step in enumerate(glob):
        if step == "**" and place in places:
            places.add(place + 1)
    return places


def _step_fits(glob: Sequence[str], place: int, step: str) -> bool:
    return place < len(glob) and fnmatchcase(step, glob[place].replace("[", "[[]"))
