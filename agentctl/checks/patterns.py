"""Patterns with ``*`` and ``**``, for names, paths and hosts."""

import re
from functools import lru_cache

from agentctl.patience import patience
from agentctl.session.effects import WORKSPACE


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(map(_part, re.split(r"(\*\*/|\*+)", pattern))), re.DOTALL)


def _part(part: str) -> str:
    if part == "**/":
        return "(?:.*/)?"
    if part.strip("*") or not part:
        return re.escape(part)
    return "[^/]*" if part == "*" else ".*"


def fits(pattern: str, text: str) -> bool:
    """Say whether a text is what a pattern says; ``*`` stands for anything.

    Each part between two stars is taken where it comes first, so a long text that does not fit takes no longer.
    """
    first, *parts = re.split(r"\*+", pattern)
    if not parts:
        return pattern == text
    *middle, last = parts
    place, end = len(first), len(text) - len(last)
    if place > end or not (text.startswith(first) and text.endswith(last)):
        return False
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def fits_path(pattern: str, path: str) -> bool:
    """Say whether a pattern means a path: ``*`` stays in one folder, ``**`` does not.

    A pattern without a leading ``/`` is below the workspace. Raises TooSlowError.
    """
    whole = pattern if pattern.startswith("/") else f"{WORKSPACE}/{pattern}"
    with patience(pattern):
        return _compiled(whole).fullmatch(path) is not None


def fits_host(pattern: str, host: str) -> bool:
    """Say whether a pattern means a host: ``*.x`` stands for every name below ``x``, ``*`` for every host."""
    pattern, host = pattern.lower().removesuffix("."), host.lower().removesuffix(".")
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) >= len(pattern)
    return pattern in ("*", host)
