"""The live view: what is typed, what runs, what stays, and nothing that anybody else wants the terminal to do."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from agentctl.events.session import SessionError, SessionStatusRescheduled, SessionStatusRunning
from agentctl.events.span import SpanModelRequestEnd, SpanModelRequestStart
from agentctl.events.user import UserToolConfirmation
from agentctl.ids import timestamp
from agentctl.paths import Home
from agentctl.render.lines import plain
from agentctl.render.look import ASCII, Look
from agentctl.render.plain import PlainRenderer
from agentctl.render.screen import Screen
from tests.kit import analysis, call, text, thinking
from tests.render.stage import Stage, stage, unclean


def test_text_appears_while_it_is_typed_and_not_a_second_time_when_it_is_whole(home: Home) -> None:
    whole = "A first line that is long enough to be broken somewhere, and then it goes on.\n\nA second paragraph."
    with stage(home) as shown:

        def typed() -> None:
            shown.type("text", whole[:65])
            assert "A first line that is long enough to be broken somewhere, and then" in shown.terminal.text
            assert "writing" in shown.terminal.status
            shown.type("text", whole[65:])

        shown.recorder.user("Hello")
        shown.recorder.answer(text(whole), typed=typed)
        shown.recorder.rest()
        shown.renderer.finish()
    assert shown.terminal.text.count("A first line") == 1
    assert shown.terminal.text.count("A second paragraph.") == 1


def test_typed_and_untyped_sessions_leave_the_same_screen(home: Home, tmp_path: Path) -> None:
    words = ("I should look first.\n\nThen compute.", "Here it is:\n\n  - one\n  - two", "\n\nDone,\nreally.\n")
    blocks = [thinking(words[0]), text(words[1]), text(words[2]), call("bash", command="ls")]
    screens = []
    for is_typed, place in ((True, home), (False, Home(tmp_path / "other"))):
        with stage(place) as shown:

            def typed(shown: Stage = shown) -> None:
                shown.type("thinking", words[0], 0)
                shown.type("text", words[1], 1)
                shown.type("text", words[2], 2)
                shown.type("tool_input", '{"command": "ls"}', 3, "bash")
                assert "preparing bash (17 characters)" in shown.terminal.status

            shown.recorder.user("Go")
            (ls,) = shown.recorder.answer(*blocks, **({"typed": typed} if is_typed else {}))
            shown.recorder.run_tools(ls)
            shown.recorder.result(ls, "a\nb", 0.2, exit_code=0)
            shown.recorder.rest()
            shown.renderer.finish()
            screens.append(shown.terminal.text)
    assert screens[0] == screens[1]
    assert "  I should look first.\n\n  Then compute.\n\n  Here it is:\n\n    - one\n    - two\n" in screens[0]


def test_a_thought_and_the_text_after_it_are_set_apart_also_while_it_is_typed(home: Home) -> None:
    with stage(home) as shown:

        def typed() -> None:
            shown.type("thinking", "Hm.", 0)
            assert "thinking" in shown.terminal.status
            shown.type("text", "Yes.", 1)
            assert shown.terminal.rows[-5:-2] == ["  Hm.", "", "  Yes."]

        shown.recorder.user("Go")
        shown.recorder.answer(thinking("Hm."), text("Yes."), typed=typed)
        assert shown.terminal.rows[-5:-2] == ["  Hm.", "", "  Yes."]


def test_text_that_is_not_what_was_typed_is_shown_as_it_is_recorded(home: Home) -> None:
    with stage(home) as shown:
        shown.recorder.user("Go")
        shown.recorder.answer(text("the recorded words"), typed=lambda: shown.type("text", "something else"))
        shown.renderer.finish()
    assert "the recorded words" in shown.terminal.text


def test_a_character_that_arrives_in_two_halves_is_shown_once_and_whole(home: Home) -> None:
    with stage(home) as shown:

        def typed() -> None:
            for piece in ("smile \ud83d", "\ude00 and\r", "\nmore"):
                shown.type("text", piece, step=100)

        shown.recorder.user("Go")
        shown.recorder.answer(text("smile 😀 and\r\nmore"), typed=typed)
        shown.renderer.finish()
    assert shown.terminal.text.count("smile") == 1
    assert "\\u" not in shown.terminal.text
    assert "\\r" not in shown.terminal.text


def test_an_answer_that_is_cut_is_marked_and_the_failure_told(home: Home) -> None:
    with stage(home) as shown:
        shown.recorder.user("Go")
        start = shown.recorder.add(SpanModelRequestStart)
        shown.type("text", "Half a sent")
        shown.recorder.add(SpanModelRequestEnd, model_request_start_id=start.id, model_usage={}, is_error=True)
        error = {
            "type": "model_overloaded_error",
            "message": "the API is overloaded",
            "retry_status": {"type": "exhausted"},
            "local": {"type": "model_error", "exit_code": 6, "hint": "try again later"},
        }
        shown.recorder.add(SessionError, error=error)
        shown.recorder.rest("retries_exhausted")
        shown.renderer.finish()
    rows = shown.terminal.rows
    at = rows.index("  Half a sent")
    assert rows[at + 1] == "  (cut off here; the answer was not received whole)"
    assert rows[at + 3 : at + 5] == ["✗ the API is overloaded", "  try again later"]
    assert rows[-2].startswith("── failed · $0 · 0 turns")
    assert rows[-1].startswith("   agentctl resume sesn_")


def test_a_wait_before_the_next_try_is_told(home: Home) -> None:
    with stage(home) as shown:
        shown.recorder.user("Go")
        start = shown.recorder.add(SpanModelRequestStart)
        shown.recorder.add(SpanModelRequestEnd, model_request_start_id=start.id, model_usage={}, is_error=True)
        error = {"type": "model_overloaded_error", "message": "busy", "retry_status": {"type": "retrying"}}
        shown.recorder.add(SessionError, error=error)
        due = timestamp(shown.recorder.clock.now() + timedelta(seconds=20))
        shown.recorder.add(SessionStatusRescheduled, local={"wait_seconds": 20, "retry_at": due})
        assert shown.terminal.rows[-4:-2] == ["· busy", "· trying again in 20s"]
        shown.recorder.clock.pass_by(15)
        shown.renderer.tick()
        assert "trying again in 5.0s" in shown.terminal.status
        shown.recorder.add(SessionStatusRunning)
        shown.recorder.answer(text("There."))
        assert "trying again" not in shown.terminal.status


def test_calls_that_run_are_shown_with_their_time_and_then_with_their_result(home: Home) -> None:
    with stage(home) as shown:
        shown.recorder.user("Go")
        one, two = shown.recorder.answer(
            call("bash", "toolu_1", command="make -j8 all"), call("grep", "toolu_2", pattern="x", path="src")
        )
        assert "waiting for the sandbox" in shown.terminal.status
        shown.recorder.run_tools(one, two)
        assert "running 2 calls" in shown.terminal.status
        shown.recorder.result(two, "src/a:1:x", 0.2)
        assert "running bash" in shown.terminal.status
        shown.recorder.clock.pass_by(12)
        shown.renderer.tick()
        (running,) = [row for row in shown.terminal.rows if "make -j8 all" in row]
        assert running.endswith("12s")
        assert not running.startswith("●")
        shown.recorder.result(one, "\n".join(f"line {number}" for number in range(124)), 20, exit_code=2)
        shown.recorder.answer(text("Done."))
        shown.recorder.rest()
        shown.renderer.finish()
    rows = shown.terminal.rows
    at = next(place for place, row in enumerate(rows) if row.startswith("● bash  make -j8 all"))
    assert rows[at].endswith("exit 2 · 20s")
    assert len(rows[at]) == 79
    body = ["line 0", "… 120 more lines", "line 121", "line 122", "line 123"]
    assert rows[at + 1 : at + 6] == [f"  │ {line}" for line in body]
    assert rows[at - 2 : at] == ["● grep  x  in src" + " " * 58 + "0.2s", "  │ src/a:1:x"]


def test_the_status_line_tells_time_cost_and_tokens_and_is_gone_at_the_end(home: Home) -> None:
    with stage(home) as shown:
        shown.recorder.user("Go")
        shown.recorder.answer(text("First."), call("bash", command="ls"), seconds=4)
        shown.recorder.clock.pass_by(61)
        shown.renderer.tick()
        assert shown.terminal.status.endswith("waiting for the sandbox · 1m 05s · $0.0075 · 4.8k tokens")
        shown.renderer.close()
        assert "tokens" not in shown.terminal.text
        assert not [thread for thread in threading.enumerate() if thread.name == "status-line" and not _ends(thread)]


def _ends(thread: threading.Thread) -> bool:
    thread.join(20)
    return not thread.is_alive()


def test_a_question_to_a_person_finds_nothing_that_moves(home: Home) -> None:
    with stage(home) as shown:
        shown.recorder.user("Go")
        (push,) = shown.recorder.answer(text("I ask."), call("bash", command="git push"), asks=["toolu_1"])
        shown.recorder.rest("requires_action", event_ids=[push.id])
        shown.renderer.pause()
        before = shown.terminal.text
        shown.renderer.tick()
        assert shown.terminal.text == before
        rows = shown.terminal.rows
    assert rows[-3].startswith("● bash  git push")
    assert rows[-3].endswith("needs permission")
    assert rows[-2] == f"  │ {push.id}"
    assert rows[-1].startswith("── waits for a decision · ")


def test_a_call_that_was_allowed_is_shown_while_it_runs(home: Home) -> None:
    with stage(home) as shown:
        shown.recorder.user("Go")
        (push,) = shown.recorder.answer(call("bash", command="git push"), asks=["toolu_1"])
        shown.recorder.rest("requires_action", event_ids=[push.id])
        shown.recorder.add(UserToolConfirmation, tool_use_id=push.id, result="allow")
        shown.recorder.add(SessionStatusRunning)
        shown.recorder.run_tools(push)
        shown.recorder.clock.pass_by(3)
        shown.renderer.tick()
        rows = [row for row in shown.terminal.rows if row]
        assert rows[-3] == "› allowed  bash  git push"
        assert rows[-2][1:] == " bash  git push" + " " * 59 + "3.0s"
        shown.recorder.result(push, "pushed", 3, exit_code=0)
        assert shown.terminal.text.count("git push") == 3  # asked, allowed, done


def test_a_preparation_is_shown_from_another_thread(home: Home) -> None:
    with stage(home) as shown:
        shown.recorder.user("Go")
        thread = threading.Thread(target=shown.renderer.progress, args=("building image: step 3\x1b[2J",))
        thread.start()
        thread.join()
        assert "building image: step 3\\x1b[2J" in shown.terminal.status


def test_a_terminal_that_becomes_narrower_is_drawn_anew_from_where_its_lines_begin_now() -> None:
    size = [80, 24]
    written: list[str] = []
    screen = Screen(written.append, Look(columns=80), lambda: (size[0], size[1]))
    screen.show([], [plain("x" * 70), plain("y" * 10)])
    size[0] = 30
    screen.measured()
    screen.show([], [plain("z")])
    assert written[-1].startswith("\x1b[1G\x1b[3A\x1b[J")  # 70 cells are three rows of 30 now, 10 are one


def test_what_moves_never_fills_the_terminal() -> None:
    written: list[str] = []
    screen = Screen(written.append, Look(columns=40), lambda: (40, 5))
    screen.show([], [plain(f"line {number}") for number in range(9)])
    assert written == ["line 5\nline 6\nline 7\nline 8"]


def test_a_replay_without_movement_writes_no_cursor_sequence(home: Home) -> None:
    with stage(home, lively=False) as shown:
        analysis(shown.recorder)
        shown.renderer.finish()
    assert "\x1b[" in shown.terminal.written
    assert not {"\x1b[J", "\x1b[1G"} & {shown.terminal.written[place : place + 4] for place in range(10**4)}


@pytest.mark.parametrize("columns", [20, 33, 80, 200])
def test_no_line_is_wider_than_the_terminal(home: Home, columns: int) -> None:
    with stage(home, columns=columns) as shown:
        analysis(shown.recorder)
        shown.renderer.finish()
    assert max(map(len, shown.terminal.rows)) < columns
    assert not unclean(shown.terminal.written)


def test_symbols_have_ascii_in_their_place(home: Home) -> None:
    look = Look(columns=80, rows=300, moves=True, wraps=True, symbols=ASCII, encoding="ascii")
    with stage(home, look=look) as shown:
        analysis(shown.recorder)
        shown.type("text", "café")
        shown.renderer.finish()
    assert shown.terminal.written.isascii()
    assert "caf\\xe9" in shown.terminal.text


def test_plain_lines_and_the_terminal_tell_the_same(home: Home) -> None:
    lines: list[str] = []
    with stage(home) as shown:
        other = PlainRenderer(lines.append, Look(columns=80, wraps=True))
        analysis(shown.recorder)
        shown.renderer.finish()
        for record in shown.recorder.records():
            other.record(record)
        other.finish()
    assert "".join(lines).rstrip("\n") == shown.terminal.text
