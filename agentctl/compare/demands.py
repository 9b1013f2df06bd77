"""What ``--fail-on`` asks for: ``cost>+20%,trajectory,files``, and whether it happened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches

from agentctl.compare.difference import LAYERS
from agentctl.compare.metrics import NAMES
from agentctl.compare.runs import Runs
from agentctl.compare.sessions import Compared
from agentctl.errors import UsageError

_METRIC = re.compile(r"(?P<name>[a-z_]+)>\+(?P<number>\d{1,12}(?:\.\d{1,6})?)(?P<percent>%?)", re.ASCII)
_NAME = re.compile(r"[a-z_]+", re.ASCII)
_HINT = f"a layer ({', '.join(LAYERS)}) or a metric and its limit, such as cost>+20% or seconds>+10"


@dataclass(frozen=True, slots=True)
class Demand:
    """A layer that must not differ, or a metric that must not grow by more than ``most`` (or that share of A)."""

    name: str
    most: Decimal | None = None
    is_share: bool = False

    def __str__(self) -> str:
        return self.name if self.most is None else f"{self.name}>+{self.most}{'%' if self.is_share else ''}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A demand that is not met, and why."""

    demand: Demand
    why: str


def read_demands(text: str) -> list[Demand]:
    """Read what stands behind ``--fail-on``. Raises UsageError for whatever is not one."""
    parts = [part.strip() for part in text.split(",")]
    return list(dict.fromkeys(_read(part) for part in parts))


def failures(demands: Sequence[Demand], compared: Compared) -> list[Failure]:
    """Return the demands that two sessions do not meet; a metric that nobody knows meets none."""
    found = (_failure(demand, compared) for demand in demands)
    return [failure for failure in found if failure is not None]


def failures_of_runs(demands: Sequence[Demand], runs: Runs) -> list[Failure]:
    """Return the demands that the runs of B do not meet, by the medians of both sides."""
    found = (_failure_of_runs(demand, runs) for demand in demands)
    return [failure for failure in found if failure is not None]


def _failure_of_runs(demand: Demand, runs: Runs) -> Failure | None:
    if demand.most is None:
        return Failure(demand, "runs differ") if demand.name in runs.differing else None
    numbers = next(numbers for numbers in runs.numbers if numbers.name == demand.name)
    if numbers.a is None or numbers.b is None:
        return Failure(demand, f"{demand.name}: not known on both sides")
    medians = Decimal(str(numbers.a.median)), Decimal(str(numbers.b.median))
    most = medians[0] * demand.most / 100 if demand.is_share else demand.most
    if medians[1] - medians[0] <= most:
        return None
    return Failure(demand, f"{demand.name}: {medians[0]} -> {medians[1]} (medians)")


def _read(part: str) -> Demand:
    if part in LAYERS and part != "metrics":
        return Demand(part)
    match = _METRIC.fullmatch(part)
    if match is not None and match["name"] in NAMES:
        return Demand(match["name"], Decimal(match["number"]), match["percent"] == "%")
    name = _NAME.match(part)
    close = get_close_matches(name[0], [*LAYERS, *NAMES], 1) if name else []
    if name is not None and (name[0] in NAMES or name[0] == "metrics"):
        raise UsageError(
            f"--fail-on: {part!r} says no limit", hint="write how much more B may take: cost>+20%, or calls>+3"
        )
    nearest = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"--fail-on: {part!r} is neither a layer nor a metric{nearest}", hint=_HINT)


def _failure(demand: Demand, compared: Compared) -> Failure | None:
    if demand.most is None:
        number = next((len(layer.differences) for layer in compared.differing if layer.name == demand.name), 0)
        return Failure(demand, f"{number:,} difference{'' if number == 1 else 's'}") if number else None
    metric = next(metric for metric in compared.metrics if metric.name == demand.name)
    if metric.change is None:
        return Failure(demand, f"{metric.name}: not known, because a model without a price answered")
    most = demand.most
    if demand.is_share:
        most = Decimal(str(metric.a)) * demand.most / 100
    return None if metric.change <= most else Failure(demand, f"{metric.name}: {metric.a} -> {metric.b}")
