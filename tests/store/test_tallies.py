"""Sums over sessions are those of the sessions themselves, kept until a session goes on, and a fork's are its own."""

from decimal import Decimal

import pytest

from agentctl.canonical import exact_json
from agentctl.events.agent import AgentToolResult
from agentctl.events.codec import known_types
from agentctl.events.local import LocalForked, LocalModelResponse
from agentctl.events.session import SessionStatusRunning
from agentctl.paths import Home
from agentctl.session.summary import Summary
from agentctl.session.tally import COUNTED, Place, Sums, tally_as_json, tally_from_json
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import read_events
from agentctl.store.leases import Lease
from agentctl.store.reckoned import reckoned
from agentctl.store.tallies import SessionTally, tally_sessions
from tests.kit import MODEL, Recorder, analysis, call, open_log, text


def tallies(home: Home) -> dict[str, SessionTally]:
    with reading(home) as connection:
        return {tally.session_id: tally for tally in tally_sessions(home, connection)}


def whole(tally: SessionTally) -> Sums:
    sums = Sums()
    for each in tally.sums.values():
        sums.add(each)
    return sums


def summary_of(home: Home, session_id: str) -> Summary:
    summary = Summary()
    with reading(home) as connection:
        for record in read_events(connection, Blobs(home.blobs), session_id):
            summary.add(record.event)
    return summary


def test_the_sums_are_those_that_are_shown_of_the_session(home: Home) -> None:
    with open_log(home) as log:
        analysis(Recorder(log, home, "one"))
    sums, summary = whole(tallies(home)["one"]), summary_of(home, "one")
    used = summary.result.used
    for name in ("requests", "input_tokens", "output_tokens", "cache_read_input_tokens", "cost", "unsettled"):
        assert getattr(sums, name) == getattr(used, name), name
    assert (sums.calls, sums.failed_calls) == (used.tool_calls, summary.failed_calls)
    assert sums.active_seconds == pytest.approx(used.active_seconds)
    assert sums.cache_share == summary.cache_share
    assert sums.ends == {"end_turn": 1}


def test_what_is_done_counts_where_it_was_done(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, "one")
        recorder.user("go")
        (first,) = recorder.answer(call("bash", command="true"))
        recorder.run_tools(first)
        recorder.clock.pass_by(3600)
        recorder.result(first, "no", seconds=2.0, exit_code=1)
        recorder.answer(text("done"))
        recorder.rest()
    sums = tallies(home)["one"].sums
    assert sums[Place("2026-11-20T09", MODEL, "bash")].calls == 1
    assert sums[Place("2026-11-20T10", MODEL, "bash")].failed_calls == 1
    assert sums[Place("2026-11-20T10", MODEL, "bash")].tool_seconds == 2.0
    assert [sums[Place(f"2026-11-20T{hour}", MODEL, "")].requests for hour in ("09", "10")] == [1, 1]


def test_a_model_without_a_price_does_not_hide_what_the_others_cost(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, "one")
        recorder.user("go")
        recorder.answer(text("one"))
        known = recorder.session.outlook.cost
        raw = exact_json({"model": "unheard-of", "content": [], "usage": {"output_tokens": 5}})
        recorder.add(LocalModelResponse, model_request_start_id="", model="unheard-of", raw=raw, tool_uses=[])
        recorder.answer(text("two"))
        recorder.rest()
    sums = whole(tallies(home)["one"])
    assert (sums.cost, sums.unpriced, sums.requests) == (2 * (known or 0), 1, 3)
    assert {place.model for place in tallies(home)["one"].sums} == {MODEL, "unheard-of"}


def test_a_fork_counts_what_it_did_itself_and_the_tools_of_calls_that_it_took_over(home: Home) -> None:
    with open_log(home) as log:
        parent = Recorder(log, home, "parent")
        parent.user("go")
        (run,) = parent.answer(call("bash", command="make"))
        at = parent.records()[-1]
        of = {"parent": "parent", "at": at.seq, "at_hash": at.hash, "agentctl_version": "0"}
        log.append("child", [parent.make(LocalForked, session_id="child", **of)])
        log.append("child", [parent.make(SessionStatusRunning)])
        log.append("child", [parent.make(AgentToolResult, tool_use_id=run.id, content=[], is_error=True)])
    found = tallies(home)
    assert whole(found["parent"]).requests == 1
    child = whole(found["child"])
    assert (child.requests, child.cost, child.calls, child.failed_calls) == (0, Decimal(0), 1, 1)
    assert "bash" in {place.tool for place in found["child"].sums}


def test_a_session_that_was_killed_is_counted_as_that_and_one_that_runs_is_not(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, "one")
        recorder.user("go")
        recorder.answer(call("bash", command="make"))
    assert whole(tallies(home)["one"]).ends == {"killed": 1}
    with Lease(home, "one"):
        assert whole(tallies(home)["one"]).ends == {}
    with open_log(home) as log:
        log.append("one", [recorder.make(SessionStatusRunning)])
    assert whole(tallies(home)["one"]).ends == {"killed": 1}


def test_what_is_kept_is_used_until_the_session_goes_on(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home, "one")
        analysis(recorder)
        before = tallies(home)
        read: list[int] = []
        with reading(home) as connection:
            assert list(tally_sessions(home, connection, read.append)) == list(before.values())
        assert read == []
        recorder.user("more")
        recorder.answer(text("done"))
        recorder.rest()
    assert whole(tallies(home)["one"]).requests == whole(before["one"]).requests + 1


def test_what_is_kept_can_be_thrown_away(home: Home) -> None:
    with open_log(home) as log:
        analysis(Recorder(log, home, "one"))
    before = tallies(home)
    assert reckoned(home).remove() > 0
    home.search.write_bytes(b"rubbish")
    assert tallies(home) == before


def test_sums_are_written_and_read_without_loss() -> None:
    sums = Sums(requests=2, cost=Decimal("0.10"), unsettled=Decimal("1e-7"), tool_seconds=0.25, ends={"end_turn": 1})
    kept = {Place("2026-11-20T09", "m", ""): sums}
    assert tally_from_json(tally_as_json(kept)) == kept


def test_the_types_that_are_counted_are_types_that_there_are() -> None:
    assert set(COUNTED) <= known_types()


def test_a_session_that_did_nothing_is_a_session(home: Home) -> None:
    with open_log(home) as log:
        Recorder(log, home, "one")
    assert list(tallies(home)["one"].sums.values()) == [Sums()]
