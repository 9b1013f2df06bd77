"""Sessions that outgrow the model's context window, against a server that checks every rule of summaries."""

import json
import subprocess
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.api_rules import COMPACT_BETA, CONTEXT_BETA, beta_values
from tests.cli.program import Outcome, agentctl, begin
from tests.loopback_api import (
    Answer,
    Break,
    LoopbackApi,
    Reply,
    bash_steps,
    call,
    no_summary,
    refuse,
    say,
    summary_of,
    think,
)

Json = dict[str, Any]

AGENT = """\
name: tester
model: {model}
system: You test.
tools: [{{type: agent_toolset_20260401}}]
local:
  context: {{{context}}}
"""

COMMAND = "printf 'step {step} %02500d' 0; echo {step} >> done; sleep 0.05"
SMALL = "window: 8000, compact_at: 0.7"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(context: str = SMALL, model: str = "claude-opus-5-5") -> Path:
        path = tmp_path / "agent.yaml"
        path.write_text(AGENT.format(context=context, model=model))
        return path

    return write


def environ(api: LoopbackApi) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": api.key}


def run(api: LoopbackApi, agent: Path, *more: str) -> Outcome:
    return agentctl("run", agent, "go", "--session", "long", "--sandbox", "none", "-o", "jsonl", *more, **environ(api))


def events() -> list[Json]:
    return agentctl("events", "long", "-o", "jsonl").lines


def count(lines: list[Json], kind: str) -> int:
    return sum(line["type"] == kind for line in lines)


def sent(api: LoopbackApi) -> list[Json]:
    return [request.body or {} for request in api.requests]


def thinking_steps(steps: int) -> Callable[[Json], Answer]:
    """Bash calls with thinking before each, which is bound to all that came before it."""
    plain = bash_steps(steps, COMMAND)

    def reply(body: Json) -> Answer:
        answer = plain(body)
        assert isinstance(answer, Reply)
        return think("I think.", *answer.content)

    return reply


def test_a_session_that_crosses_the_threshold_again_and_again_keeps_every_rule(write: Callable[..., Path]) -> None:
    with LoopbackApi(thinking_steps(30)) as api:
        done = run(api, write())
        assert done.code == 0, done.err
        assert api.violations == []
        summaries = api.summaries
    assert done.json["text"] == "All steps are done."
    assert summaries >= 3
    lines = events()
    assert count(lines, "agent.thread_context_compacted") == summaries == count(lines, "local.compaction_response")
    # The record keeps everything, whatever the model is still told.
    assert count(lines, "agent.tool_use") == count(lines, "agent.tool_result") == 30
    first = next(place for place, body in enumerate(sent(api)) if "compaction" in body)
    for request in api.requests[first:]:
        assert COMPACT_BETA in beta_values(request.headers)
    for request in api.requests[:first]:
        assert COMPACT_BETA not in beta_values(request.headers)
    used = done.json["usage"]
    assert used["requests"] == len(api.requests) == 31 + summaries
    billed = [part for usage in api.billed for part in (usage, *usage.get("iterations", ()))]
    assert used["output_tokens"] == sum(part["output_tokens"] for part in billed)
    assert used["cache_creation_input_tokens"] == sum(part["cache_creation_input_tokens"] for part in billed)


def start(api: LoopbackApi, *arguments: str | Path) -> subprocess.Popen[str]:
    return begin(*arguments, "-o", "jsonl", **environ(api))


def kill_at(process: subprocess.Popen[str], kind: str, before: int) -> bool:
    """Kill the process as soon as it has told of so many events of a kind; say whether it lived so long."""
    assert process.stdout is not None
    lived = False
    for line in process.stdout:
        before -= json.loads(line)["type"] == kind
        if before <= 0:
            lived = True
            break
    process.kill()
    process.communicate()
    return lived


@pytest.mark.parametrize("kind", ["span.model_request_start", "local.compaction_response", "local.tool_started"])
def test_it_can_be_killed_and_taken_up_between_summaries_and_within_them(write: Callable[..., Path], kind: str) -> None:
    with LoopbackApi(thinking_steps(24)) as api:
        command = ("run", write(), "go", "--session", "long", "--sandbox", "none")
        kills = kill_at(start(api, *command), kind, 9 if kind != "local.compaction_response" else 1)
        for _ in range(2):
            kills += kill_at(start(api, "resume", "long"), kind, 6 if kind != "local.compaction_response" else 1)
        done = agentctl("resume", "long", "-o", "json", **environ(api))
        assert done.code == 0, done.err
        assert api.violations == []
    assert kills >= 2
    assert done.json["text"] == "All steps are done."
    lines = events()
    assert count(lines, "agent.thread_context_compacted") >= 2
    assert count(lines, "agent.tool_use") == count(lines, "agent.tool_result") == 24
    begun = [name for line in lines if line["type"] == "local.tool_started" for name in line["tool_use_ids"]]
    assert len(begun) == len(set(begun)) == 24


def test_a_process_that_dies_while_the_summary_is_made_asks_for_it_again(write: Callable[..., Path]) -> None:
    asked = threading.Event()

    def summarise(body: Json) -> Answer | None:
        first = not asked.is_set()
        asked.set()
        reply = summary_of(body)
        return Reply(reply.content, "compaction", breaks=[Break("stall", after=0)]) if first else reply

    with LoopbackApi(thinking_steps(12), summarise=summarise) as api:
        process = start(api, "run", write(), "go", "--session", "long", "--sandbox", "none")
        began = asked.wait(120)
        process.kill()
        process.communicate()
        assert began
        done = agentctl("resume", "long", "-o", "json", **environ(api))
        assert done.code == 0, done.err
        assert api.violations == []
    assert done.json["text"] == "All steps are done."


def test_a_person_can_interrupt_while_the_summary_is_made(write: Callable[..., Path]) -> None:
    asked = threading.Event()

    def summarise(body: Json) -> Answer | None:
        first = not asked.is_set()
        asked.set()
        return Reply(summary_of(body).content, "compaction", breaks=[Break("stall", after=0)]) if first else None

    with LoopbackApi(thinking_steps(10), summarise=summarise) as api:
        process = start(api, "run", write(), "go", "--session", "long", "--sandbox", "none")
        began = asked.wait(120) and agentctl("interrupt", "long").code == 0
        try:
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
        assert began
        assert json.loads(out.splitlines()[-1])["stop_reason"] == {"type": "end_turn"}
        done = agentctl("send", "long", "go on", "-o", "json", **environ(api))
        assert done.code == 0, done.err
        assert api.violations == []
    assert done.json["text"] == "All steps are done."


def test_a_message_of_a_person_stands_behind_the_summary_word_for_word(write: Callable[..., Path]) -> None:
    large = say("word " * 6_000)
    with LoopbackApi([large, say("Yes.")]) as api:
        run(api, write())
        done = agentctl("send", "long", "and now?", "-o", "json", **environ(api))
        assert done.code == 0, done.err
        assert api.violations == []
        *_, last = sent(api)
    assert [message["role"] for message in last["messages"]] == ["assistant", "user"]
    assert last["messages"][1]["content"][0]["text"] == "and now?"
    assert done.json["text"] == "Yes."


def test_a_summary_that_could_not_be_had_is_asked_for_again_only_after_a_while(write: Callable[..., Path]) -> None:
    with LoopbackApi(thinking_steps(30), summarise=lambda body: no_summary("max_tokens")) as api:
        done = run(api, write())
        assert done.code == 0, done.err
        assert api.violations == []
        asked = [place for place, body in enumerate(sent(api)) if "compaction" in body]
    assert done.json["text"] == "All steps are done."
    assert [later - earlier for earlier, later in pairwise(asked)] == [9, 17][: len(asked) - 1]
    assert len(asked) >= 2
    assert count(done.lines, "local.compaction_failed") == len(asked)
    assert count(done.lines, "agent.thread_context_compacted") == 0


def test_a_model_that_knows_no_summaries_does_not_end_the_session(write: Callable[..., Path]) -> None:
    unknown = refuse(400, "invalid_request_error", "compaction: Extra inputs are not permitted")
    with LoopbackApi(thinking_steps(12), summarise=lambda body: unknown) as api:
        done = run(api, write())
        assert api.violations == []
    assert done.code == 0, done.err
    assert done.json["text"] == "All steps are done."
    assert count(done.lines, "session.error") == 0
    assert "Extra inputs" in next(line["line"] for line in done.lines if line["type"] == "local.compaction_failed")


def test_a_summary_that_is_not_to_be_had_just_now_is_asked_for_again(write: Callable[..., Path]) -> None:
    refusals = [refuse(529, "overloaded_error", error_code="compaction_unavailable"), refuse(500, "api_error")]
    with LoopbackApi(thinking_steps(10), summarise=lambda body: refusals.pop() if refusals else None) as api:
        done = run(api, write())
        assert done.code == 0, done.err
        assert api.violations == []
        assert api.summaries >= 1
    assert count(done.lines, "session.status_rescheduled") == 2


TOO_LONG = refuse(400, "invalid_request_error", "prompt is too long: 1000001 tokens > 1000000 maximum")


def test_a_prompt_that_is_too_long_is_summarised_once_and_the_session_goes_on(write: Callable[..., Path]) -> None:
    with LoopbackApi([call("bash", {"command": "true"}), TOO_LONG, say("Done.")]) as api:
        done = run(api, write("compact_at: 0.8"))
        assert done.code == 0, done.err
        assert api.violations == []
        assert api.summaries == 1
    assert done.json["text"] == "Done."
    assert count(done.lines, "local.context_full") == 1


def test_when_that_does_not_help_the_session_rests_and_says_what_can_be_done(write: Callable[..., Path]) -> None:
    with LoopbackApi([call("bash", {"command": "true"}), TOO_LONG, TOO_LONG]) as api:
        done = run(api, write("compact_at: 0.8"))
        assert api.violations == []
        assert api.summaries == 1
    assert done.code == 6
    assert done.json["error"]["hint"]
    error = next(line["error"] for line in done.lines if line["type"] == "session.error")
    assert error["type"] == "compaction_limit_reached_error"


def test_a_first_message_that_is_too_long_has_nothing_to_summarise(write: Callable[..., Path]) -> None:
    with LoopbackApi([TOO_LONG]) as api:
        done = run(api, write("compact_at: 0.8"))
        assert api.violations == []
    assert done.code == 6
    assert len(api.requests) == 1


def test_a_window_that_is_full_in_the_middle_of_an_answer_is_summarised(write: Callable[..., Path]) -> None:
    full = say("I was just", stop_reason="model_context_window_exceeded")
    with LoopbackApi([full, say("Done.")]) as api:
        done = run(api, write("compact_at: 0.8"))
        assert done.code == 0, done.err
        assert api.violations == []
        assert api.summaries == 1
    assert done.json["text"] == "Done."
    with LoopbackApi([full, full]) as api:
        done = agentctl("run", write("compact_at: 0.8"), "go", "--sandbox", "none", "-o", "jsonl", **environ(api))
        assert api.violations == []
    assert done.code == 6
    assert count(done.lines, "agent.thread_context_compacted") == 1


def test_without_summaries_a_full_window_ends_the_turn(write: Callable[..., Path]) -> None:
    with LoopbackApi([call("bash", {"command": "true"}), TOO_LONG]) as api:
        done = run(api, write("compact: false"))
        assert api.violations == []
    assert done.code == 6
    assert done.json["error"]["hint"]


# --- answers that stop short ---


def test_an_answer_that_was_cut_is_continued_and_given_up_in_the_end(write: Callable[..., Path]) -> None:
    cut = say("One,", stop_reason="max_tokens")
    with LoopbackApi([cut, cut, say("two.")]) as api:
        done = run(api, write())
        assert done.code == 0, done.err
        assert api.violations == []
        last = sent(api)[-1]["messages"]
    assert [message["role"] for message in last] == ["user", "assistant"] * 2 + ["user"]
    assert last[-1]["content"][0]["text"] == "Continue from where you left off."
    with LoopbackApi([cut, cut, cut]) as api:
        done = agentctl("run", write(), "go", "--sandbox", "none", "-o", "jsonl", **environ(api))
        assert api.violations == []
    assert done.code == 6
    assert "limit of length" in done.json["error"]["message"]


def test_an_empty_answer_is_asked_about_once(write: Callable[..., Path]) -> None:
    empty = Reply([], "end_turn")
    with LoopbackApi([empty, say("Here I am.")]) as api:
        done = run(api, write())
        assert done.code == 0, done.err
        assert api.violations == []
    assert done.json["text"] == "Here I am."
    with LoopbackApi([empty, empty]) as api:
        done = agentctl("run", write(), "go", "--sandbox", "none", "-o", "jsonl", **environ(api))
        assert api.violations == []
    assert done.code == 0
    assert count(done.lines, "local.nudged") == 1


# --- old results ---


def test_old_results_are_left_to_the_api_and_never_beside_a_summary(write: Callable[..., Path]) -> None:
    with LoopbackApi(thinking_steps(12)) as api:
        done = run(api, write(SMALL + ", clear_tool_results: {keep: 2, at: 0.4}"))
        assert done.code == 0, done.err
        assert api.violations == []
        assert api.summaries >= 1
    for request in api.requests:
        body = request.body or {}
        assert ("compaction" in body) != ("context_management" in body)
        assert (CONTEXT_BETA in beta_values(request.headers)) == ("context_management" in body)
    (edit,) = sent(api)[0]["context_management"]["edits"]
    assert edit["keep"] == {"type": "tool_uses", "value": 2}
    assert edit["trigger"] == {"type": "input_tokens", "value": 3200}


# --- the operator ---


def test_what_the_operator_says_stands_behind_the_message_and_again_behind_a_summary(
    write: Callable[..., Path],
) -> None:
    with LoopbackApi([say("Hello."), say("word " * 6_000), say("Oui.")]) as api:
        run(api, write())
        done = agentctl("send", "long", "more", "--system", "Answer in French.", "-o", "json", **environ(api))
        assert done.code == 0, done.err
        second = sent(api)[-1]["messages"]
        assert [message["role"] for message in second] == ["user", "assistant", "user", "system"]
        done = agentctl("send", "long", "and now?", "-o", "json", **environ(api))
        assert done.code == 0, done.err
        third = sent(api)[-1]["messages"]
        assert api.violations == []
    assert [message["role"] for message in third] == ["assistant", "user", "system"]
    assert third[-1]["content"] == [{"text": "Answer in French.", "type": "text"}]
    lines = events()
    said = next(line for line in lines if line["type"] == "system.message")
    assert said["processed_at"] is not None


def test_a_model_that_takes_no_word_of_the_operator_is_not_sent_one(write: Callable[..., Path]) -> None:
    with LoopbackApi([say("Hello.")]) as api:
        run(api, write(model="claude-sonnet-5"))
        before = events()
        done = agentctl("send", "long", "more", "--system", "Answer in French.", "-o", "json", **environ(api))
        assert api.violations == []
    assert done.code == 2
    assert "takes no system messages" in done.err
    assert events() == before
