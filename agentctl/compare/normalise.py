"""How far two observations are alike: the same, the same but for noise, the same in what they did, or not.

The ladder has four steps. ``exact``: the same bytes. ``normalised``: the same once what changes from run
to run (``compare.rules``) is taken out; which rules were needed is said. ``effects``: another text, but a
command with the same exit code that did the same to the files. ``different``: anything else.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from agentctl.compare.calls import Observation
from agentctl.compare.rules import IDENTIFIERS, LINES, OF_TOOLS, WHOLE, Moment, Rule, moment_of, rule_of_meeting

Step: TypeAlias = Literal["exact", "normalised", "effects", "different"]

_MOST_NORMALISED = 500_000
"""Characters; longer texts are compared as they are, because nobody waits for their noise to be taken out."""

_NEEDS_WHOLE = re.compile("[\r\x1b━╸╺█▏▎▍▌▋▊▉⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏%#]| eta ")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The step of the ladder that two observations reach; ``rules`` are those without which they would differ."""

    step: Step
    rules: tuple[str, ...] = ()

    @property
    def is_alike(self) -> bool:
        """Whether nothing but noise tells the two apart."""
        return self.step in ("exact", "normalised")


EXACT = Comparison("exact")
DIFFERENT = Comparison("different")


def ladder(
    recorded: Observation,
    live: Observation,
    *,
    tool: str = "",
    own: Sequence[Rule] = (),
    same_files: bool | None = None,
) -> Comparison:
    """Compare what was observed with what is observed now; ``own`` are a person's rules, applied first.

    ``same_files`` is for those who have compared what became of the files themselves; without it
    the recorded changes are, by the hashes of contents.
    """
    if recorded.is_error != live.is_error or recorded.exit_code != live.exit_code:
        return DIFFERENT
    if same_files is None:
        same_files = recorded.changes == live.changes or recorded.effects == live.effects
    if not same_files:
        return DIFFERENT
    if recorded.content == live.content:
        return EXACT
    rules = alike(recorded.text, live.text, moment_of(recorded.at), moment_of(live.at), tool=tool, own=own)
    if rules is not None:
        return Comparison("normalised", rules)
    return Comparison("effects") if recorded.exit_code is not None else DIFFERENT


def alike(
    one: str, other: str, one_at: Moment, other_at: Moment, *, tool: str = "", own: Sequence[Rule] = ()
) -> tuple[str, ...] | None:
    """Return the names of the rules that make two texts the same; None where they differ all the same."""
    texts = _Texts(one, other, one_at, other_at, {})
    for rule in (*own, *OF_TOOLS):
        if not rule.tools or tool in rule.tools:
            texts.apply(rule)
    if max(len(one), len(other)) > _MOST_NORMALISED:
        return tuple(texts.fired) if texts.one == texts.other else None
    if _NEEDS_WHOLE.search(one) or _NEEDS_WHOLE.search(other):
        for rule in WHOLE:
            texts.apply(rule)
    for part in texts.differing():
        met = rule_of_meeting(part.one, part.other)
        if not part.is_settled_by((*([met] if met else []), *IDENTIFIERS, *LINES)):
            return None
    return tuple(texts.fired)


def normalised(text: str, at: str | None = None, rules: Sequence[Rule] = (*WHOLE, *IDENTIFIERS, *LINES)) -> str:
    """Return a text without the noise, as it was observed at a time (RFC 3339)."""
    moment = moment_of(at)
    for rule in rules:
        text, _ = rule.applied(text, moment)
    return text


def names_taken_out(arguments: str) -> str:
    """Return an argument with what another run names otherwise (temporary paths, ids) taken out."""
    return normalised(arguments, rules=IDENTIFIERS)


class _Texts:
    """Two texts from which the same is taken out, and the rules that it took to make them one."""

    def __init__(self, one: str, other: str, one_at: Moment, other_at: Moment, fired: dict[str, None]) -> None:
        self.one, self.other, self.fired = one, other, fired
        self._one_at, self._other_at = one_at, other_at

    def apply(self, rule: Rule) -> None:
        """Take out what a rule is for; it counts where the two had other things there."""
        self.one, taken = rule.applied(self.one, self._one_at)
        self.other, others = rule.applied(self.other, self._other_at)
        if taken != others:
            self.fired[rule.name] = None

    def is_settled_by(self, rules: Iterable[Rule]) -> bool:
        """Apply rules until the two are one; say whether they came to be."""
        for rule in rules:
            if self.one == self.other:
                return True
            self.apply(rule)
        return self.one == self.other

    def differing(self) -> Iterator["_Texts"]:
        """Yield the parts that differ: the first line that does, then all others, or the whole where lines moved.

        In most texts that differ for good the first line tells, and no time goes into the others.
        """
        ones, others = self.one.split("\n"), self.other.split("\n")
        if len(ones) != len(others):
            yield self
            return
        lines = [(one, other) for one, other in zip(ones, others, strict=True) if one != other]
        for part in filter(None, (lines[:1], lines[1:])):
            one, other = ("\n".join(side) for side in zip(*part, strict=True))
            yield _Texts(one, other, self._one_at, self._other_at, self.fired)
