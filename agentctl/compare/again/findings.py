"""What a rerun came to, whatever was done again: a verdict, and each divergence with its cause."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.compare.causes import Cause

Verdict: TypeAlias = Literal[
    "reproduced", "reproduced-normalised", "diverged", "incomplete-recording", "environment-mismatch"
]


@dataclass(frozen=True, slots=True)
class Divergence:
    """A call, or another event, that did not come out the same; by its number in the record and in the rerun.

    ``follows`` is the number of an earlier one that it follows from, as far as that shows.
    """

    seq: int
    live_seq: int | None
    name: str
    asked: JsonObject
    step: str
    cause: Cause
    follows: int | None = None
    recorded: str = ""
    live: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a rerun came to.

    ``steps`` counts how far the observations are alike, ``rules`` which rules it took. ``missing`` says
    what of the record could not be given again and therefore proves nothing.
    """

    divergences: tuple[Divergence, ...] = ()
    steps: Mapping[str, int] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    compared: int = 0
    missing: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Say it in a word. What could not be compared never counts as reproduced."""
        if self.divergences:
            return "diverged"
        if self.missing:
            return "incomplete-recording"
        return "reproduced-normalised" if self.rules else "reproduced"

    @property
    def first(self) -> Divergence | None:
        """The first divergence."""
        return self.divergences[0] if self.divergences else None
