"""What two sessions asked for and saw, call by call: arguments and observations."""

from collections import Counter
from collections.abc import Iterator, Sequence

from agentctl.compare.arguments import ABSENT, differing_leaves, leaves
from agentctl.compare.calls import Call
from agentctl.compare.difference import Difference, Kind, Layer, Place, Step, kind_of
from agentctl.compare.normalise import Comparison, ladder
from agentctl.compare.rules import Rule


def arguments_layer(steps: Sequence[Step]) -> Layer:
    """Compare what calls that stand for each other ask for."""
    pairs = [step for step in steps if step.a is not None and step.b is not None]
    found = [difference for step in pairs if not step.same_arguments for difference in _arguments(step)]
    return Layer("arguments", tuple(found), len(pairs))


def observations_layer(steps: Sequence[Step], own: Sequence[Rule] = ()) -> Layer:
    """Compare what came of calls that asked for the same; ``own`` are a person's rules."""
    found, alike, items, compared = [], Counter[str](), 0, 0
    for step in steps:
        if step.a is None or step.b is None or not step.same_arguments:
            continue
        compared += 1
        seen = _observed(step.a, step.b, own)
        if seen is None or not seen.is_alike:
            found.append(_observation(step, step.a, step.b, seen))
        elif seen.rules:
            items += 1
            alike.update(seen.rules)
    others = sum(step.a is not None and step.b is not None and not step.same_arguments for step in steps)
    notes = (f"{others} not compared, because they were asked for something else",) if others else ()
    return Layer("observations", tuple(found), compared, alike, items, notes)


def _arguments(step: Step) -> Iterator[Difference]:
    assert step.a is not None
    assert step.b is not None
    for leaf in leaves(step.a, step.b) or list(differing_leaves(step.a.input, step.b.input)):
        pointer = f"/input{leaf.pointer}"
        kind: Kind = "only_b" if leaf.a is ABSENT else "only_a" if leaf.b is ABSENT else "changed"
        yield Difference(
            "arguments",
            kind,
            f"{step.a.name} {leaf.pointer.removeprefix('/').replace('/', '.')}".rstrip(),
            None if leaf.a is ABSENT else Place(step.a.seq, pointer, leaf.a),
            None if leaf.b is ABSENT else Place(step.b.seq, pointer, leaf.b),
            step,
        )


def _observed(one: Call, other: Call, own: Sequence[Rule]) -> Comparison | None:
    """Compare two observations; None where only one side has any."""
    if one.observation is None and other.observation is None:
        return Comparison("exact")
    if one.observation is None or other.observation is None:
        return None
    return ladder(one.observation, other.observation, tool=one.name, own=own, same_files=True)


def _observation(step: Step, one: Call, other: Call, seen: Comparison | None) -> Difference:
    kind = kind_of(one.observation, other.observation)
    did_the_same = one.observation and other.observation and one.observation.effects == other.observation.effects
    is_weak = seen is not None and seen.step == "effects" and bool(did_the_same)
    return Difference("observations", kind, one.name, _place(one), _place(other), step, is_weak)


def _place(call: Call) -> Place | None:
    seen = call.observation
    if seen is None:
        return None
    value = {"text": seen.text, "is_error": seen.is_error, "exit_code": seen.exit_code}
    return Place(seen.seq, "/content", value)
