"""Patterns with ``*`` and ``**``, for names, paths and hosts."""

import re
from functools import lru_cache

from agentctl.session.effects import WORKSPACE


@lru_cache(maxsize=1024)
def _compiled(pattern: str, *, is_path: bool) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*+)", pattern)
    return re.compile("".join(_part(part, is_path=is_path) for part in parts), re.DOTALL)


def _part(part: str, *, is_path: bool) -> str:
    if part == "**/":
        return "(?:.*/)?" if is_path else ".*/"
    if part.strip("*") or not part:
        return re.escape(part)
    return "[^/]*" if is_path and part == "*" else ".*"


def fits(pattern: str, text: str) -> bool:
    """Say whether a text is what a pattern says; ``*`` stands for anything."""
    return _compiled(pattern, is_path=False).fullmatch(text) is not None


def fits_path(pattern: str, path: str) -> bool:
    """Say whether a pattern means a path: ``*`` stays in one folder, ``**`` does not.

    A pattern without a leading ``/`` is below the workspace.
    """
    whole = pattern if pattern.startswith("/") else f"{WORKSPACE}/{pattern}"
    return _compiled(whole, is_path=True).fullmatch(path) is not None


def fits_host(pattern: str, host: str) -> bool:
    """Say whether a pattern means a host: ``*.x`` stands for every name below ``x``, ``*`` for every host."""
    pattern, host = pattern.lower().removesuffix("."), host.lower().removesuffix(".")
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) >= len(pattern)
    return pattern in ("*", host)
