"""A session and its rerun: whether doing it again came to the same, and if not, where and why.

Three questions, one for each way of doing it again. Was each recorded call observed the same in a fresh
sandbox? Did a live model make the recorded calls? Does our own code make the same log of the same
answers and observations?
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeGuard

from agentctl.canonical import JsonObject, canonical_json
from agentctl.compare.calls import Call, Calls
from agentctl.compare.causes import Cause, MovedPackage, cause_of
from agentctl.compare.files import Texts, alike_effects
from agentctl.compare.normalise import Comparison, ladder
from agentctl.compare.rules import Rule
from agentctl.events.base import Event
from agentctl.events.codec import encode
from agentctl.events.local import LocalOutputs, LocalSessionCreated, LocalToolFacts
from agentctl.events.session import SessionError, SessionStatusIdle, SessionStatusRunning, SessionUsage
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.session.files import Contents
from agentctl.session.log import Record

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
    same = _words(recorded, own) == _words(live, own)
    return Findings(steps={"exact": compared}, rules=() if same else ("words",), compared=compared)


def log_findings(recorded: Sequence[Record], live: Sequence[Record], own: int) -> Findings:
    """Compare two logs event by event, without what is new each time: ids, times, and what follows from them."""
    former, now = [[*_comparable(records, own)] for records in (recorded, live)]
    for number, (record, body) in enumerate(former):
        other = now[number] if number < len(now) else None
        if other is None or other[1] != body:
            return Findings((_log_divergence(record, body, other),), {"exact": number}, (), number)
    return Findings((), {"exact": len(former)}, (), len(former))


def pairs(recorded: Sequence[Record], live: Sequence[Record], own: int) -> Iterator[tuple[Call, Call | None]]:
    """Yield each call that the record made itself, with the one that stands for it in the rerun."""
    former, now = _calls(recorded), _calls(live)
    shared = {call.id: call for call in now if call.seq < own}
    later = iter([call for call in now if call.seq >= own])
    for call in former:
        if call.seq >= own:
            other = next(later, None)
            yield call, other if other is not None and other.name == call.name else None
        elif call.observation is not None and (call.observation.seq or 0) >= own:
            yield call, shared.get(call.id)


def _calls(records: Iterable[Record]) -> Sequence[Call]:
    calls = Calls()
    for record in records:
        calls.add(record.seq, record.event)
    return calls.calls()


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


def _turns(records: Sequence[Record], own: int) -> list[list[Call]]:
    turns: dict[int, list[Call]] = {}
    for call in _calls(records):
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


_NEW_EACH_TIME = {"id", "processed_at", "local"}
_LEFT_OUT = {
    "local.checkpoint",
    "local.egress",
    "local.egress_started",
    "local.interrupted",
    "local.sandbox_lost",
    "local.sandbox_started",
    "local.forked",
    "local.session_created",
    "session.status_rescheduled",
}
_OF_USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation")


def _comparable(records: Sequence[Record], own: int) -> Iterator[tuple[Record, JsonObject]]:
    """Yield what of a log has to be the same each time, with numbers in place of ids."""
    kept = [*_lasting(records, own)]
    rename = _renaming({record.event.id: f"event {number}" for number, record in enumerate(kept)})
    return ((record, rename(_body(record.event))) for record in kept)


def _lasting(records: Sequence[Record], own: int) -> Iterator[Record]:
    """Yield the events that come again each time: not requests that failed, nor another process's beginning."""
    failed = {event.model_request_start_id for event in (each.event for each in records) if _is_failed_request(event)}
    running, outputs = False, None
    for record in records:
        event = record.event
        is_repeated = isinstance(event, SessionStatusRunning) and running
        if isinstance(event, SessionStatusRunning | SessionStatusIdle):
            running = isinstance(event, SessionStatusRunning)
        if isinstance(event, LocalOutputs):
            is_repeated, outputs = event.files == outputs, event.files
        if record.seq >= own and not is_repeated and not _is_left_out(event, failed):
            yield record


def _is_failed_request(event: Event) -> TypeGuard[SpanModelRequestEnd]:
    return isinstance(event, SpanModelRequestEnd) and bool(event.is_error)


def _is_left_out(event: Event, failed: Collection[str]) -> bool:
    if event.type in _LEFT_OUT or isinstance(event, LocalSessionCreated) or _is_failed_request(event):
        return True
    if isinstance(event, SpanModelRequestStart):
        return event.id in failed
    if isinstance(event, SessionError):
        return (event.error.get("retry_status") or {}).get("type") == "retrying"
    return isinstance(event, LocalToolFacts) and not event.facts


def _body(event: Event) -> JsonObject:
    body = {name: value for name, value in encode(event).items() if name not in _NEW_EACH_TIME}
    if isinstance(event, SessionUsage):
        return {"type": event.type, "usage": {name: event.usage.get(name) for name in _OF_USAGE}}
    return body if not isinstance(event, SpanModelRequestStart) else {"type": event.type}


def _renaming(names: Mapping[str, str]) -> Callable[[Any], Any]:
    def rename(value: Any) -> Any:
        match value:
            case str():
                return names.get(value, value)
            case dict():
                return {name: rename(item) for name, item in value.items()}
            case list() | tuple():
                return [rename(item) for item in value]
            case _:
                return value

    return rename


def _log_divergence(record: Record, body: JsonObject, other: tuple[Record, JsonObject] | None) -> Divergence:
    if other is None:
        line = f"the rerun ends before {record.event.type}"
    elif other[1]["type"] != body["type"]:
        line = f"the log goes on with {other[0].event.type} and not with {record.event.type}"
    else:
        names = sorted(name for name in body.keys() | other[1].keys() if body.get(name) != other[1].get(name))
        line = f"{record.event.type} has another {', '.join(names)}"
    was, now = canonical_json(body), canonical_json(other[1]) if other else ""
    live_seq = other[0].seq if other else None
    return Divergence(
        record.seq, live_seq, record.event.type, {}, "different", Cause("output_differs", line), None, was, now
    )
