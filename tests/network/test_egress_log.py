"""Verdicts are in the record before, or as soon as, it matters."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from agentctl.canonical import JsonObject
from agentctl.errors import StoreError
from agentctl.events.base import Event
from agentctl.events.local import LocalEgress, LocalEgressStarted
from agentctl.events.make import Maker
from agentctl.ids import SystemClock
from agentctl.launch.egress import EgressLog
from agentctl.paths import Home
from agentctl.session.log import EventLog, Record
from tests.kit import Recorder, open_log
from tests.network.kit import no_threads

ASKED: JsonObject = {"host": "a.example", "port": 443, "scheme": "https"}
ENDED: JsonObject = ASKED | {"allowed": True, "duration_seconds": 0.1, "bytes_sent": 1, "bytes_received": 2}
REFUSED: JsonObject = ENDED | {"allowed": False, "reason": "no"}


class Failing:
    """A log whose disk can be full."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.is_full = False

    def append(self, session_id: str, events: Sequence[Event]) -> Sequence[Record]:
        if self.is_full:
            raise StoreError("the disk is full")
        return self.log.append(session_id, events)

    def read(self, session_id: str, *, after: int = 0) -> Iterator[Record]:
        return self.log.read(session_id, after=after)


@pytest.fixture
def recorder(home: Home) -> Iterator[Recorder]:
    with open_log(home) as log:
        yield Recorder(log, home)


@pytest.fixture
def failing(home: Home) -> Iterator[Failing]:
    with open_log(home) as log:
        yield Failing(log)


@pytest.fixture
def egress(recorder: Recorder, failing: Failing) -> Iterator[EgressLog]:
    made = EgressLog(recorder.session.id, lambda: contextlib.nullcontext(failing), Maker(SystemClock()))
    yield made
    made.close()


def recorded(failing: Failing, recorder: Recorder) -> list[Event]:
    events = [record.event for record in failing.read(recorder.session.id)]
    return [event for event in events if isinstance(event, LocalEgress | LocalEgressStarted)]


def soon(failing: Failing, recorder: Recorder, count: int) -> list[Event]:
    deadline = time.monotonic() + 20
    while len(found := recorded(failing, recorder)) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def test_a_connection_is_in_the_record_before_it_is_made(
    egress: EgressLog, failing: Failing, recorder: Recorder
) -> None:
    named = egress.begun(ASKED)
    assert [event.id for event in recorded(failing, recorder)] == [named]


def test_how_it_ended_is_in_the_record_within_a_moment(egress: EgressLog, failing: Failing, recorder: Recorder) -> None:
    egress.ended(ENDED)
    egress.ended(REFUSED)
    assert [event.allowed for event in soon(failing, recorder, 2) if isinstance(event, LocalEgress)] == [True, False]


def test_where_no_thread_can_be_started_nothing_is_lost_and_closing_raises_nothing(
    egress: EgressLog, failing: Failing, recorder: Recorder
) -> None:
    with no_threads():
        egress.ended(ENDED)
    egress.close()
    assert len(recorded(failing, recorder)) == 1


def test_a_thread_that_could_not_be_started_is_with_the_next_verdict(
    egress: EgressLog, failing: Failing, recorder: Recorder
) -> None:
    with no_threads():
        egress.ended(ENDED)
    egress.ended(ENDED)
    assert len(soon(failing, recorder, 2)) == 2


def test_others_write_into_the_session_meanwhile(egress: EgressLog, failing: Failing, recorder: Recorder) -> None:
    def ask() -> None:
        for _ in range(20):
            egress.begun(ASKED)
            egress.ended(ENDED)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        recorder.user("hello")
    for thread in threads:
        thread.join()
    egress.flush()
    recorder.session.catch_up()
    assert len(recorded(failing, recorder)) == 160
    assert [record.seq for record in failing.read(recorder.session.id)][-1] == recorder.session.seen


def test_while_the_store_takes_nothing_nothing_goes_out_and_nothing_is_lost(  # H14
    egress: EgressLog, failing: Failing, recorder: Recorder
) -> None:
    egress.begun(ASKED)
    failing.is_full = True
    egress.ended(ENDED)
    with pytest.raises(StoreError):
        egress.begun(ASKED)
    egress.flush()
    failing.is_full = False
    egress.begun(ASKED)
    assert [event.type for event in recorded(failing, recorder)] == [
        "local.egress_started",
        "local.egress",
        "local.egress_started",
    ]


def test_very_many_refusals_are_counted_and_all_told_when_the_session_rests(
    egress: EgressLog, failing: Failing, recorder: Recorder
) -> None:
    for _ in range(5_000):
        egress.ended(REFUSED)
    egress.flush()
    found = [event for event in recorded(failing, recorder) if isinstance(event, LocalEgress)]
    assert len(found) == 1_001
    assert found[-1].times == 4_000


def test_after_the_end_nothing_is_written(egress: EgressLog, failing: Failing, recorder: Recorder) -> None:
    egress.ended(ENDED)
    egress.close()
    egress.close()
    assert len(recorded(failing, recorder)) == 1
    egress.ended(ENDED)
    with pytest.raises(StoreError):
        egress.begun(ASKED)
