"""Checks and how they stand, in lines and as JSON."""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.checks.checking import Checked
from agentctl.render.lines import Line, Span, clip, shown
from agentctl.render.look import Look
from agentctl.render.numbers import many

_STYLES = {"pass": "good", "fail": "bad", "unknown": "warning"}


def verdict_lines(checked: Sequence[Checked], look: Look) -> list[Line]:
    """Return a line for each check."""
    return [_line(each, look) for each in checked]


def counted(checked: Sequence[Checked]) -> str:
    """Say how many checks passed, failed and could not be decided."""
    counts = {status: sum(each.verdict.status == status for each in checked) for status in _STYLES}
    words = [f"{counts['fail']:,} failed", f"{counts['unknown']:,} cannot be decided"]
    said = [word for word, status in zip(words, ("fail", "unknown"), strict=True) if counts[status]]
    return ", ".join([f"{many(counts['pass'], 'check')} passed", *said])


def verdict_body(checked: Checked) -> JsonObject:
    """Write a check as it is in ``agentctl.check/1``."""
    verdict = checked.verdict
    return {"name": checked.name, "status": verdict.status, "why": verdict.why or None, "event": verdict.event}


def _line(each: Checked, look: Look) -> Line:
    verdict = each.verdict
    place = "" if verdict.event is None else f"  #{verdict.event}"
    why = f"  {shown(verdict.why, look)}" if verdict.why and verdict.status != "pass" else ""
    line = [
        Span(f"{verdict.status:<8}", _STYLES[verdict.status]),
        Span(shown(each.name, look)),
        Span(why, _STYLES[verdict.status]),
        Span(place, "dim"),
    ]
    return clip(line, look.columns - 1, look.symbols.ellipsis) if look.wraps else line
