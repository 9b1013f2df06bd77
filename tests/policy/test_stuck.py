"""Going in circles, and what only looks like it."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent, Stuck, snapshot
from agentctl.events.agent import AgentCustomToolUse, AgentThreadContextCompacted, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import (
    LocalCompactionResponse,
    LocalFilesChanged,
    LocalInputProcessed,
    LocalModelResponse,
    LocalStuck,
    LocalStuckWarned,
    LocalToolStarted,
)
from agentctl.events.session import SessionStatusIdle, SessionStatusRunning
from agentctl.events.user import UserCustomToolResult, UserMessage
from agentctl.ids import timestamp
from agentctl.policy.stuck import Thresholds, Watch

BEGAN = datetime(2026, 11, 20, 9, tzinfo=UTC)
USUAL = Thresholds()

_numbers = count()


@dataclass(frozen=True)
class Call:
    """A call with its result. ``seconds`` is how long it took."""

    input: JsonObject
    result: str = ""
    name: str = "bash"
    is_error: bool = False
    seconds: float = 0.1


def bash(command: str, result: str = "", seconds: float = 0.1, *, is_error: bool = False) -> Call:
    return Call({"command": command}, result, is_error=is_error, seconds=seconds)


def read(path: str, result: str = "text") -> Call:
    return Call({"file_path": path}, result, "read")


def new_id() -> str:
    return f"sevt_{next(_numbers)}"


def answer(*blocks: JsonObject, stop_reason: str = "end_turn", calls: int = 0) -> LocalModelResponse:
    raw = json.dumps({"content": list(blocks), "stop_reason": "tool_use" if calls else stop_reason})
    return LocalModelResponse(
        id=new_id(), model_request_start_id="s", model="m", raw=raw, tool_uses=[{"id": str(n)} for n in range(calls)]
    )


def round_of(*calls: Call, backwards: bool = False) -> list[Event]:
    """The events of an answer with these calls, all run side by side; ``backwards`` in which order they end."""
    uses = [AgentToolUse(id=new_id(), name=call.name, input=call.input) for call in calls]
    done = list(zip(uses, calls, strict=True))
    return [
        answer(calls=len(calls)),
        *uses,
        LocalToolStarted(id=new_id(), processed_at=timestamp(BEGAN), tool_use_ids=[use.id for use in uses]),
        *(result_of(use.id, call) for use, call in (reversed(done) if backwards else done)),
    ]


def changes_of(call_id: str | None, *contents: str) -> LocalFilesChanged:
    changes = [{"path": f"/workspace/{n}", "change": "modified", "sha256": data} for n, data in enumerate(contents)]
    return LocalFilesChanged(id=new_id(), changes=changes, tool_use_id=call_id)


def changing(calls: Sequence[Call], *effects: Sequence[str]) -> list[Event]:
    """One round for each of ``effects``: the same calls, the last of which leaves a file with that in it."""
    events: list[Event] = []
    for contents in effects:
        this = round_of(*calls)
        last = this[-1]
        assert isinstance(last, AgentToolResult)
        events += [*this, *([changes_of(last.tool_use_id, *contents)] if contents else [])]
    return events


def result_of(call_id: str, call: Call) -> AgentToolResult:
    return AgentToolResult(
        id=new_id(),
        processed_at=timestamp(BEGAN + timedelta(seconds=call.seconds)),
        tool_use_id=call_id,
        content=[text_block(call.result)] if call.result else [],
        is_error=call.is_error or None,
    )


def rounds(*calls: Call) -> list[Event]:
    return [event for call in calls for event in round_of(call)]


def after(events: Iterable[Event], watch: Watch = Watch()) -> Watch:  # noqa: B008 - frozen
    for event in events:
        watch = watch.after(event)
    return watch


def reason(events: Iterable[Event], thresholds: Thresholds = USUAL) -> str | None:
    found = after(events).verdict(thresholds)
    return found.reason if found else None


def first_reason(*calls: Call) -> tuple[int, str] | None:
    """After how many rounds there is a verdict, asked before each request as the harness does, and which."""
    watch = Watch()
    for number, call in enumerate(calls, start=1):
        watch = after(round_of(call), watch)
        if found := watch.verdict(USUAL):
            return number, found.reason
    return None


compacted = AgentThreadContextCompacted(id="c")
warned = LocalStuckWarned(id="w", reason="same_result", line="x", advice="y", role="user")
stopped = LocalStuck(id="w", reason="same_result", line="x")
message = UserMessage(id="m", content=[text_block("go on")])
taken = LocalInputProcessed(id="t", event_ids=["m"])
searched = {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}}


# --- circles ---


def test_the_same_call_with_the_same_result_four_times() -> None:
    assert first_reason(*[read("a.txt")] * 6) == (4, "same_result")


def test_the_same_call_with_the_same_error_three_times() -> None:
    assert first_reason(*[bash("make", "no rule", is_error=True)] * 6) == (3, "same_error")


def test_a_call_that_is_refused_again_and_again_is_the_same_error() -> None:
    denied = Call({"command": "rm -rf x"}, "Permission to use bash has been denied.", is_error=True)
    assert first_reason(*[denied] * 4) == (3, "same_error")


def test_two_calls_that_alternate_six_times() -> None:
    assert first_reason(*[read("a"), read("b")] * 4) == (6, "alternating")


def test_alternating_counts_from_where_it_began() -> None:
    assert first_reason(read("x"), read("x"), *[read("a"), read("b")] * 4) == (8, "alternating")
    assert first_reason(read("a"), read("a"), *[read("b"), read("a")] * 4) == (7, "alternating")


def test_calls_side_by_side_are_one_round_whichever_ends_first_and_in_whichever_order_they_were_made() -> None:
    one, other = read("a", "1"), bash("ls", "2")
    events = [
        *round_of(one, other),
        *round_of(one, other, backwards=True),
        *round_of(other, one),
        *round_of(other, one, backwards=True),
    ]
    assert reason(events) == "same_result"


def test_one_error_among_several_calls_is_not_the_same_error() -> None:
    events = [event for _ in range(3) for event in round_of(read("a"), bash("x", "no", is_error=True))]
    assert reason(events) is None


def test_the_same_output_once_as_a_result_and_once_as_an_error_are_two_results() -> None:
    assert first_reason(*[bash("x", "no"), bash("x", "no", is_error=True)] * 2) is None


def test_the_same_call_many_times_in_one_answer_is_one_round() -> None:
    assert reason(round_of(*[read("a")] * 8)) is None


def test_the_same_arguments_in_another_order_are_the_same_call() -> None:
    one, other = Call({"a": 1, "b": [2]}, "x", "custom"), Call({"b": [2], "a": 1}, "x", "custom")
    assert first_reason(one, other, one, other) == (4, "same_result")


def test_a_custom_tool_is_watched_too() -> None:
    watch = Watch()
    for _ in range(4):
        use = AgentCustomToolUse(id=new_id(), name="lookup", input={"key": "a"})
        result = UserCustomToolResult(id=new_id(), custom_tool_use_id=use.id, content=[text_block("none")])
        watch = after([answer(calls=1), use, result], watch)
    found = watch.verdict(USUAL)
    assert found
    assert found.line == "the same call of lookup gave the same result 4 times in a row"


def test_answers_that_say_they_go_on_and_call_nothing() -> None:
    paused = answer(text_block("I will continue."), stop_reason="pause_turn")
    assert reason([paused] * 2) is None
    assert reason([paused] * 3) == "no_action"
    assert reason([answer()] * 3) == "no_action"


def test_a_conversation_that_fills_the_window_again_at_once() -> None:
    assert reason([compacted] * 3) == "context_window"
    assert reason([compacted, *round_of(read("a", "1")), compacted, *round_of(read("b", "2")), compacted]) == (
        "context_window"
    )


# --- what only looks like it ---


def test_the_same_command_with_another_output_is_progress() -> None:
    assert first_reason(*[bash("tail -1 log", f"line {n}") for n in range(100)]) is None


def test_reading_a_file_that_grows_is_progress() -> None:
    assert first_reason(*[read("log", "x" * n) for n in range(1, 100)]) is None


def test_an_output_that_differs_only_in_a_time_is_another_output() -> None:
    assert first_reason(*[bash("date", f"09:00:{n:02}") for n in range(60)]) is None


def test_two_calls_in_turn_of_which_one_tells_something_new_are_progress() -> None:
    calls = [call for n in range(50) for call in (bash("./step"), read("state", str(n)))]
    assert first_reason(*calls) is None


def test_the_same_result_of_different_calls_is_progress() -> None:
    assert first_reason(*[read(f"{n}.txt", "empty") for n in range(50)]) is None


def test_sleeping_and_waiting_for_a_long_job_is_none() -> None:
    assert first_reason(*[bash("sleep 60", seconds=60)] * 29) is None
    assert first_reason(*[bash("kubectl wait --for=condition=ready pod/x", "pending", 0.2)] * 29) is None
    assert first_reason(*[bash("python3 -c 'import time; time.sleep(1)'", seconds=1)] * 29) is None
    assert first_reason(*[bash("while ! test -e done; do :; done; cat done", "no", 9, is_error=True)] * 29) is None


def test_sleeping_and_looking_in_turn_is_none() -> None:
    assert first_reason(*[bash("sleep 20", seconds=20), bash("cat log", "starting")] * 14) is None


def test_waiting_for_what_never_comes_is_told_in_the_end() -> None:
    assert first_reason(*[bash("sleep 60; tail -1 log", "50 %", 60)] * 40) == (30, "waiting")
    assert first_reason(*[bash("sleep 20", seconds=20), bash("cat log", "starting")] * 20) == (30, "alternating")


def test_quick_repetitions_among_slow_ones_are_counted_by_themselves() -> None:
    slow, quick = bash("make", "ok", 8), bash("make", "ok", 1)
    assert first_reason(slow, quick, slow, quick, slow, quick, slow, quick) == (8, "same_result")


def test_a_pause_in_which_the_api_itself_searched_is_an_act() -> None:
    paused = answer(searched, text_block("I go on."), stop_reason="pause_turn")
    assert reason([paused] * 9) is None


def test_a_summary_is_no_answer() -> None:
    asked = LocalCompactionResponse(id="c", model_request_start_id="s", model="m", raw="{}")
    assert reason([asked] * 5) is None


def test_conversations_that_are_shortened_now_and_then_are_none() -> None:
    events = [[compacted, *rounds(read("a", str(n)), read("b", str(n)))] for n in range(5)]
    assert reason([event for each in events for event in each]) is None


def test_a_call_that_has_no_result_yet_counts_for_nothing() -> None:
    events = [
        *rounds(*[read("a")] * 3),
        answer(calls=1),
        AgentToolUse(id="open", name="read", input={"file_path": "a"}),
    ]
    assert reason(events) is None
    assert reason([*events, result_of("open", read("a"))]) == "same_result"


def test_a_result_for_no_call_and_a_second_one_change_nothing() -> None:
    watch = after(rounds(read("a")))
    assert watch.after(result_of("nobody", read("a"))) is watch
    two = after([answer(calls=2), *(AgentToolUse(id=name, name="read", input={}) for name in ("one", "two"))])
    half = two.after(result_of("one", read("a")))
    assert half.after(result_of("one", read("b"))) is half
    assert half.after(result_of("two", read("b"))).circle.repeats == 1


@pytest.mark.parametrize("input_event", [taken, UserMessage(id="m", processed_at=timestamp(BEGAN), content=[])])
def test_what_a_person_says_begins_the_count_anew(input_event: Event) -> None:
    assert reason([*rounds(*[read("a")] * 3), input_event, *rounds(*[read("a")] * 3)]) is None


def test_what_a_person_said_counts_only_when_it_is_taken_up() -> None:
    assert reason([*rounds(*[read("a")] * 3), message, *rounds(read("a"))]) == "same_result"


def test_a_session_that_rests_for_an_approval_between_the_calls_is_watched_all_the_same() -> None:
    idle = SessionStatusIdle(id="i", stop_reason={"type": "requires_action"})
    running = SessionStatusRunning(id="r")
    assert reason([event for _ in range(4) for event in (*round_of(read("a")), idle, running)]) == "same_result"


# --- told once, then stopped ---


def test_the_first_verdict_is_a_warning_and_gives_the_full_number_of_tries() -> None:
    watch = after(rounds(*[read("a")] * 4))
    found = watch.verdict(USUAL)
    assert found
    assert not found.final
    watch = after([warned, *rounds(*[read("a")] * 3)], watch)
    assert watch.verdict(USUAL) is None


def test_a_second_verdict_after_the_warning_is_final_whichever_it_is() -> None:
    told = [*rounds(*[read("a")] * 4), warned]
    for again in ([*rounds(*[read("a")] * 4)], [*rounds(*[read("a"), read("b")] * 3)], [answer()] * 3):
        found = after([*told, *again]).verdict(USUAL)
        assert found
        assert found.final


def test_a_model_that_has_moved_on_is_warned_again_not_stopped() -> None:
    moved_on = rounds(*[read(f"{n}.txt", str(n)) for n in range(10)])
    found = after([*rounds(*[read("a")] * 4), warned, *moved_on, *rounds(*[read("a")] * 4)]).verdict(USUAL)
    assert found
    assert not found.final


def test_a_person_who_speaks_takes_the_warning_back() -> None:
    found = after([warned, message, taken, *rounds(*[read("a")] * 4)]).verdict(USUAL)
    assert found
    assert not found.final


def test_a_session_that_was_stopped_and_is_resumed_begins_anew() -> None:
    watch = after([*rounds(*[read("a")] * 4), warned, *rounds(*[read("a")] * 4), stopped])
    assert watch.verdict(USUAL) is None
    found = after(rounds(*[read("a")] * 4), watch).verdict(USUAL)
    assert found
    assert not found.final


# --- words and settings ---


def test_the_words_name_the_tools_and_keep_hostile_names_harmless() -> None:
    hostile = Call({}, name="\x1b[2J" + "x" * 100)
    shown = "\\x1b[2J" + "x" * 60
    for others, named in (
        ([], shown),
        ([read("a")], f"{shown} and read"),
        ([read("a"), bash("ls")], f"{shown} and other tools"),
    ):
        found = after(round_of(hostile, *others) * 4).verdict(USUAL)
        assert found
        assert found.line == f"the same call of {named} gave the same result 4 times in a row"
        assert "\x1b" not in found.advice


@pytest.mark.parametrize(
    "events",
    [
        rounds(*[read("a")] * 4),
        rounds(*[bash("x", "no", is_error=True)] * 3),
        rounds(*[read("a"), bash("b")] * 3),
        rounds(*[bash("sleep 9", seconds=9)] * 30),
        [answer()] * 3,
        [compacted] * 3,
    ],
)
def test_every_verdict_has_a_line_for_a_person_and_advice_for_the_model(events: list[Event]) -> None:
    found = after(events).verdict(USUAL)
    assert found
    assert found.line.islower() or found.reason == "context_window"
    assert not found.line.endswith(".")
    assert "\n" not in found.line
    assert found.advice.endswith("The session will be stopped if this goes on.")


def test_the_thresholds_of_an_agent_are_read_from_its_snapshot() -> None:
    agent = {"name": "x", "model": "m"}
    assert Thresholds.from_json(snapshot(Agent.model_validate(agent))["local"]["stuck"]) == USUAL
    other = {**agent, "local": {"stuck": {"same_error": 7}}}
    assert Thresholds.from_json(snapshot(Agent.model_validate(other))["local"]["stuck"]) == Thresholds(same_error=7)
    off = {**agent, "local": {"stuck": {"enabled": False}}}
    assert Thresholds.from_json(snapshot(Agent.model_validate(off))["local"]["stuck"]) is None


def test_a_session_from_before_there_were_thresholds_has_the_usual_ones() -> None:
    assert Thresholds.from_json({}) == USUAL
    assert set(Stuck.model_fields) - {"enabled"} == set(USUAL.__slots__)


# --- for any session ---

CALLS = st.builds(
    Call,
    input=st.fixed_dictionaries({"command": st.sampled_from(["ls", "make", "sleep 1", "cat log"])}),
    result=st.sampled_from(["", "a", "b"]),
    is_error=st.booleans(),
    seconds=st.sampled_from([0.0, 1.0, 5.0, 60.0]),
)
ROUNDS = st.lists(st.lists(CALLS, min_size=1, max_size=3), max_size=40)


@settings(deadline=None)
@given(ROUNDS)
def test_a_watch_never_flags_rounds_whose_outputs_all_differ(calls: list[list[Call]]) -> None:
    watch = Watch()
    for number, together in enumerate(calls):
        first = Call(together[0].input, f"{together[0].result} {number}", is_error=together[0].is_error)
        watch = after(round_of(first, *together[1:]), watch)
        assert watch.verdict(USUAL) is None


@settings(deadline=None)
@given(ROUNDS)
def test_a_watch_is_the_same_wherever_it_was_taken_up_and_never_grows(calls: list[list[Call]]) -> None:
    events = [event for together in calls for event in round_of(*together)]
    assert after(events[len(events) // 2 :], after(events[: len(events) // 2])) == after(events)
    assert after(events).open == Watch().open


@settings(deadline=None)
@given(ROUNDS, st.lists(CALLS, min_size=1, max_size=3))
def test_whatever_came_before_a_round_that_is_repeated_for_ever_is_found(
    calls: list[list[Call]], together: list[Call]
) -> None:
    before = [event for each in calls for event in round_of(*each)]
    assert reason([*before, *(event for _ in range(30) for event in round_of(*together))]) is not None


def test_a_long_session_takes_no_more_memory_than_a_short_one() -> None:
    def size(watch: Watch) -> int:
        return sum(map(sys.getsizeof, vars(watch).values()))

    short = after(rounds(*[bash("a", str(n)) for n in range(10)]))
    long = after(rounds(*[bash("a", str(n) * 100) for n in range(2_000)]))
    assert size(long) <= size(short) + 16


def test_a_call_that_says_the_same_and_changes_files_does_something_new() -> None:
    call = bash("make", "ok")
    assert reason(changing([call], *([str(number)] for number in range(20)))) is None
    assert reason(changing([read("x"), call], *([str(number)] for number in range(20)))) is None
    failing = bash("make", "no", is_error=True)
    assert reason(changing([failing], *([str(number)] for number in range(20)))) is None


def test_files_that_become_the_same_again_and_again_are_no_progress() -> None:
    call = bash("make", "ok")
    assert reason(changing([call], *(["same"] for _ in range(4)))) == "same_result"
    assert reason(changing([call], *(["one"], ["other"]) * 3)) == "alternating"
    assert reason(changing([call], [], [], [], [])) == "same_result"


def test_changes_that_no_call_made_are_no_progress() -> None:
    events = [event for n in range(4) for event in (changes_of(None, str(n)), *round_of(bash("ls", "x")))]
    assert reason(events) == "same_result"


def test_changes_take_a_warning_back_as_new_results_do() -> None:
    warned = after([LocalStuckWarned(id=new_id(), reason="same_result", line="", advice="", role="user")])
    assert after(changing([bash("make")], *([str(n)] for n in range(10))), warned).warned is False
    assert after(changing([bash("make")], *([str(n)] for n in range(9))), warned).warned is True
    assert after(changing([bash("make")], *(["same"] for n in range(30))), warned).warned is True
