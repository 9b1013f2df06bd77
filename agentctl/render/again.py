"""What a rerun came to, in lines: the verdict first, then the first divergence, then what follows from it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from agentctl.canonical import JsonObject
from agentctl.compare.again.findings import Divergence, Findings
from agentctl.compare.normalise import normalised
from agentctl.render.calls import asked
from agentctl.render.lines import Line, Span, clip, plain, shown, shown_lines
from agentctl.render.look import Look
from agentctl.render.numbers import many

_MOST_ROWS = 3
_MOST_COMPARED = 400
_MOST_COLUMNS = 200
_WORDS = {"effects": "the same in effect"}


def findings_lines(findings: Findings, look: Look, *, is_log: bool, show_all: bool) -> list[Line]:
    """Put findings into lines; ``is_log`` says that events were compared, and not calls."""
    lines = [line for each in findings.divergences[: None if show_all else 1] for line in _divergence(each, look)]
    if not show_all:
        lines += [plain(f"  {row}", "dim") for row in _later(findings.divergences)]
    lines += [plain(f"  not given again: {shown(line, look)}", "warning") for line in findings.missing]
    if findings.compared or not (findings.missing or findings.divergences):
        steps = ", ".join(f"{number} {_WORDS.get(name, name)}" for name, number in findings.steps.items() if number)
        steps = steps or "the record holds none"
        noise = f"; noise: {', '.join(findings.rules)}" if findings.rules else ""
        lines.append(
            plain(f"  compared {many(findings.compared, 'event' if is_log else 'call')}: {steps}{noise}", "dim")
        )
    most = look.columns - 1 if look.wraps else _MOST_COLUMNS
    return [clip(line, most, look.symbols.ellipsis) for line in lines]


def findings_body(findings: Findings) -> JsonObject:
    """Write findings as members of ``agentctl.rerun/1``."""
    return {
        "at": findings.first.seq if findings.first else None,
        "compared": findings.compared,
        "steps": dict(findings.steps),
        "rules": list(findings.rules),
        "missing": list(findings.missing),
        "differences": [_divergence_body(each) for each in findings.divergences],
    }


def _divergence(each: Divergence, look: Look) -> list[Line]:
    follows = f"  (follows from #{each.follows})" if each.follows is not None else ""
    what = shown(asked(each.name, each.asked).text, look)
    lines: list[Line] = [
        [Span(f"  #{each.seq} ", "dim"), Span(shown(each.name, look), "bold"), Span(f" {what}")],
        plain(f"    {shown(each.cause.line, look)}{follows}"),
    ]
    for name, text, other in (("then", each.recorded, each.live), ("now", each.live, each.recorded)):
        lines += [[Span(f"    {name:<5}", "dim"), Span(row)] for row in _only_here(text, other, look)]
    return lines


def _only_here(text: str, other: str, look: Look) -> Iterator[str]:
    """Yield the first lines of a text that another has not; those that are noise only where there are no others."""
    ones, others = text.split("\n"), other.split("\n")
    rows = _without(ones, others)
    known = set(map(normalised, _without(others, ones)[:_MOST_COMPARED]))
    rows = [row for row in rows[:_MOST_COMPARED] if normalised(row) not in known] or rows
    for row in rows[:_MOST_ROWS]:
        yield next(iter(shown_lines(row, look)), "")
    if len(rows) > _MOST_ROWS:
        yield f"{look.symbols.ellipsis} {many(len(rows) - _MOST_ROWS, 'more line')}"


def _without(rows: Sequence[str], others: Sequence[str]) -> list[str]:
    known = set(others)
    return [row for row in rows if row not in known]


def _later(divergences: Sequence[Divergence]) -> Iterator[str]:
    later = divergences[1:]
    for seq, number in Counter(each.follows for each in later if each.follows is not None).items():
        yield f"{many(number, 'later difference')} {'follows' if number == 1 else 'follow'} from #{seq}"
    rest = [each for each in later if each.follows is None]
    if rest:
        places = ", ".join(f"#{each.seq}" for each in rest[:_MOST_ROWS])
        more = f" and {len(rest) - _MOST_ROWS} more" if len(rest) > _MOST_ROWS else ""
        yield f"{many(len(rest), 'other difference')} later, at {places}{more}: --all shows them"


def _divergence_body(each: Divergence) -> JsonObject:
    return {
        "seq": each.seq,
        "live_seq": each.live_seq,
        "name": each.name,
        "input": each.asked,
        "step": each.step,
        "cause": {"kind": each.cause.kind, "line": each.cause.line, "subject": each.cause.subject},
        "follows": each.follows,
    }
