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
from typing import Any, Literal, TypeAlias

from agentctl.canonical import JsonObject, hash_of

Permission: TypeAlias = Literal["allow", "ask", "deny"]

_ORDER: tuple[Permission, ...] = ("deny", "ask", "allow")
_PATHS = frozenset({"file_path", "path"})

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
        return fnmatchcase(name, self.tool) and all(fit(arguments.get(key)) for key, fit in self.arguments.items())


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


def fingerprint(session_id: str, event_id: str, name: str, arguments: JsonObject) -> str:
    """Name exactly this call, as ``sha256:…``: what an approval is bound to.

    ``event_id`` is the id of the event in which the model made the call. Raises ValueError for
    arguments that are not JSON.
    """
    return hash_of({"session_id": session_id, "event_id": event_id, "name": name, "input": arguments})


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


# --- texts ---


def _text_fits(body: Mapping[str, str]) -> _Fits:
    if (whole := body.get("text")) is not None:
        return lambda value: value == whole
    expression = re.compile(body["matches"])
    return lambda value: isinstance(value, str) and expression.search(value) is not None


# --- paths ---


def _path_fits(glob: str, workspace: str) -> _Fits:
    expression = _expression(_steps(posixpath.join(workspace, glob)))
    # A call that names no path means the workspace.
    return lambda value: (
        isinstance(value, str | None) and expression.fullmatch(_plain_path(value or "", workspace)) is not None
    )


def _plain_path(path: str, workspace: str) -> str:
    """Write a path of a call in one way: absolute, no ``..``, no ``.``, no slash too many."""
    steps: list[str] = []
    for step in _steps(posixpath.join(workspace, path)):
        if step != "..":
            steps.append(step)
        elif steps:
            steps.pop()
    return "".join(f"/{step}" for step in steps)


def _steps(path: str) -> Sequence[str]:
    return [step for step in path.split("/") if step not in ("", ".")]


def _expression(steps: Sequence[str]) -> re.Pattern[str]:
    """Turn the steps of a glob into an expression for plain paths; ``a/**`` is also ``a`` itself."""
    return re.compile("".join("(?:/[^/]+)*" if step == "**" else "/" + _step(step) for step in steps), re.DOTALL)


def _step(glob: str) -> str:
    signs = {"*": "[^/]*", "?": "[^/]"}
    return "".join(signs.get(sign) or re.escape(sign) for sign in glob)
