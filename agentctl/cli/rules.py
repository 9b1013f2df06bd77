"""A person's own rules for what is noise in an observation, in a YAML file.

::

    - name: build number
      pattern: 'build #\\d+'
      replace: 'build #N'        # empty where it is left out
      tools: [bash]              # every tool where it is left out
"""

import re
from pathlib import Path

from agentctl.compare.rules import Rule, own_rule
from agentctl.definitions.document import Document, Node, Step
from agentctl.definitions.reading import read_yaml

_KEYS = ("name", "pattern", "replace", "tools")
_MOST_RULES = 1_000


def read_rules(path: Path) -> list[Rule]:
    """Read a file of rules, in their order. Raises DefinitionError with the place of what is wrong."""
    document = read_yaml(path)
    entries = document.root.content
    if not isinstance(entries, list):
        raise document.problem((), "must be a list of rules: - {name: …, pattern: …, replace: …}")
    if len(entries) > _MOST_RULES:
        raise document.problem((_MOST_RULES,), f"is one rule more than the {_MOST_RULES:,} that are allowed")
    return [_rule(document, (number,), entry) for number, entry in enumerate(entries)]


def _rule(document: Document, at: tuple[Step, ...], entry: Node) -> Rule:
    if not isinstance(entry.content, dict):
        raise document.problem(at, "must be a rule: {name: …, pattern: …, replace: …}")
    for key in entry.content:
        if key not in _KEYS:
            what = f"there is no such key; the keys of a rule are {', '.join(_KEYS)}"
            raise document.problem((*at, key), what, on_key=True)
    name, pattern = (_text(document, at, entry, key) for key in ("name", "pattern"))
    replace = _text(document, at, entry, "replace") if entry.child("replace") is not None else ""
    tools = frozenset(_tools(document, (*at, "tools"), entry.child("tools")))
    return _compiled(document, at, name, pattern, replace, tools)


def _compiled(
    document: Document, at: tuple[Step, ...], name: str, pattern: str, replace: str, tools: frozenset[str]
) -> Rule:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise document.problem((*at, "pattern"), f"is no regular expression: {error}") from None
    try:
        return own_rule(name, pattern, replace, tools)
    except re.error as error:
        raise document.problem((*at, "replace"), f"does not fit the pattern: {error}") from None


def _text(document: Document, at: tuple[Step, ...], entry: Node, key: str) -> str:
    node = entry.child(key)
    if node is None:
        raise document.problem((*at, key), "is missing")
    if not isinstance(node.content, str) or (key == "name" and not node.content.strip()):
        raise document.problem((*at, key), "must be text")
    return node.content


def _tools(document: Document, at: tuple[Step, ...], node: Node | None) -> list[str]:
    if node is None:
        return []
    if not isinstance(node.content, list) or not all(isinstance(each.content, str) for each in node.content):
        raise document.problem(at, "must be a list of names of tools")
    return [each.content for each in node.content]
