"""A session at a glance: what the fold over its log comes to."""

from pathlib import Path

from agentctl.events.agent import AgentToolResult
from agentctl.events.content import text_block
from agentctl.events.user import UserCustomToolResult
from agentctl.paths import Home
from agentctl.session.summary import Summary
from tests.kit import Recorder, analysis, call, open_log, text


def summary_of(recorder: Recorder) -> Summary:
    summary = Summary()
    for record in recorder.records():
        summary.add(record.event)
    return summary


def test_calls_failures_and_time_are_counted_for_each_tool(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home)
        analysis(recorder)
        summary = summary_of(recorder)
    sums = {name: (tool.calls, tool.failed, round(tool.seconds, 2)) for name, tool in summary.tools.items()}
    assert sums == {"bash": (3, 1, 16.44), "glob": (1, 0, 0.02), "write": (1, 0, 0.01), "edit": (1, 0, 0.01)}
    assert summary.failed_calls == 1
    assert summary.answered_by == ["claude-opus-5-5"]
    assert summary.sandbox["python"] == "3.11.2"
    assert summary.sandbox["image"] == "debian:bookworm-slim"
    assert [file["path"] for file in summary.outputs] == ["report.md", "chart.png", "analysis.py"]
    assert summary.cache_share is not None
    assert round(summary.cache_share, 3) == 0.866
    assert summary.waiting == []


def test_a_call_that_fails_twice_over_counts_once(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("Go")
        both, late, refused, asked = recorder.answer(
            call("bash", "toolu_1", command="x"),
            call("bash", "toolu_2", command="y"),
            call("bash", "toolu_3"),
            call("ticket", "toolu_4"),
            custom=["toolu_4"],
        )
        recorder.run_tools(both, late)
        recorder.result(both, "no", is_error=True, exit_code=1)
        recorder.result(late, "", 120, timed_out=True, exit_code=None)
        recorder.add(AgentToolResult, tool_use_id=refused.id, content=[text_block("no command")], is_error=True)
        recorder.add(UserCustomToolResult, custom_tool_use_id=asked.id, content=[], is_error=True)
        summary = summary_of(recorder)
    assert {name: (tool.calls, tool.failed) for name, tool in summary.tools.items()} == {
        "bash": (3, 3), "ticket": (1, 1),
    }  # fmt: skip


def test_time_counts_up_to_the_last_event_where_a_session_never_came_to_rest(own_home: Path) -> None:
    home = Home(own_home)
    with open_log(home) as log:
        recorder = Recorder(log, home)
        recorder.user("Go")
        recorder.answer(text("Hm."), seconds=7)
        summary = summary_of(recorder)
    assert summary.result.usage.active_seconds == 0
    assert summary.result.used.active_seconds == 7.01
    assert summary.result.body()["usage"]["active_seconds"] == 7.01


def test_an_empty_log_is_summed_up_too() -> None:
    summary = Summary()
    assert (summary.cache_share, summary.failed_calls, summary.waiting, summary.outputs) == (None, 0, [], [])
