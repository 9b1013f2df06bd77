"""The first line names the likeliest cause, once, in words; a consequence never stands before it."""

from dataclasses import replace
from typing import Any

import pytest

from agentctl.compare.sessions import Compared, compare
from agentctl.compare.side import Side
from agentctl.events.agent import AgentToolResult
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import LocalEgress, LocalInterrupted, LocalLimitReached, LocalToolStarted
from agentctl.events.make import Maker
from agentctl.events.session import SessionError, SessionStatusIdle
from agentctl.render.diff.heading import heading
from agentctl.render.diff.inside import detail_lines
from agentctl.render.diff.markdown import markdown
from agentctl.render.diff.page import Page, Wanted
from agentctl.render.lines import paint_all
from agentctl.render.look import Look
from agentctl.session.log import Record
from agentctl.session.notices import FORKED
from tests.compare.kit import Done, Plan, bash, changed, compared, events_of, side_of
from tests.kit import FixedClock

LONG = Plan(((bash("one"),), (bash("two"),), (bash("three"),)))
MAKE = Maker(FixedClock())
RETRIED = {"type": "model_overloaded_error", "message": "529: overloaded", "retry_status": {"type": "exhausted"}}

ENDS: dict[str, tuple[list[Event], str]] = {
    "an error": (
        [MAKE(SessionError, error=RETRIED), MAKE(SessionStatusIdle, stop_reason={"type": "retries_exhausted"})],
        "failed (529: overloaded)",
    ),
    "a limit": (
        [
            MAKE(LocalLimitReached, limit="max_turns", allowed=1, used=1, line="1 of 1"),
            MAKE(SessionStatusIdle, stop_reason={"type": "budget_reached"}),
        ],
        "came to its limit (max_turns)",
    ),
    "a signal": ([MAKE(LocalInterrupted, signal="SIGTERM")], "was stopped (SIGTERM)"),
    "nothing": ([], "has not come to rest"),
    "a refusal": ([MAKE(SessionStatusIdle, stop_reason={"type": "refusal"})], "ended because the model declined"),
}


def ended(plan: Plan, end: list[Event]) -> Side:
    """Return a session that ends otherwise than by its last answer."""
    events = [event for event in events_of(plan) if not isinstance(event, SessionStatusIdle)]
    events += end
    return Side.of("B", (Record(number, event, "") for number, event in enumerate(events, 1)))


def first_line(found: Compared) -> str:
    return heading(found)[0]


def page(found: Compared, **wanted: Any) -> str:
    look = Look(columns=100, wraps=True)
    return paint_all(Page(found, look, Wanted(**wanted)).lines(), look)


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("calls", [0, 1, 3])
def test_a_session_that_did_not_come_to_its_end_is_said_to_be_one(how: str, calls: int) -> None:
    end, words = ENDS[how]
    side = ended(Plan(LONG.turns[:calls]), end)
    when = "before its first call" if not calls else f"after {calls} same call{'s' if calls > 1 else ''}"
    assert first_line(compare(side_of(LONG), side)) == f"B {words} {when}"
    assert first_line(compare(side, side_of(LONG))) == f"A {words} {when}"


def test_an_agent_that_is_done_earlier_has_not_failed() -> None:
    line = first_line(compared(LONG, Plan(LONG.turns[:2])))
    assert line == "the agents part after 2 same calls: A calls bash three, where B ends"


def test_what_parts_before_the_end_comes_first() -> None:
    side = ended(Plan(((bash("one"),), (bash("else", "otherwise"),))), ENDS["an error"][0])
    assert "the agents part after 1 same call" in first_line(compare(side_of(LONG), side))


def test_a_long_text_is_shown_where_it_differs() -> None:
    before, behind = "Read every file. " * 40, " And so on." * 40
    agents = [{"name": "analyst", "system": f"{before}Explain {what}.{behind}"} for what in ("nothing", "everything")]
    line = first_line(compared(LONG.but(created={"agent": agents[0]}), LONG.but(created={"agent": agents[1]})))
    assert "Explain nothing." in line
    assert "Explain everything." in line
    assert len(line) < 180


def test_a_model_is_named_once() -> None:
    one, other = ({"name": "analyst", "model": {"id": f"claude-{name}"}} for name in ("opus", "haiku"))
    models = [
        {"agent": agent, "model": agent["model"]["id"], "request": {"model": agent["model"]}} for agent in (one, other)
    ]
    found = compared(LONG.but(created=models[0]), LONG.but(created=models[1]))
    assert first_line(found) == "agent differs: model.id claude-opus -> claude-haiku"
    assert len(found.layers["header"].differences) == 1


def test_another_kind_of_sandbox_says_what_follows_from_it() -> None:
    created = {
        "sandbox": {"kind": "none", "version": "3"},
        "request": {"model": "m", "system": "Your sandbox is none."},
    }
    found = compared(LONG, LONG.but(created=created, facts={"python": "3.9"}))
    assert first_line(found) == "sandbox differs: docker -> none"
    assert len(found.layers["header"].differences) == 1


def test_that_a_call_had_to_be_asked_for_and_what_was_answered_are_both_told() -> None:
    one, other = (Plan(((bash("rm x", **how),),)) for how in ({}, {"permission": "ask", "answer": "deny"}))
    assert "permission of bash allow -> ask, answer to bash only in B: deny" in page(compared(one, other))


def details(one: str, other: str, **how: Any) -> list[str]:
    found = compared(Plan(((bash("x", one, **how),),)), Plan(((bash("x", other, **how),),)))
    assert found.first is not None
    look = Look(columns=100)
    return ["".join(span.text for span in line).strip() for line in detail_lines(found.first, look, 100)]


def test_lines_that_are_the_same_but_for_noise_are_not_shown_as_differing() -> None:
    one = "Fri Nov 20 11:52:54 UTC 2026\nrows 3\ntook 0.3s"
    other = "Fri Nov 20 11:53:26 UTC 2026\nrows 4\ntook 0.9s"
    assert [line for line in details(one, other) if line[0] in "+-"] == ["- rows 3", "+ rows 4"]


def test_an_exit_code_that_the_text_says_is_not_said_again() -> None:
    assert "(exit 1)" not in "".join(details("a\n[exit code 1]", "b\n[exit code 1]", exit_code=1))


def test_texts_that_have_little_in_common_stand_below_each_other() -> None:
    assert details("wrote 35 bytes to report.md", "Permission to use write has been denied") == [
        "- wrote 35 bytes to report.md",
        "+ Permission to use write has been denied",
    ]


def test_numbers_that_read_the_same_are_no_row() -> None:
    assert "seconds" not in page(compared(LONG.but(seconds=1.0), LONG.but(seconds=1.001)))


def test_what_cannot_be_done_again_is_not_offered_to_be() -> None:
    other = LONG.with_call(0, bash("one", "otherwise"))
    imported = {"imported": {"format": "claude-code", "name": "x", "sha256": "0"}}
    assert "rerun A" in page(compared(LONG, other))
    assert "rerun" not in page(compared(LONG.but(created=imported), other.but(created=imported)))


def test_a_call_that_its_name_says_whole_is_not_repeated_below_it() -> None:
    found = compared(LONG, Plan((*LONG.turns, (bash("four"),))))
    assert page(found).count("four") == 3, "the first line, the call, and the event"


def with_connection(plan: Plan, reason: str | None) -> Side:
    """Return a session whose first call connects to a host, which fails for a reason, or does not."""
    members = {"host": "data.test", "port": 443, "allowed": True, "scheme": "https", "duration_seconds": 0.1}
    connection = MAKE(LocalEgress, **members, bytes_sent=1, bytes_received=1, reason=reason)
    events: list[Event] = []
    for event in events_of(plan):
        events += [event, connection] if isinstance(event, LocalToolStarted) else [event]
    return Side.of("B", (Record(number, event, "") for number, event in enumerate(events, 1)))


def test_a_host_that_was_not_reached_is_the_reason_of_what_the_call_gave() -> None:
    good, bad = (Plan(((bash("curl x | wc -l", text),),)) for text in ("3", "1"))
    found = compare(with_connection(good, None), with_connection(bad, "it could not be reached: refused"))
    assert page(found).splitlines()[1] == (
        "  network: data.test:443 allowed -> failed (it could not be reached: refused)"
    )
    assert [layer.name for layer in found.differing] == ["observations", "network"]
    same = compare(with_connection(good, "it ended early"), with_connection(good, "it ended early"))
    assert not same.differing


def test_what_both_do_in_the_same_place_is_told() -> None:
    found = compared(LONG, Plan((LONG.turns[0], (Done("glob", {"pattern": "*"}, "a", None),), LONG.turns[2])))
    assert first_line(found) == "the agents part after 1 same call: A calls bash two, B calls glob *"


def test_that_a_call_was_denied_is_the_reason_of_what_it_gave() -> None:
    one, other = (Plan(((bash("rm x", text, answer=answer),),)) for text, answer in (("", "allow"), ("denied", "deny")))
    found = compared(one, other, layers=["observations"])
    assert page(found).splitlines()[1] == "  it was denied in B"


def test_layers_that_were_asked_for_alone_are_named_where_they_are_the_same() -> None:
    other = LONG.with_call(0, bash("one", "otherwise"))
    assert first_line(compared(LONG, other, layers=["trajectory", "files"])) == "the same in trajectory, files"
    assert first_line(compared(LONG, other, layers=["metrics"])) == "numbers are never a difference"


def test_files_that_are_listed_are_counted_without_those_of_calls() -> None:
    one, other = (
        Plan(((bash("make", changes=[changed("/workspace/a", digest), changed("/workspace/b", digest)]),),))
        for digest in "12"
    )
    assert "files         2 differences, and 1 in calls" in page(compared(one, other), listed=True)


PROMPT = "You look into things.\nRead every file.\nSay so plainly.\nNever guess.\n"


def test_a_prompt_of_several_lines_is_told_by_the_lines_that_differ() -> None:
    agents = [{"name": "analyst", "system": text} for text in (PROMPT, PROMPT.replace("Say so plainly", "Ask"))]
    found = compared(LONG.but(created={"agent": agents[0]}), LONG.but(created={"agent": agents[1]}))
    assert first_line(found) == "agent differs: system in 1 line"
    lines = page(found).splitlines()
    place = lines.index("agent: system")
    assert lines[place + 1 : place + 5] == [
        "    Read every file.",
        "  - Say so plainly.",
        "  + Ask.",
        "    Never guess.",
    ]
    assert "agent: system\n\n```diff\n  Read every file.\n- Say so plainly.\n+ Ask." in markdown(found, None)
    assert "agent: system\n" not in page(found, stat=True)


def test_a_sandbox_that_plays_the_record_is_no_other_sandbox() -> None:
    assert not compared(LONG, LONG.but(created={"sandbox": {"kind": "recorded"}})).differing


def test_what_the_harness_says_of_a_new_sandbox_is_not_what_a_call_gave() -> None:
    told = text_block(f"[{FORKED} Files elsewhere are gone.]")
    events = [
        replace(event, content=[told, *(event.content or [])]) if isinstance(event, AgentToolResult) else event
        for event in events_of(LONG)
    ]
    noticed = Side.of("B", (Record(number, event, "") for number, event in enumerate(events, 1)))
    assert not compare(side_of(LONG), noticed).differing


def test_a_tool_that_is_configured_otherwise_is_told_by_its_name() -> None:
    asks = {"name": "write", "type": "write", "permission_policy": {"type": "always_ask"}}
    agents: list[Any] = [{"name": "a", "tools": [{"type": "agent_toolset", "configs": each}]} for each in ([], [asks])]
    found = compared(LONG.but(created={"agent": agents[0]}), LONG.but(created={"agent": agents[1]}))
    line = "agent differs: tools.0.configs.write only in B: permission_policy.type always_ask"
    assert first_line(found) == line


@pytest.mark.parametrize(("one", "other"), [("a\nb\n", "a\nb"), ("a\r\nb", "a\nb"), ("a\n", "a")])
def test_a_prompt_whose_lines_only_end_otherwise_is_told_so_and_not_shown(one: str, other: str) -> None:
    agents = ({"name": "analyst", "system": text, "model": {"id": "m"}} for text in (one, other))
    found = compared(*(LONG.but(created={"agent": agent}) for agent in agents))
    assert first_line(found) == "agent differs: system in how its lines end"
    assert "agent: system" not in page(found).splitlines()
    assert "agent: system\n" not in markdown(found, None)
