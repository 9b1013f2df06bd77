"""Two compared sessions in Markdown, for a pull request: nothing in it is more than text."""

import re
from collections.abc import Sequence

from agentctl.compare.demands import Failure
from agentctl.compare.difference import LAYERS, Difference, Layer
from agentctl.compare.sessions import Compared, focus
from agentctl.compare.side import Side
from agentctl.render.diff.heading import cause_text, heading
from agentctl.render.diff.inside import detail_lines
from agentctl.render.diff.values import call_text, lines_apart
from agentctl.render.diff.words import amount_text, layer_text, share_text, shows, side_text
from agentctl.render.look import Look
from agentctl.visible import visible, visible_line

_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@$-])")
_LOOK = Look(columns=200)
_COLUMNS = 160


def markdown(compared: Compared, failed: Sequence[Failure] | None) -> str:
    """Write a comparison as Markdown that GitHub and others take."""
    cause = cause_text(compared)
    lines = [f"### {_inline(heading(compared)[0])}", "", *([_inline(cause), ""] if cause else [])]
    lines += [f"- **{name}** {_inline(' · '.join(filter(None, side_text(side))))}" for name, side in _sides(compared)]
    if failed is not None:
        lines += [
            "",
            *([f"- failed: {_inline(f'{each.demand} ({each.why})')}" for each in failed] or ["nothing failed"]),
        ]
    lines += ["", *_layers(compared), "", *_metrics(compared), *_texts(compared)]
    if compared.first is not None:
        lines += ["", *_first(compared, compared.first)]
    return "\n".join(lines) + "\n"


def _sides(compared: Compared) -> list[tuple[str, Side]]:
    return [("A", compared.a), ("B", compared.b)]


def _layers(compared: Compared) -> list[str]:
    found = [layer for layer in compared.layers.values() if layer.name != "metrics"]
    rows = [
        f"| {layer.name} | {_inline(layer_text(layer)) if layer.differences else _nothing(layer)} |"
        for layer in sorted(found, key=lambda layer: LAYERS.index(layer.name))
    ]
    return ["| layer | |", "|---|---|", *rows]


def _nothing(layer: Layer) -> str:
    return "not compared" if layer.is_unknown else "the same"


def _metrics(compared: Compared) -> list[str]:
    rows = [
        f"| {metric.name} | {_inline(amount_text(metric, metric.a))} | {_inline(amount_text(metric, metric.b))} "
        f"| {_inline(share_text(metric))} |"
        for metric in compared.metrics
        if shows(metric)
    ]
    return ["| metric | A | B | |", "|---|--:|--:|--:|", *rows] if rows else ["No metric differs."]


def _texts(compared: Compared) -> list[str]:
    """Show where the first long text differs that two sessions began with, such as a prompt."""
    header = compared.layers.get("header")
    first = next((each for each in header.differences if lines_apart(each) is not None), None) if header else None
    return [] if first is None else ["", _inline(first.what), "", *_fenced(_details(first))]


def _details(difference: Difference) -> str:
    return "\n".join("".join(span.text for span in line)[2:] for line in detail_lines(difference, _LOOK, _COLUMNS))


def _first(compared: Compared, first: Difference) -> list[str]:
    assert first.step is not None
    events = " / ".join(f"{name} #{seq}" for name, seq in zip("AB", focus(first), strict=True) if seq)
    text = _details(first)
    more = len(compared.in_steps) - 1
    return [
        f"First difference ({first.layer}, call {first.step.number}, {events}): {_inline(call_text(first.step))}",
        *(["", *_fenced(text)] if text else []),
        *(["", f"{more:,} later differences."] if more else []),
    ]


def _fenced(text: str) -> list[str]:
    """Set text as code, between fences longer than any inside."""
    ticks = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return [f"{fence}diff", visible(text), fence]


def _inline(text: str) -> str:
    return _MARKS.sub(r"\\\1", visible_line(text))
