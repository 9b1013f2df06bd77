"""The story in plain lines: whole, in order, and never anything that moves."""

import re
from pathlib import Path

from agentctl.cli.main import COMMANDS
from agentctl.events.agent import AgentToolResult
from agentctl.events.codec import decode
from agentctl.events.content import text_block
from agentctl.events.local import LocalInterrupted, LocalLimitReached
from agentctl.events.preview import Preview
from agentctl.events.session import SessionStatusRunning
from agentctl.events.user import UserCustomToolResult, UserInterrupt, UserToolConfirmation
from agentctl.paths import Home
from agentctl.render import layout
from agentctl.render.look import Look
from agentctl.render.plain import PlainRenderer
from agentctl.session.log import Record
from tests.kit import Recorder, analysis, call, open_log, text

SNAPSHOT = Path(__file__).parent / "analysis.txt"
LOOK = Look(columns=80, wraps=True)


class Drawing:
    """What one renderer writes of one session, from its first event on."""

    def __init__(self, home: Home, **members: object) -> None:
        self._open = open_log(home)
        self.written = ""
        self.renderer = PlainRenderer(self.write, LOOK, **members)  # type: ignore[arg-type]
        self.recorder = Recorder(self._open.__enter__(), home, listeners=[self.renderer])
        for record in self.recorder.records():
            self.renderer.record(record)

    def write(self, text: str) -> None:
        self.written += text

    def __enter__(self) -> "Drawing":
        return self

    def __exit__(self, *args: object) -> None:
        self._open.__exit__(None, None, None)

    def lines(self) -> list[str]:
        return self.written.splitlines()


def test_a_recorded_session_reads_as_people_know_it(home: Home) -> None:
    """To change how sessions look: change the renderer, read the difference, replace the snapshot."""
    with Drawing(home) as drawing:
        analysis(drawing.recorder)
        drawing.renderer.finish("idle")
    assert drawing.written == SNAPSHOT.read_text(encoding="utf-8")


def test_a_call_is_written_when_it_begins_where_somebody_reads_along(home: Home) -> None:
    with Drawing(home, live=True) as drawing:
        drawing.recorder.user("Go")
        (run,) = drawing.recorder.answer(call("bash", command="make"))
        drawing.recorder.run_tools(run)
        assert drawing.lines()[-1] == "● bash  make"
        drawing.recorder.result(run, "built", 2.5, exit_code=0)
        assert drawing.lines()[-3:] == ["● bash  make", "  │ built", "  │ 2.5s"]


def test_results_of_calls_at_once_say_whose_they_are(home: Home) -> None:
    with Drawing(home, live=True) as drawing:
        drawing.recorder.user("Go")
        one, two = drawing.recorder.answer(
            call("bash", "toolu_1", command="sleep 2"), call("bash", "toolu_2", command="echo hi")
        )
        drawing.recorder.run_tools(one, two)
        drawing.recorder.result(one, "", 2, exit_code=1)
        drawing.recorder.result(two, "hi", 0.1, exit_code=0)
    begun = ["● bash  sleep 2", "● bash  echo hi"]
    ended = ["● bash  sleep 2" + " " * 51 + "exit 1 · 2.0s", "● bash  echo hi" + " " * 60 + "0.1s", "  │ hi"]
    assert [line for line in drawing.lines() if line][-5:] == [*begun, *ended]


def test_an_error_result_without_facts_is_written_before_what_comes_next(home: Home) -> None:
    with Drawing(home) as drawing:
        drawing.recorder.user("Go")
        (run,) = drawing.recorder.answer(call("bash", command="x"))
        drawing.recorder.add(
            AgentToolResult, tool_use_id=run.id, content=[text_block("the sandbox failed")], is_error=True
        )
        drawing.recorder.answer(text("I see."))
    assert [line for line in drawing.lines() if line][-3:] == [
        "● bash  x" + " " * 65 + "error",
        "  │ the sandbox failed",
        "  I see.",
    ]


def test_an_answer_of_a_person_and_of_whoever_runs_the_session_is_told(home: Home) -> None:
    with Drawing(home) as drawing:
        drawing.recorder.user("Go")
        push, ask = drawing.recorder.answer(
            call("bash", "toolu_1", command="git push"), call("ticket", "toolu_2", title="x"), asks=["toolu_1"],
            custom=["toolu_2"],
        )  # fmt: skip
        drawing.recorder.rest("requires_action", event_ids=[push.id, ask.id])
        drawing.recorder.add(UserToolConfirmation, tool_use_id=push.id, result="deny", deny_message="not\nnow")
        drawing.recorder.add(UserCustomToolResult, custom_tool_use_id=ask.id, content=[text_block("ticket 7")])
        drawing.recorder.add(SessionStatusRunning)
        drawing.recorder.add(UserInterrupt)
    lines = [line for line in drawing.lines() if line]
    assert lines[-9:] == [
        "● bash  git push" + " " * 47 + "needs permission",
        f"  │ {push.id}",
        '● ticket  {"title": "x"}' + " " * 41 + "needs a result",
        f"  │ {ask.id}",
        "── waits for a decision · $0.0075 · 1 turn · 2 calls · 4.6k in, 180 out · 3.0s",
        "› denied: not\\nnow  bash  git push",
        '● ticket  {"title": "x"}',
        "  │ ticket 7",
        "· interrupted by a person",
    ]


def test_limits_interruptions_and_unknown_events_are_told(home: Home) -> None:
    with Drawing(home) as drawing:
        drawing.recorder.user("Go")
        drawing.recorder.add(LocalLimitReached, limit="max_turns", allowed=40, used=40)
        drawing.recorder.session.append(decode({"type": "agent.telepathy", "id": "sevt_9", "processed_at": None}))
        drawing.recorder.add(LocalInterrupted, signal="SIGTERM")
        drawing.renderer.finish("interrupted")
    lines = [line for line in drawing.lines() if line]
    assert lines[2:4] == ["· limit reached: max_turns 40", "· agent.telepathy"]
    assert lines[4] == "· the process was told to stop (SIGTERM)"
    assert lines[5].startswith("── interrupted · $0")


def test_a_session_whose_process_was_killed_ends_with_what_is_known(home: Home) -> None:
    with Drawing(home) as drawing:
        drawing.recorder.user("Go")
        (run,) = drawing.recorder.answer(call("bash", command="make"))
        drawing.recorder.run_tools(run)
        drawing.renderer.finish("interrupted")
    lines = [line for line in drawing.lines() if line]
    assert lines[2] == "● bash  make"
    assert lines[3].startswith("· interrupted: the process that ran the session ended before")
    assert lines[-2].startswith("── interrupted · $0.0075 · 1 turn · 1 call")
    assert lines[-1] == f"   agentctl resume {drawing.recorder.id}"


def test_a_session_that_still_runs_says_so_at_the_end(home: Home) -> None:
    with Drawing(home) as drawing:
        drawing.recorder.user("Go")
        drawing.renderer.finish("running")
    assert drawing.lines()[-1] == "· the session is still running"


def test_a_session_that_waits_ends_with_how_it_is_answered_unless_only_a_part_was_shown(home: Home) -> None:
    with Drawing(home) as drawing:
        drawing.recorder.user("Go")
        (push,) = drawing.recorder.answer(call("bash", command="git push"), asks=["toolu_1"])
        drawing.recorder.rest("requires_action", event_ids=[push.id])
        drawing.renderer.finish(whole=False)
        assert drawing.lines()[-1].startswith("── waits for a decision")
        drawing.renderer.finish("idle")
    name = drawing.recorder.id
    steps = [f"   agentctl {verb} {name}" for verb in ("approve", "deny", "resume")]
    assert drawing.lines()[-3:] == steps


def test_what_is_named_as_the_next_step_is_a_command() -> None:
    source = Path(layout.__file__).read_text(encoding="utf-8")
    named = set(re.findall(r"agentctl ([a-z]+) \{", source))
    assert {"approve", "deny", "resume", "outputs"} == named <= set(COMMANDS)


def test_what_is_only_learned_is_not_written_but_known(home: Home) -> None:
    with open_log(home) as log:
        recorder = Recorder(log, home)
        analysis(recorder)
        records = recorder.records()
    assert _only(records, "agent.tool_result").count("│") > 10
    assert [line[:20].rstrip() for line in _only(records, "agent.tool_use").splitlines()] == [
        "● glob  **/*.csv",
        "● bash  head -40 sea",
        "● write  /workspace/",
        "● bash  python3 anal",
        "● edit  /workspace/a",
        "● bash  python3 anal",
    ]
    assert "I'll look at the data" in _only(records, "agent.message")
    assert "│" not in _only(records, "agent.message")
    assert _only(records, "session.status_idle").startswith("── done · $0.0449 · 6 turns · 6 calls")


def _only(records: list[Record], kind: str) -> str:
    written: list[str] = []
    renderer = PlainRenderer(written.append, LOOK)
    for record in records:
        (renderer.record if record.event.type == kind else renderer.learn)(record)
    renderer.finish()
    return "".join(written)


def test_everything_is_whole_where_that_is_wanted(home: Home) -> None:
    long = "\n".join(f"line {number} " + "Z" * 200 for number in range(50))
    with Drawing(home, full=True) as drawing:
        drawing.recorder.user(long)
        (run,) = drawing.recorder.answer(call("bash", command="make"))
        drawing.recorder.run_tools(run)
        drawing.recorder.result(run, long, 1, exit_code=1)
    assert drawing.written.count("line 49\n") == 2
    assert max(map(len, drawing.lines())) == 79
    assert drawing.written.count("Z") == 2 * 50 * 200
    assert "more line" not in drawing.written


def test_what_a_call_asks_for_is_whole_too(home: Home) -> None:
    asked = [
        call("bash", "toolu_1", command="cat > x <<'END'\n  one\nEND"),
        call("bash", "toolu_2", command="y" * 100),
        call("bash", "toolu_3", command="ls"),
        call("write", "toolu_4", file_path="/workspace/x", content="first\nlast\n"),
        call("grep", "toolu_5", pattern="x", path="src", multiline=True),
        call("edit", "toolu_6", file_path="/workspace/x", old_string="a", new_string="b"),
        call("read", "toolu_7", file_path="/workspace/x"),
    ]
    with Drawing(home, full=True) as drawing:
        drawing.recorder.user("Go")
        calls = drawing.recorder.answer(*asked)
        drawing.recorder.run_tools(*calls)
        for each in calls:
            drawing.recorder.result(each, "fine", 1)
    told = [line.removeprefix("  ┊ ") for line in drawing.lines() if line.startswith("  ┊ ")]
    assert told[:3] == ["cat > x <<'END'", "  one", "END"]
    assert "".join(told[3:5]) == "y" * 100
    assert told[5:] == ["first", "last", "pattern: x", "path: src", "multiline: true"]


def test_an_edit_says_that_it_is_made_everywhere(home: Home) -> None:
    with Drawing(home) as drawing:
        calls = drawing.recorder.answer(
            call("edit", "toolu_1", file_path="one.py", old_string="a", new_string="b", replace_all=True),
            call("edit", "toolu_2", file_path="two.py", old_string="a", new_string="b", replace_all=False),
        )
        drawing.recorder.run_tools(*calls)
        for each in calls:
            drawing.recorder.result(each, "fine", 1)
    (everywhere,) = (line for line in drawing.lines() if "one.py" in line)
    (once,) = (line for line in drawing.lines() if "two.py" in line)
    assert "one.py  wherever it stands " in everywhere
    assert "wherever" not in once


def test_a_long_message_and_a_long_line_are_cut(home: Home) -> None:
    with Drawing(home) as drawing:
        drawing.recorder.user("\n".join(f"line {number}" for number in range(50)))
        (run,) = drawing.recorder.answer(call("bash", command="y" * 500))
        drawing.recorder.run_tools(run)
        drawing.recorder.result(run, "x" * 500, 1, exit_code=0)
    assert "  … 38 more lines" in drawing.lines()
    assert max(map(len, drawing.lines())) == 79


def test_previews_write_nothing_and_preparations_a_line(home: Home) -> None:
    with Drawing(home) as drawing:
        before = drawing.written
        drawing.renderer.preview(Preview("text", 0, "half"))
        assert drawing.written == before
        drawing.renderer.progress("building\x1b[2J")
        assert drawing.lines()[-1] == "· building\\x1b[2J"


def test_a_call_that_failed_says_so_without_colour(home: Home) -> None:
    with Drawing(home) as drawing:
        (edit,) = drawing.recorder.answer(call("edit", file_path="x", old_string="a", new_string="b"))
        drawing.recorder.run_tools(edit)
        drawing.recorder.result(edit, "no such file", 1.0, is_error=True)
        (run,) = drawing.recorder.answer(call("bash", "toolu_2", command="false"))
        drawing.recorder.run_tools(run)
        drawing.recorder.result(run, "no", 1.0, is_error=True, exit_code=1)
    ends = [line.split("  ")[-1] for line in drawing.lines() if line.startswith("●")]
    assert [end.strip() for end in ends] == ["error · 1.0s", "exit 1 · 1.0s"]
