"""Was each recorded call observed the same in a fresh sandbox?"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from agentctl.compare.again.findings import Divergence, Findings
from agentctl.compare.calls import Call, calls_of
from agentctl.compare.causes import Cause, MovedPackage, cause_of
from agentctl.compare.files import Texts, alike_effects
from agentctl.compare.normalise import Comparison, ladder
from agentctl.compare.rules import Rule
from agentctl.session.files import Contents
from agentctl.session.log import Record


def sandbox_findings(
    recorded: Sequence[Record],
    live: Sequence[Record],
    own: int,
    not_comparable: Collection[str],
    packages: Sequence[MovedPackage] = (),
    rules: Sequence[Rule] = (),
    contents: Contents | None = None,
) -> Findings:
    """Compare each observation of the record with what the same call came to in another sandbox.

    ``own`` is the number of the first event that is not shared; the calls of ``not_comparable`` are left out.
    ``contents`` are the files of both, in which noise is no difference either.
    """
    texts = Texts(contents)
    steps: Counter[str] = Counter()
    fired: dict[str, None] = {}
    found: list[Divergence] = []
    moved_by: dict[str, int] = {}
    for former, now in pairs(recorded, live, own):
        if former.id in not_comparable or former.observation is None:
            continue
        compared = _compared(former, now, rules, texts)
        steps[compared.step] += 1
        if compared.is_alike:
            fired |= dict.fromkeys(compared.rules)
            continue
        divergence = _divergence(former, now, compared, moved_by, packages)
        found.append(replace(divergence, follows=_follows(divergence, found)))
        for path in _moved_paths(former, now):
            moved_by.setdefault(path, former.seq)
    return Findings(tuple(found), steps, tuple(fired), steps.total())


def pairs(recorded: Sequence[Record], live: Sequence[Record], own: int) -> Iterator[tuple[Call, Call | None]]:
    """Yield each call that the record made itself, with the one that stands for it in the rerun."""
    former, now = calls_of(recorded), calls_of(live)
    shared = {call.id: call for call in now if call.seq < own}
    later = iter([call for call in now if call.seq >= own])
    for call in former:
        if call.seq >= own:
            other = next(later, None)
            yield call, other if other is not None and other.name == call.name else None
        elif call.observation is not None and (call.observation.seq or 0) >= own:
            yield call, shared.get(call.id)


def _compared(former: Call, now: Call | None, rules: Sequence[Rule], texts: Texts) -> Comparison:
    if now is None or now.observation is None or former.observation is None:
        return Comparison("different")
    before, after = former.observation, now.observation
    of_files = alike_effects(before, after, texts)
    found = ladder(before, after, tool=former.name, own=rules, same_files=of_files is not None)
    if not of_files or not found.is_alike:
        return found
    return Comparison("normalised", tuple(dict.fromkeys((*found.rules, *of_files))))


def _divergence(
    former: Call,
    now: Call | None,
    compared: Comparison,
    moved_by: Mapping[str, int],
    packages: Sequence[MovedPackage],
) -> Divergence:
    cause = (
        Cause("not_made", "the call was not made again") if now is None else cause_of(former, now, moved_by, packages)
    )
    recorded = former.observation.text if former.observation else ""
    live = now.observation.text if now is not None and now.observation else ""
    live_seq = now.observation.seq if now is not None and now.observation else None
    return Divergence(former.seq, live_seq, former.name, former.input, compared.step, cause, None, recorded, live)


def _follows(divergence: Divergence, found: Sequence[Divergence]) -> int | None:
    """Return the earlier divergence that this one follows from: its files, or the very same cause."""
    if divergence.cause.event is not None:
        return divergence.cause.event
    kind, subject = divergence.cause.kind, divergence.cause.subject
    same = (each for each in found if subject is not None and (each.cause.kind, each.cause.subject) == (kind, subject))
    return next((each.seq for each in same), None)


def _moved_paths(former: Call, now: Call | None) -> set[str]:
    before = former.observation.effects if former.observation else frozenset()
    after = now.observation.effects if now is not None and now.observation else frozenset()
    return {effect[0] for effect in before ^ after}
