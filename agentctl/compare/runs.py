"""Many runs beside each other: what each took, how each ended, and at which call each leaves the first one.

One run that differs is a sample, not a regression. Below ``statistics.ENOUGH`` runs a side nothing is said
beyond what was seen; from there on an exact test says what chance would do.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentctl.compare.difference import LAYERS, LayerName
from agentctl.compare.metrics import NAMES, amounts
from agentctl.compare.sessions import Compared
from agentctl.compare.side import Side
from agentctl.compare.statistics import ENOUGH, LEVEL, Spread, fisher, mann_whitney, spread

_ASIDE: tuple[LayerName, ...] = ("header", "metrics")
"""Layers in which groups may differ without its being a difference: what they began with is why there are two."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A metric of the runs of both sides, and how likely chance alone parts them as far (Mann-Whitney)."""

    name: str
    a: Spread | None
    b: Spread | None
    chance: float | None

    @property
    def is_apart(self) -> bool:
        """Whether there are enough runs to say that the sides differ, and they do."""
        return is_enough(self.a, self.b) and self.chance is not None and self.chance < LEVEL


@dataclass(frozen=True, slots=True)
class Ends:
    """How many runs of each side came to their end (``end_turn``), and how likely that is by chance (Fisher)."""

    a: tuple[int, int]
    b: tuple[int, int]
    chance: float | None

    @property
    def is_regression(self) -> bool:
        """Whether there are enough runs to say that B comes to its end less often."""
        enough = min(sum(self.a), sum(self.b)) >= ENOUGH
        share = [done / (done + not_done) if done + not_done else 0.0 for done, not_done in (self.a, self.b)]
        return enough and self.chance is not None and self.chance < LEVEL and share[1] < share[0]


@dataclass(frozen=True, slots=True)
class Parting:
    """Where a run leaves the first one of A: the number of the call and the layer, None where it never does."""

    run: Side
    call: int | None
    layer: LayerName | None
    layers: tuple[LayerName, ...]


@dataclass(frozen=True, slots=True)
class Runs:
    """What is known of many runs; ``b`` is empty where there is one group only."""

    reference: Side
    a: tuple[Side, ...]
    b: tuple[Side, ...]
    numbers: tuple[Numbers, ...]
    ends: Ends
    partings_a: tuple[Parting, ...]
    partings_b: tuple[Parting, ...]

    @property
    def differing(self) -> list[LayerName]:
        """The layers in which runs differ; of two groups those in which A's own runs agree and B's do not."""
        own = {layer for parting in self.partings_a for layer in parting.layers}
        if not self.b:
            return [layer for layer in _order(own) if layer not in _ASIDE or layer == "header"]
        others = {layer for parting in self.partings_b for layer in parting.layers}
        return [layer for layer in _order(others - own) if layer not in _ASIDE]


def runs_of(a: Sequence[Compared], b: Sequence[Compared], reference: Side) -> Runs:
    """Sum up runs, each compared with the first one of A, which is not among them."""
    sides_a, sides_b = (reference, *(each.b for each in a)), tuple(each.b for each in b)
    return Runs(
        reference,
        sides_a,
        sides_b,
        tuple(_numbers(sides_a, sides_b)),
        _ends(sides_a, sides_b),
        tuple(map(_parting, a)),
        tuple(map(_parting, b)),
    )


def where_they_part(partings: Sequence[Parting]) -> Mapping[int | None, int]:
    """Count the runs by the call at which they leave the first one, in the order of calls; None is never."""
    found = Counter(parting.call for parting in partings)
    return dict(sorted(found.items(), key=lambda item: (item[0] is None, item[0] or 0)))


def is_enough(a: Spread | None, b: Spread | None) -> bool:
    """Say whether there are enough runs on both sides to say anything beyond them."""
    return a is not None and b is not None and min(a.n, b.n) >= ENOUGH


def _order(layers: set[LayerName]) -> list[LayerName]:
    return [name for name in LAYERS if name in layers]


def _numbers(a: Sequence[Side], b: Sequence[Side]) -> list[Numbers]:
    one, other = ([amounts(side) for side in sides] for sides in (a, b))
    found = []
    for name in NAMES:
        mine, theirs = ([float(each[name] or 0) for each in side if each[name] is not None] for side in (one, other))
        found.append(Numbers(name, spread(mine), spread(theirs), mann_whitney(mine, theirs)))
    return found


def _ends(a: Sequence[Side], b: Sequence[Side]) -> Ends:
    one, other = (
        (sum(_is_done(side) for side in sides), sum(not _is_done(side) for side in sides)) for sides in (a, b)
    )
    return Ends(one, other, fisher(one, other))


def _is_done(side: Side) -> bool:
    result = side.result
    return result.status == "idle" and (result.stop_reason or {}).get("type") == "end_turn"


def _parting(compared: Compared) -> Parting:
    first = compared.first
    layers = tuple(layer.name for layer in compared.differing)
    return Parting(
        compared.b, first.step.number if first and first.step else None, first.layer if first else None, layers
    )
