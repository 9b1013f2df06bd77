"""Which files are checks and which rules of ``diff``: what they say counts, also where words are misspelt."""

from collections.abc import Iterable

from agentctl.checks.definition import Checks
from agentctl.cli.rules import KEYS
from agentctl.definitions.agent import Agent
from agentctl.definitions.document import Document
from agentctl.definitions.environment import Environment
from agentctl.spelling import did_you_mean

_DECISIVE = ("type", "name", "model", "config", "system", "tools")
"""Keys that a definition has and no file of checks."""

_SHARED = {"description"}


def looks_like_checks(document: Document) -> bool:
    """Say whether a file has more of a file of checks than of an agent or an environment."""
    members = document.root.content
    if not isinstance(members, dict) or not members.keys().isdisjoint(_DECISIVE):
        return False
    definitions = Agent.model_fields.keys() | Environment.model_fields.keys()
    return _likeness(members, Checks.model_fields.keys() - _SHARED) > _likeness(members, definitions - _SHARED)


def looks_like_rules(document: Document) -> bool:
    """Say whether a file is a list with something in it that is meant for a rule, or with nothing."""
    entries = document.root.content
    if not isinstance(entries, list):
        return False
    return not entries or any(isinstance(each.content, dict) and _likeness(each.content, KEYS) for each in entries)


def _likeness(keys: Iterable[str], known: Iterable[str]) -> int:
    words = list(known)
    return sum(key in words or bool(did_you_mean(key, words)) for key in keys)
