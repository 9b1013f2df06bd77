"""What differs inside of a difference: words of a command, lines of a text."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from agentctl.canonical import canonical_json
from agentctl.compare.arguments import pieces
from agentctl.compare.difference import Difference, Place
from agentctl.render.lines import Line, Span, clip, fit, plain, shown, shown_lines
from agentctl.render.look import Look

_MARGIN = "  "
_MOST_LINES = 12
_CONTEXT = 1
_MOST_COMPARED = 400


def detail_lines(difference: Difference, look: Look, columns: int, most: int = _MOST_LINES) -> list[Line]:
    """Return the lines that show both values of a difference, as far as there is more to it than its name."""
    a, b = _text(difference.a), _text(difference.b)
    if difference.kind == "changed" and "\n" not in a and "\n" not in b:
        return [_words(a, b, look, columns) if a != b else plain(f"{_MARGIN}{shown(a, look)}: other contents", "dim")]
    return text_lines(a, b, look, columns, most)


def text_lines(a: str, b: str, look: Look, columns: int, most: int | None = None) -> list[Line]:
    """Return the lines that two texts do not have in common, with one around them, and at most so many."""
    one, other = (shown_lines(text, look) if text else [] for text in (a, b))
    lines = list(_marked(one, other))
    kept = lines if most is None or len(lines) <= most + 1 else lines[:most]
    more = look.symbols.ellipsis
    found: list[Line] = [plain(fit(f"{_MARGIN}{mark} {text}", columns, more), _STYLES[mark]) for mark, text in kept]
    left = len(lines) - len(kept)
    return [*found, plain(f"{_MARGIN}  {more} {left:,} more lines", "dim")] if left else found


_STYLES = {"-": "bad", "+": "good", " ": "dim", "~": "dim"}


def _marked(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[str, str]]:
    start = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    begin = max(0, start - _CONTEXT)
    one, other = (side[begin : begin + _MOST_COMPARED] for side in (one, other))
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(_CONTEXT)):
        if number:
            yield "~", ""
        for tag, start, end, first, last in group:
            if tag == "equal":
                yield from ((" ", line) for line in one[start:end])
                continue
            yield from (("-", line) for line in one[start:end])
            yield from (("+", line) for line in other[first:last])


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
            return text + (f"\n(exit {code})" if code else "")
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
