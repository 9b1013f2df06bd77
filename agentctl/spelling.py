"""What somebody perhaps meant by a word that is none."""

from collections.abc import Iterable
from difflib import get_close_matches

_LIKE = 0.65
_MOST_CHARACTERS = 100


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a line, ``; did you mean model?``; empty where no known word is like it."""
    near = get_close_matches(word[:_MOST_CHARACTERS].lower(), list(known), 1, _LIKE)
    return f"; did you mean {near[0]}?" if near else ""
