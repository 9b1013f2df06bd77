"""What the record of a session gives again, however long it is."""

import gc
import time
from collections.abc import Callable

from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import LocalOutputs, LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.events.session import SessionStatusIdle, SessionStatusRunning
from agentctl.events.user import UserMessage
from agentctl.harness.hands import Hands, Supplied
from agentctl.ids import SystemClock
from agentctl.launch.again.giving import Giver
from agentctl.launch.again.recording import Recording, recording_of
from agentctl.launch.driving import outlook_of
from agentctl.model.request import header_for
from agentctl.paths import Home
from agentctl.sandbox.base import ToolCall
from agentctl.sandbox.recorded import RecordedSandbox, Tape
from agentctl.session.files import Restoring
from agentctl.session.log import Record, Session
from agentctl.store.blobs import Blobs
from tests.compare.kit import Plan, bash, events_of
from tests.kit import MODEL, open_log

SHORT, LONG = 200, 3_200


def recording(events: list[Event]) -> Recording:
    return recording_of("sesn_long", [Record(number, event, "") for number, event in enumerate(events, 1)])


def seconds(deed: Callable[[], object]) -> float:
    """Return the processor's time for a deed, the least of three times."""
    taken = []
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        deed()
        taken.append(time.process_time() - began)
    return min(taken)


def test_what_no_sandbox_told_is_found_in_time_that_grows_with_the_record_and_no_more() -> None:
    def for_each(calls: int) -> float:
        plan = Plan(turns=tuple((bash(f"echo {number}", str(number)),) for number in range(calls)))
        found = recording(events_of(plan))
        assert [lost for _, _, lost in found.untold_calls] == [None] * calls
        return seconds(lambda: found.untold_calls) / calls

    assert for_each(LONG) < 5 * for_each(SHORT)


def resting(rests: int) -> list[Event]:
    """Make the events of a session in which a person said something, and a file was there, as often as it rested."""
    make = Maker(SystemClock())
    events = events_of(Plan(created={"request": header_for(MODEL, system=None, tools=[]).as_json()}), f"sesn_{rests}")
    for number in range(rests):
        events += [make(UserMessage, content=[text_block(str(number))]), make(SessionStatusRunning)]
        file = {"path": "count", "size": number, "mode": 0o644, "sha256": "a" * 64}
        events += [make(LocalOutputs, files=[file]), make(SessionStatusIdle, stop_reason={"type": "end_turn"})]
    return events


def test_whether_there_is_something_to_give_takes_no_longer_the_more_is_left_to_be_given(home: Home) -> None:
    def supply(_prepared: object, _attached: bool) -> Supplied:
        return Supplied(Restoring(()), Blobs(home.blobs))

    def for_each(rests: int) -> float:
        events = resting(rests)
        found, sandbox = recording(events), RecordedSandbox(Tape((), (), (), Blobs(home.blobs)))
        hands = Hands(sandbox, lambda: sandbox, supply, lambda _line: None, keep_seconds=0, prepared={})
        giver = Giver(found, hands, Maker(SystemClock()), lambda _hole: None)
        assert isinstance(events[0], LocalSessionCreated)
        with open_log(home) as log:
            session = Session(f"sesn_{rests}", log, outlook_of(events[0]))
            session.append(events[0])
            giver.go_on(session, ())
            assert session.seen == 2  # the first message is given at once, and all others behind the next rest
            taken = seconds(lambda: [giver.renews or giver.go_on(session, events[1:2]) for _ in range(2_000)])
            assert session.seen == 2
        return taken

    assert for_each(LONG) < 5 * for_each(SHORT)


def test_the_outputs_are_those_that_were_found_last_before_as_many_calls(home: Home) -> None:
    found = recording(resting(3))
    assert [(calls, files[0]["size"]) for calls, files in found.outputs] == [(1, 0), (1, 1), (1, 2)]
    tape = Tape(found.observed, (), found.outputs, Blobs(home.blobs))
    assert tape.outputs() == ()
    (call,) = found.observed
    assert tape.take(ToolCall("call", call.name, call.input)) is not None
    assert tape.outputs() == found.outputs[-1][1]
