"""Two sessions compared whole: every layer, the likely cause first, and where they part."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from agentctl.compare.consequences import Cause, consequences
from agentctl.compare.difference import LAYERS, Difference, Layer, LayerName, Step
from agentctl.compare.files import files_layer
from agentctl.compare.header import header_layer
from agentctl.compare.metrics import Metric, metrics
from agentctl.compare.network import network_layer
from agentctl.compare.outcome import outcome_layer
from agentctl.compare.packages import PackagesOfTwo, packages_of
from agentctl.compare.rules import Rule
from agentctl.compare.side import Side
from agentctl.compare.steps import arguments_layer, observations_layer
from agentctl.compare.trajectory import aligned, trajectory_layer
from agentctl.events.base import Event
from agentctl.session.files import Contents

CONTEXT = 2
"""How many events are shown before and behind a difference."""

_WITHIN_STEP: Mapping[LayerName, int] = {
    "trajectory": 0,
    "arguments": 1,
    "network": 2,
    "observations": 3,
    "files": 4,
}


@dataclass(frozen=True)
class Compared:
    """What was found. ``layers`` are those that were asked for, in the order of likely cause.

    ``packages`` are those of the images, as far as they are recorded and the header was asked for.
    """

    a: Side
    b: Side
    steps: tuple[Step, ...]
    metrics: tuple[Metric, ...]
    layers: Mapping[LayerName, Layer]
    packages: PackagesOfTwo = PackagesOfTwo()

    @property
    def is_same(self) -> bool:
        """Whether nothing differs that counts; what was spent, and what was said, never does."""
        return not any(layer.differences for layer in self.layers.values())

    @property
    def differing(self) -> list[Layer]:
        """The layers that differ."""
        return [layer for layer in self.layers.values() if layer.differences]

    @cached_property
    def in_steps(self) -> list[Difference]:
        """What differs call by call, in the order in which it happened."""
        found = [each for layer in self.layers.values() for each in layer.differences if each.step is not None]
        return sorted(found, key=_place_in_time)

    @property
    def first(self) -> Difference | None:
        """Where the two part: the first difference of a call."""
        return self.in_steps[0] if self.in_steps else None

    @cached_property
    def causes(self) -> Mapping[int, Cause]:
        """What later differences follow from, by the numbers of their steps."""
        return consequences(self.steps, self.in_steps)


def compare(
    a: Side,
    b: Side,
    *,
    contents: Contents | None = None,
    own: Sequence[Rule] = (),
    layers: Collection[LayerName] = LAYERS,
) -> Compared:
    """Compare two sessions in some layers. ``contents`` are their files, ``own`` a person's rules for noise."""
    steps = aligned(a.calls, b.calls)
    packages = packages_of(a, b, steps, contents) if "header" in layers else PackagesOfTwo()
    found = {layer.name: layer for layer in _layers(a, b, steps, contents, own, layers, packages)}
    return Compared(a, b, steps, metrics(a, b), found, packages)


def around(side: Side, event: int | None) -> list[tuple[int, Event]]:
    """Return an event and those around it that are worth seeing; the last ones where there is none."""
    places = [place for place, (seq, _) in enumerate(side.events) if event is not None and seq <= event]
    if event is None:
        return side.events[-CONTEXT:]
    at = places[-1] if places else 0
    return side.events[max(0, at - CONTEXT) : at + CONTEXT + 1]


def focus(difference: Difference) -> tuple[int | None, int | None]:
    """Return the numbers of the events that a difference is about, or that stand where one side has none."""
    step = difference.step
    a = difference.a.event if difference.a is not None else None
    b = difference.b.event if difference.b is not None else None
    if step is None:
        return a, b
    return (
        a if a is not None else step.a.seq if step.a is not None else step.next_a,
        b if b is not None else step.b.seq if step.b is not None else step.next_b,
    )


def _layers(
    a: Side,
    b: Side,
    steps: Sequence[Step],
    contents: Contents | None,
    own: Sequence[Rule],
    wanted: Collection[LayerName],
    packages: PackagesOfTwo,
) -> Iterator[Layer]:
    for name in LAYERS:
        if name not in wanted:
            continue
        match name:
            case "header":
                yield header_layer(a, b, contents, packages)
            case "metrics":
                yield Layer("metrics")
            case "trajectory":
                yield trajectory_layer(steps)
            case "arguments":
                yield arguments_layer(steps)
            case "observations":
                yield observations_layer(steps, own)
            case "files":
                yield files_layer(a, b, steps, contents)
            case "network":
                yield network_layer(a, b, steps)
            case "outcome":
                yield outcome_layer(a, b, contents)


def _place_in_time(difference: Difference) -> tuple[int, int]:
    assert difference.step is not None
    return difference.step.number, _WITHIN_STEP.get(difference.layer, len(_WITHIN_STEP))
