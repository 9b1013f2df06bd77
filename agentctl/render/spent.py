"""Where time and money went, and how near the limits are: pieces of one line each."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from agentctl.canonical import JsonObject
from agentctl.render.lines import Line, Span
from agentctl.render.look import Look
from agentctl.render.numbers import amount, count, duration, many, money, span
from agentctl.session.completeness import Aspect
from agentctl.session.glance import Glance, ModelSum
from agentctl.session.timing import ACTIVITIES, Activity
from agentctl.session.usage import Usage

WORDS: dict[Activity, str] = {
    "model": "model",
    "tools": "tools",
    "retry": "waiting to try again",
    "person": "waiting for a person",
    "other": "agentctl",
}

_STYLES: dict[Activity, str] = {
    "model": "accent", "tools": "good", "retry": "warning", "person": "dim", "other": "dim",
}  # fmt: skip
_LEAST_SECONDS = 0.05
_SHORTEST_BAR, _LONGEST_BAR = 8, 40
_MOST_REASONS = 2


def time_line(seconds: Mapping[Activity, float], look: Look, columns: int) -> list[Line]:
    """Draw the time of a session as a bar of what it was spent on, and say how long that was."""
    spent = {name: seconds[name] for name in ACTIVITIES if seconds[name] >= _LEAST_SECONDS}
    total = sum(spent.values())
    if not total:
        return []
    room = min(_LONGEST_BAR, columns // 3)
    cells = _shares(spent, total, room) if room >= _SHORTEST_BAR else {}
    bar = [Span(_mark(name, look) * number, _STYLES[name]) for name, number in cells.items()]
    told: list[Span] = []
    for name, length in spent.items():
        told += [Span("  "), Span(_mark(name, look), _STYLES[name])]
        told.append(Span(f" {WORDS[name]} {duration(length)}"))
    return [[Span("  "), *bar, *told]]


def limits_told(limits: JsonObject, usage: Usage) -> list[str]:
    """Say of each limit how much of it was used, where that can be said of the whole session."""
    told = {
        "max_cost": lambda value: f"{money(usage.spent)} of {money(amount(value))}",
        "max_turns": lambda value: many(value, "turn") + " a message",
        "timeout_seconds": lambda value: f"{span(value)} a run",
        "max_active_seconds": lambda value: f"{duration(usage.active_seconds)} of {span(value)} at work",
        "max_output_tokens": lambda value: f"{count(usage.output_tokens)} of {count(value)} tokens written",
        "max_tool_calls": lambda value: f"{usage.tool_calls:,} of {many(value, 'call')}",
    }
    known = {name: value for name, value in limits.items() if value is not None}
    return [
        told[name](value) if name in told and _is_fit(name, value) else f"{name} {value}"
        for name, value in known.items()
    ]


def models_told(models: Mapping[str, ModelSum]) -> list[str]:
    """Say what each model's answers came to, where there was more than one."""
    if len(models) < 2:
        return []
    return [f"{name} {money(found.cost)} for {many(found.answers, 'answer')}" for name, found in models.items()]


def checkpoints_told(glance: Glance) -> list[str]:
    """Say how often the sandbox was kept."""
    kept = glance.checkpoints
    told = [many(kept.count, "time"), f"the last until {kept.keep_until[:10]}"] if kept.count else []
    return told if kept.reason is None else [*told, f"not when it came to rest last: {kept.reason}"]


def missing_told(aspects: Sequence[Aspect]) -> list[str]:
    """Say what the record lacks; nothing where it lacks nothing."""
    gaps = [(aspect.name, gap) for aspect in aspects for gap in aspect.gaps]
    told = [f"{name}: {gap.reason}{f' ({gap.count:,} times)' if gap.count > 1 else ''}" for name, gap in gaps]
    more = len(told) - _MOST_REASONS
    return [*told[:_MOST_REASONS], *([f"{more} more: agentctl verify"] if more > 0 else [])]


def time_body(seconds: Mapping[Activity, float]) -> JsonObject:
    """Write the time by activity as it is in ``agentctl.show/1``."""
    return {name: round(seconds[name], 3) for name in ACTIVITIES}


def models_body(models: Mapping[str, ModelSum]) -> list[JsonObject]:
    """Write what each model came to as it is in ``agentctl.show/1``."""
    return [{"name": name, "answers": found.answers, "cost": _money(found.cost)} for name, found in models.items()]


def _money(cost: Decimal | None) -> JsonObject | None:
    return None if cost is None else {"amount": f"{cost.normalize():f}", "currency": "USD"}


def _shares(spent: Mapping[Activity, float], total: float, room: int) -> dict[Activity, int]:
    """Divide cells: each activity has one at least, and the longest gets what is left."""
    cells = {name: max(1, int(room * length / total)) for name, length in spent.items()}
    longest = max(spent, key=lambda name: spent[name])
    cells[longest] += room - sum(cells.values())
    return cells


def _mark(name: Activity, look: Look) -> str:
    return look.symbols.shades[ACTIVITIES.index(name)]


def _is_fit(name: str, value: object) -> bool:
    return amount(value) is not None if name == "max_cost" else isinstance(value, int | float)
