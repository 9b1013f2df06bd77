"""Whether a log that was made again is the same, but for what is new each time."""

import gc
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from agentctl.compare.again.findings import Divergence
from agentctl.compare.again.log import log_findings
from agentctl.events.base import Event
from agentctl.events.local import LocalModelResponse, LocalSandboxStarted, LocalToolFacts
from agentctl.events.make import Maker
from agentctl.events.session import SessionStatusRunning
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.session.log import Record
from tests.compare.kit import Plan, bash, events_of
from tests.kit import FixedClock

TWO = Plan(turns=((bash("ls", "a b"), bash("pwd", "/w")), (bash("make", "built"),)))


def recorded(events: Sequence[Event]) -> list[Record]:
    return [Record(number, event, "") for number, event in enumerate(events, 1)]


def made(plan: Plan = TWO) -> list[Event]:
    """Make the events of a session; the model gives its calls the same names each time."""
    return [_as_answered(place, event) for place, event in enumerate(events_of(plan))]


def _as_answered(place: int, event: Event) -> Event:
    if not isinstance(event, LocalModelResponse):
        return event
    raw, uses = event.raw, []
    for number, use in enumerate(event.tool_uses):
        raw = raw.replace(use["id"], f"toolu_{place}_{number}")
        uses.append(use | {"id": f"toolu_{place}_{number}"})
    return replace(event, raw=raw, tool_uses=uses)


def first(one: Sequence[Event], other: Sequence[Event], own: int = 1) -> Divergence | None:
    return log_findings(recorded(one), recorded(other), own).first


def test_ids_and_times_are_new_each_time_and_everything_else_is_compared() -> None:
    found = log_findings(recorded(made()), recorded(made()), 1)
    assert found.verdict == "reproduced"
    assert found.compared == len(made()) - 2  # the definitions and the start of the sandbox are those of each


def test_an_id_stands_for_the_event_that_has_it_also_where_that_comes_later() -> None:
    one, other = made(), made()
    place, answer = next((at, each) for at, each in enumerate(other) if isinstance(each, LocalModelResponse))
    former, latter = answer.tool_uses
    other[place] = replace(answer, tool_uses=[former, latter | {"event_id": former["event_id"]}])
    found = first(one, other)
    assert found is not None
    assert (found.seq, found.name) == (place + 1, "local.model_response")
    assert found.cause.line == "local.model_response has another tool_uses"
    assert '"event_id":"event ' in found.recorded
    assert '"event_id":"event ' in found.live
    assert "sevt_" not in found.recorded + found.live


@pytest.mark.parametrize(
    ("other", "name", "line"),
    [
        (TWO.with_call(1, bash("make", "failed")), "agent.tool_result", "has another content"),
        (TWO.with_call(1, bash("make all", "built")), "local.model_response", "has another raw"),
        (TWO.but(turns=TWO.turns[:1]), "local.model_response", "has another raw, tool_uses"),
        (TWO.but(outputs=({"path": "a", "size": 1, "mode": 0o644},)), "session.status_idle", "local.outputs"),
    ],
)
def test_the_first_event_that_is_another_is_named(other: Plan, name: str, line: str) -> None:
    found = first(made(), made(other))
    assert found is not None
    assert found.name == name
    assert line in found.cause.line


def test_a_log_that_ends_early_is_another_and_one_that_goes_on_is_not() -> None:
    found = first(made(), made()[:-1])
    assert found is not None
    assert found.live_seq is None
    assert found.cause.line == "the rerun ends before session.status_idle"
    assert first(made()[:-1], made()) is None


def test_requests_without_an_answer_and_new_beginnings_are_left_out() -> None:
    make, plain = Maker(FixedClock()), made()
    start, killed = make(SpanModelRequestStart), make(SpanModelRequestStart)
    failed = make(SpanModelRequestEnd, model_request_start_id=start.id, model_usage={}, is_error=True)
    empty = make(LocalToolFacts, tool_use_id="none", facts={})
    more = [*plain[:3], make(SessionStatusRunning), make(LocalSandboxStarted, facts={}), start, failed]
    assert first([*more, empty, *plain[3:], killed], made()) is None
    assert first(made(), [*more, empty, *made()[3:], killed]) is None


def test_what_a_fork_shares_is_not_compared() -> None:
    one, other = made(), made(TWO.with_call(1, bash("make", "failed")))
    assert first(one, other) is not None
    assert first(one, other, own=len(one)) is None


class Passing:
    """Records that are made anew each time; ``most`` of their events were there at once."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        self._there: list[weakref.ref[_Watched]] = []
        self.most = 0

    def __iter__(self) -> Iterator[Record]:
        for number, event in enumerate(self._events, 1):
            record = _Watched(number, event, "")
            self._there = [each for each in (*self._there, weakref.ref(record)) if each() is not None]
            self.most = max(self.most, len(self._there))
            yield record


class _Watched(Record):
    __slots__ = ("__weakref__",)


def test_no_more_than_the_events_that_are_compared_are_held_at_once() -> None:
    plan = Plan(turns=tuple((bash(f"echo {number}", str(number)),) for number in range(200)))
    one, other = Passing(made(plan)), Passing(made(plan))
    gc.collect()
    assert log_findings(one, other, 1).verdict == "reproduced"
    assert max(one.most, other.most) < 10
