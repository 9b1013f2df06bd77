"""What two sessions took: money, tokens, requests, calls, time, and people's attention."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from agentctl.compare.side import Side

Amount: TypeAlias = Decimal | float | int | None


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of both sides; None where it is not known. ``unit`` is ``USD``, ``s`` or empty."""

    name: str
    a: Amount
    b: Amount
    unit: str = ""

    @property
    def differs(self) -> bool:
        """Whether the two are not the same number."""
        return self.a != self.b

    @property
    def change(self) -> Decimal | None:
        """How much more B took than A."""
        return None if self.a is None or self.b is None else Decimal(str(self.b)) - Decimal(str(self.a))

    @property
    def share(self) -> float | None:
        """The change as a part of A; None where that is nothing, or not known."""
        return None if self.change is None or not self.a else float(self.change / Decimal(str(self.a)))


NAMES = (
    "cost",
    "tokens",
    "input_tokens",
    "output_tokens",
    "requests",
    "calls",
    "failed",
    "seconds",
    "approvals",
)
"""The names of the metrics. ``input_tokens`` are all that were read, from the cache or not."""

_UNITS = {"cost": "USD", "seconds": "s"}


def metrics(a: Side, b: Side) -> tuple[Metric, ...]:
    """Return the metrics of both sides, in the order of ``NAMES``."""
    one, other = amounts(a), amounts(b)
    return tuple(Metric(name, one[name], other[name], _UNITS.get(name, "")) for name in NAMES)


def amounts(side: Side) -> dict[str, Amount]:
    """Return what a session took, by the names of the metrics."""
    usage, calls = side.usage, side.calls
    read = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    return {
        "cost": usage.cost,
        "tokens": read + usage.output_tokens,
        "input_tokens": read,
        "output_tokens": usage.output_tokens,
        "requests": usage.requests,
        "calls": len(calls),
        "failed": sum(call.observation is not None and call.observation.failed for call in calls),
        "seconds": round(usage.active_seconds, 3),
        "approvals": sum(call.permission == "ask" for call in calls),
    }


def differing(found: Sequence[Metric]) -> list[Metric]:
    """Return those that differ."""
    return [metric for metric in found if metric.differs]
