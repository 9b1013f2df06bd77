"""A person's own rules for what is noise in an observation, in a YAML file.

::

    - name: build number
      pattern: 'build #\\d+'
      replace: 'build #N'        # empty where it is left out
      tools: [bash]              # every tool where it is left out
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from agentctl.canonical import JsonObject
from agentctl.compare.rules import Rule, own_rule
from agentctl.definitions.document import Document, Node, Step, together
from agentctl.definitions.reading import read_yaml
from agentctl.errors import DefinitionError
from agentctl.spelling import did_you_mean

RulesOption: TypeAlias = Annotated[
    Path | None, typer.Option("--rules", metavar="FILE", help="Your own rules for what is noise (YAML).")
]

KEYS = ("name", "pattern", "replace", "tools")
_MOST_RULES = 1_000


def read_rules(path: Path) -> list[Rule]:
    """Read a file of rules, in their order.

    Raises DefinitionError with the place of each unknown key and of the first other problem of each rule, and
    NotFoundError.
    """
    document = read_yaml(path)
    entries = document.root.content
    if not isinstance(entries, list):
        raise document.problem((), "must be a list of rules: - {name: …, pattern: …, replace: …}")
    if len(entries) > _MOST_RULES:
        raise document.problem((_MOST_RULES,), f"is one rule more than the {_MOST_RULES:,} that are allowed")
    rules, problems = list[Rule](), list[DefinitionError]()
    for number, entry in enumerate(entries):
        problems += _unknown_keys(document, number, entry)
        try:
            rules.append(_rule(document, (number,), entry))
        except DefinitionError as error:
            problems.append(error)
    if problems:
        raise together(problems)
    return rules


def rules_schema() -> JsonObject:
    """Return the JSON Schema (2020-12) of a file of rules."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:agentctl:schema:rules:1",
        "title": "agentctl rules of diff",
        "description": "A person's own rules for what is noise in an observation; the first comes first.",
        "type": "array",
        "maxItems": _MOST_RULES,
        "items": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": r"\S", "description": "What it is called where it was needed"},
                "pattern": {
                    "type": "string",
                    "description": "A regular expression; ^ and $ are ends of lines",
                },
                "replace": {
                    "type": "string",
                    "default": "",
                    "description": r"What is put there; \1 is a group",
                },
                "tools": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Only results of these; of every tool where it is left out",
                },
            },
            "required": ["name", "pattern"],
            "additionalProperties": False,
        },
    }


def _unknown_keys(document: Document, number: int, entry: Node) -> Iterator[DefinitionError]:
    for key in entry.content if isinstance(entry.content, dict) else ():
        if key not in KEYS:
            what = f"is not a known key{did_you_mean(key, KEYS)}"
            hint = f"The keys here are: {', '.join(KEYS)}."
            yield document.problem((number, key), what, on_key=True, hint=hint)


def _rule(document: Document, at: tuple[Step, ...], entry: Node) -> Rule:
    if not isinstance(entry.content, dict):
        raise document.problem(at, "must be a rule: {name: …, pattern: …, replace: …}")
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
