"""The packages of a session's image, as its record has them: a content, named by ``local.sandbox_started``.

The content is canonical JSON: the versions by manager (``pip``, ``npm``, ``Debian``, …) and name. The event has its
name and how many packages there are, ``{"sha256", "count"}``, or why they are not known, ``{"unknown"}``. It
says nothing of what was installed in the sandbox afterwards, and nothing where there is no image.
"""

import json
from collections.abc import Iterable
from typing import TypeAlias

from agentctl.canonical import JsonObject, canonical_json
from agentctl.errors import StoreError
from agentctl.session.files import Contents

Packages: TypeAlias = dict[str, dict[str, str]]
"""Versions, by manager and name."""

_PARTS = 3
_MOST_BYTES = 8 << 20


def packages_of_items(items: Iterable[object]) -> Packages:
    """Read what ``sandbox.inside.packages`` prints, item by item. Raises ValueError for what it does not print."""
    found: Packages = {}
    for item in items:
        parts = item.split("\t") if isinstance(item, str) else []
        if len(parts) != _PARTS or not all(parts[:2]):
            raise ValueError("a list of packages that is none")
        found.setdefault(parts[0], {})[parts[1]] = parts[2]
    return found


def packages_as_bytes(packages: Packages) -> bytes:
    """Write packages as their content."""
    return canonical_json(packages).encode("utf-8")


def read_packages(data: bytes) -> Packages | None:
    """Read their content; None for what is none."""
    try:
        body = json.loads(data)
        return {
            str(manager): {str(name): str(version) for name, version in found.items()}
            for manager, found in body.items()
        }
    except (ValueError, AttributeError, RecursionError):
        return None


def packages_digest(facts: JsonObject) -> object:
    """Return what ``local.sandbox_started`` names as the content; None where it names none."""
    told = facts.get("packages")
    return told.get("sha256") if isinstance(told, dict) else None


def packages_unknown(facts: JsonObject) -> str | None:
    """Return why ``local.sandbox_started`` says that they are not known; None where it does not say that."""
    told = facts.get("packages")
    reason = told.get("unknown") if isinstance(told, dict) else None
    return None if reason is None else str(reason)


def packages_of_facts(facts: JsonObject, contents: Contents | None) -> Packages | None:
    """Return the packages that the facts of ``local.sandbox_started`` tell of; None where they are not known."""
    digest = packages_digest(facts)
    if contents is None or not isinstance(digest, str):
        return None
    read = b""
    try:
        for piece in contents.open(digest):
            read += piece
            if len(read) > _MOST_BYTES:
                return None
    except StoreError:
        return None
    return read_packages(read)
