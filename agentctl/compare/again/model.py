"""Did a live model make the recorded calls?"""

from collections import Counter
from collections.abc import Iterable, Sequence

from agentctl.canonical import canonical_json
from agentctl.compare.again.findings import Divergence, Findings
from agentctl.compare.calls import Call, calls_of
from agentctl.compare.causes import Cause
from agentctl.events.codec import encode
from agentctl.session.log import Record


def model_findings(recorded: Sequence[Record], live: Sequence[Record], own: int, *, is_whole: bool = True) -> Findings:
    """Compare the calls that a live model made with the recorded ones. What it said beside them is no divergence.

    Behind the end of a record that is not ``is_whole`` a model may do what it likes.
    """
    former, now = _turns(recorded, own), _turns(live, own)
    for number, turn in enumerate(former):
        others = now[number] if number < len(now) else []
        missing, extra = _without(turn, others), _without(others, turn)
        if missing:
            return _model_diverged(missing[0], extra, former)
        if extra:
            return _model_diverged(turn[-1], extra, former, more=True)
    compared = sum(map(len, former))
    if len(now) > len(former) and is_whole:
        last = former[-1][-1] if former else None
        return _made_more(last, now[len(former)][0], compared, own)
    before, after = _words(recorded, own), _words(live, own)
    same = before == (after if is_whole else after[: len(before)])
    return Findings(steps={"exact": compared}, rules=() if same else ("words",), compared=compared)


def _turns(records: Sequence[Record], own: int) -> list[list[Call]]:
    turns: dict[int, list[Call]] = {}
    for call in calls_of(records):
        if call.seq >= own:
            turns.setdefault(call.turn, []).append(call)
    return list(turns.values())


def _without(calls: Sequence[Call], others: Sequence[Call]) -> list[Call]:
    """Return the calls that are not among others, each as often as there are too few of them."""
    left = Counter(map(_key, others))
    found = []
    for call in calls:
        if left[_key(call)]:
            left[_key(call)] -= 1
        else:
            found.append(call)
    return found


def _key(call: Call) -> str:
    return canonical_json([call.name, call.input])


def _model_diverged(
    call: Call, others: Sequence[Call], former: Sequence[Sequence[Call]], *, more: bool = False
) -> Findings:
    other = others[0] if others else None
    before = sum(1 for turn in former for each in turn if each.seq < call.seq)
    asked = f"{other.name} {canonical_json(other.input)}"[:160] if other is not None else None
    line = f"the model {'also ' if more else ''}asks for {asked}" if asked else "the model does not ask for it"
    divergence = Divergence(
        call.seq, other.seq if other else None, call.name, call.input, "different", Cause("not_made", line)
    )
    return Findings((divergence,), {"exact": before, "different": 1}, (), before + 1)


def _made_more(last: Call | None, extra: Call, compared: int, own: int) -> Findings:
    line = f"the model goes on with {extra.name} {canonical_json(extra.input)[:160]}"
    name, asked, seq = (last.name, last.input, last.seq) if last else (extra.name, extra.input, own)
    return Findings(
        (Divergence(seq, extra.seq, name, asked, "different", Cause("not_made", line)),),
        {"exact": compared, "different": 1},
        (),
        compared + 1,
    )


def _words(records: Iterable[Record], own: int) -> list[object]:
    words: list[object] = []
    for record in records:
        if record.seq >= own and record.event.type == "agent.message":
            words += encode(record.event)["content"]
    return words
