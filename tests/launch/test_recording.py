"""What the record of a session gives again, however long it is."""

import gc
import time

from agentctl.launch.again.recording import recording_of
from agentctl.session.log import Record
from tests.compare.kit import Plan, bash, events_of

SHORT, LONG = 200, 3_200


def test_what_no_sandbox_told_is_found_in_time_that_grows_with_the_record_and_no_more() -> None:
    def seconds(calls: int) -> float:
        plan = Plan(turns=tuple((bash(f"echo {number}", str(number)),) for number in range(calls)))
        records = [Record(number, event, "") for number, event in enumerate(events_of(plan), 1)]
        recording = recording_of("sesn_long", records)
        taken = []
        for _ in range(3):
            gc.collect()
            began = time.process_time()
            assert [found for _, _, found in recording.untold_calls] == [None] * calls
            taken.append(time.process_time() - began)
        return min(taken)

    assert seconds(LONG) / LONG < 5 * seconds(SHORT) / SHORT
