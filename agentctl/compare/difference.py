"""What a difference is, and in which layer of a session it can be."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from agentctl.compare.calls import Call

LayerName: TypeAlias = Literal[
    "header", "metrics", "trajectory", "arguments", "observations", "files", "network", "outcome"
]

LAYERS: tuple[LayerName, ...] = get_args(LayerName)
"""The layers, the likely cause first."""

Kind: TypeAlias = Literal["changed", "only_a", "only_b"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a side of a difference stands: the number of an event, a JSON Pointer inside it, and the value there."""

    event: int | None
    pointer: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """A place of the trajectory: a call of each side that stand for each other, or one that only one side has.

    Where a side has none, ``next_a`` and ``next_b`` are the numbers of the event that comes there instead, None
    at its end.
    """

    number: int
    a: Call | None
    b: Call | None
    same_arguments: bool = False
    next_a: int | None = None
    next_b: int | None = None

    @property
    def call(self) -> Call:
        """The call, of A where both have it."""
        call = self.a or self.b
        assert call is not None
        return call


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same on both sides.

    ``what`` names it in a few words, which may hold untrusted text. ``step`` is where in the trajectory it
    is, None for what belongs to the session as a whole. ``is_weak`` says that a command did the same
    in spite of it: its exit code, and what became of the files.
    """

    layer: LayerName
    kind: Kind
    what: str
    a: Place | None
    b: Place | None
    step: Step | None = None
    is_weak: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """What was found in one layer.

    ``compared`` counts the things that were looked at, ``alike`` those that differ by noise alone, by the
    rules that say so. ``notes`` are what is worth saying and no difference. ``is_unknown`` says that a record
    has nothing of the layer, so that nothing was compared.
    """

    name: LayerName
    differences: tuple[Difference, ...] = ()
    compared: int = 0
    alike: Counter[str] = field(default_factory=Counter)
    alike_items: int = 0
    notes: tuple[str, ...] = ()
    is_unknown: bool = False


NOT_IN_TRANSCRIPTS = "a transcript of another program does not have it"


def kind_of(one: object, other: object) -> Kind:
    """Say which side has something, by what stands for it; None where it is not there."""
    if one is None:
        return "only_b"
    return "only_a" if other is None else "changed"
