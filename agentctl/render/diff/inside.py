"""What differs inside of a difference: words of a command, lines of a text."""

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher

from agentctl.canonical import canonical_json
from agentctl.compare.arguments import pieces
from agentctl.compare.difference import Difference, Place
from agentctl.compare.normalise import normalised
from agentctl.render.lines import Line, Span, clip, fit, plain, shown, shown_lines
from agentctl.render.look import Look

_MARGIN = "  "
_MOST_LINES = 12
_CONTEXT = 1
_MOST_COMPARED = 400
_SPACE = re.compile(r"\s")
_MAY_BE_NOISE = re.compile(r"\d|[a-f]{7}|/tmp/")


def detail_lines(difference: Difference, look: Look, columns: int, most: int = _MOST_LINES) -> list[Line]:
    """Return the lines that show both values of a difference, as far as there is more to it than its name."""
    if difference.layer == "trajectory" and _is_said(difference, columns):
        return []
    a, b = _text(difference.a), _text(difference.b)
    if difference.kind == "changed" and a == b:
        return [plain(f"{_MARGIN}{shown(a, look)}: other contents", "dim")]
    if a and b and "\n" not in a + b and _have_much_in_common(a, b):
        return [_words(a, b, look, columns)]
    return text_lines(a, b, look, columns, most)


def text_lines(a: str, b: str, look: Look, columns: int, most: int | None = None) -> list[Line]:
    """Return the lines that two texts do not have in common, with one around them, and at most so many."""
    one, other = (shown_lines(text, look) if text else [] for text in (a, b))
    lines = list(_marked(one, other, _without_noise)) or list(_marked(one, other, str))
    kept = lines if most is None or len(lines) <= most + 1 else lines[:most]
    more = look.symbols.ellipsis
    found: list[Line] = [plain(fit(f"{_MARGIN}{mark} {text}", columns, more), _STYLES[mark]) for mark, text in kept]
    left = len(lines) - len(kept)
    return [*found, plain(f"{_MARGIN}  {more} {left:,} more lines", "dim")] if left else found


_STYLES = {"-": "bad", "+": "good", " ": "dim", "~": "dim"}


def _marked(one: Sequence[str], other: Sequence[str], clean: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Yield the lines that are not the same once they are ``clean``, with those around them."""
    start = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    begin = max(0, start - _CONTEXT)
    one, other = (side[begin : begin + _MOST_COMPARED] for side in (one, other))
    matcher = SequenceMatcher(None, list(map(clean, one)), list(map(clean, other)), autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(_CONTEXT)):
        if number:
            yield "~", ""
        for tag, start, end, first, last in group:
            if tag == "equal":
                yield from ((" ", line) for line in one[start:end])
                continue
            yield from (("-", line) for line in one[start:end])
            yield from (("+", line) for line in other[first:last])


def _without_noise(line: str) -> str:
    return normalised(line) if _MAY_BE_NOISE.search(line) else line


def _have_much_in_common(a: str, b: str) -> bool:
    """Say whether two lines are one with some other words; otherwise both are read better one below the other."""
    same = sum(len(text) for kind, text in pieces(a, b) if kind == "same" and not text.isspace())
    return (not _SPACE.search(a) and not _SPACE.search(b)) or same * 2 >= min(len(a), len(b))


def _is_said(difference: Difference, columns: int) -> bool:
    """Say whether the name of a call is all that there is to say of it: a command of one line, a path."""
    place = difference.a or difference.b
    arguments = place.value.get("input") if place is not None and isinstance(place.value, dict) else None
    if not isinstance(arguments, dict) or len(arguments) != 1:
        return False
    (value,) = arguments.values()
    return isinstance(value, str) and "\n" not in value and len(f"{_MARGIN}{difference.what} {value}") <= columns


def _words(a: str, b: str, look: Look, columns: int) -> Line:
    """Write how one line becomes the other, as ``git diff --word-diff`` does."""
    line = [Span(_MARGIN)]
    for kind, text in pieces(a, b):
        told = shown(text, look)
        match kind:
            case "out":
                line.append(Span(f"[-{told}-]", "bad"))
            case "in":
                line.append(Span(f"{{+{told}+}}", "good"))
            case _:
                line.append(Span(_middle(told, look)))
    return clip(line, columns, look.symbols.ellipsis)


def _middle(text: str, look: Look, most: int = 60) -> str:
    """Leave out the middle of what both have in common."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}{look.symbols.ellipsis}{text[-half:]}"


def _text(place: Place | None) -> str:
    if place is None:
        return ""
    match place.value:
        case str():
            return place.value
        case {"text": str(text), "exit_code": code}:
            return text + (f"\n(exit {code})" if code and f"[exit code {code}]" not in text else "")
        case {"name": str(), "input": dict(arguments)}:
            return _arguments(arguments)
        case [*items] if all(isinstance(item, str) for item in items):
            return "\n".join(items)
        case _:
            return canonical_json(place.value)


def _arguments(arguments: dict[str, object]) -> str:
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else canonical_json(value)}" for name, value in arguments.items()
    )
