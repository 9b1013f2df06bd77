"""The two answers about a record: whether it is intact, and whether it is complete."""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.render.lines import EMPTY, Line, Span, plain, shown, wrap
from agentctl.render.look import Look
from agentctl.render.numbers import many
from agentctl.session.completeness import Aspect, Gap

_MOST_NUMBERS = 8
_WORDS = {
    "model": "model requests",
    "calls": "tool calls",
    "files": "files",
    "network": "network",
    "sandbox": "sandbox",
    "secrets": "secrets",
}


def answer_line(question: str, told: str, look: Look, *, good: bool) -> Line:
    """Put an answer on a line."""
    word = Span("yes" if good else "no", "good" if good else "bad")
    return [Span(f"{question:<10}", "bold"), word, Span(f"  {shown(told, look)}" if told else "")]


def told_lines(text: str, look: Look, style: str = "dim") -> list[Line]:
    """Break a sentence into lines below an answer."""
    rows = wrap(shown(text, look), look.columns - 3) if look.wraps else [shown(text, look)]
    return [plain("  " + row, style) for row in rows]


def aspect_lines(aspects: Sequence[Aspect], look: Look) -> list[Line]:
    """Say of each kind of thing what there is, and what is missing."""
    lines: list[Line] = []
    for aspect in aspects:
        if not (aspect.recorded or aspect.gaps or aspect.notes):
            continue
        mark = Span("  + ", "good") if aspect.is_complete else Span("  - ", "bad")
        lines.append([mark, Span(f"{_WORDS[aspect.name]:<15}"), Span(f"{aspect.recorded:,} recorded", "dim")])
        lines += [line for gap in aspect.gaps for line in _gap_lines("lacks", gap, "bad", look)]
        lines += [line for gap in aspect.notes for line in _gap_lines("note", gap, "dim", look)]
    return lines


def _gap_lines(word: str, gap: Gap, style: str, look: Look) -> list[Line]:
    times = f" ({gap.count:,} times)" if gap.count > 1 else ""
    text = f"{word}: {shown(gap.reason, look)}{times}; {numbers(gap.events)}"
    rows = wrap(text, look.columns - 7) if look.wraps else [text]
    return [plain("      " + row, style) for row in rows]


def numbers(events: Sequence[int]) -> str:
    """Write the numbers of events, of very many the first ones."""
    named = ", ".join(f"#{seq}" for seq in events[:_MOST_NUMBERS])
    return named + (f" and {len(events) - _MOST_NUMBERS:,} more" if len(events) > _MOST_NUMBERS else "")


def aspects_body(aspects: Sequence[Aspect]) -> JsonObject:
    """Write what is complete and what is not, as it is in ``agentctl.verify/1``."""
    return {
        aspect.name: {
            "complete": aspect.is_complete,
            "recorded": aspect.recorded,
            "gaps": [_gap_body(gap) for gap in aspect.gaps],
            "notes": [_gap_body(gap) for gap in aspect.notes],
        }
        for aspect in aspects
    }


def page(intact: Sequence[Line], complete: Sequence[Line]) -> list[Line]:
    """Put both answers on a page."""
    return [*intact, EMPTY, *complete]


def gaps_counted(aspects: Sequence[Aspect]) -> str:
    """Say how much is missing."""
    gaps = sum(gap.count for aspect in aspects for gap in aspect.gaps)
    return f"{many(gaps, 'thing')} missing" if gaps else ""


def _gap_body(gap: Gap) -> JsonObject:
    return {"reason": gap.reason, "count": gap.count, "events": gap.events}
