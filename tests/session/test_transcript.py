"""The messages of a request, as a fold over the log."""

import json

import pytest

from agentctl.canonical import canonical_json
from agentctl.events.agent import AgentThreadContextCompacted, AgentToolResult, AgentToolUse
from agentctl.events.codec import decode, encode
from agentctl.events.content import text_block
from agentctl.events.local import (
    LocalCompactionFailed,
    LocalCompactionResponse,
    LocalInputProcessed,
    LocalModelResponse,
    LocalNudged,
    LocalStuckWarned,
)
from agentctl.events.user import SystemMessage, UserMessage
from agentctl.session.transcript import NO_OUTPUT, Transcript

NOW = "2026-11-20T05:00:00.000000Z"


def said(text: str, *, id: str = "sevt_user", processed: bool = True) -> UserMessage:  # noqa: A002
    return UserMessage(id=id, processed_at=NOW if processed else None, content=[text_block(text)])


def answer(*content: dict, stop_reason: str = "end_turn", id: str = "sevt_answer") -> LocalModelResponse:  # noqa: A002
    message = {"role": "assistant", "content": list(content), "stop_reason": stop_reason}
    uses = [{"id": b["id"], "event_id": "sevt_" + b["id"]} for b in content if b["type"] == "tool_use"]
    return LocalModelResponse(
        id=id, processed_at=NOW, model_request_start_id="s", model="m", raw=json.dumps(message), tool_uses=uses
    )


def use(call_id: str) -> dict:
    return {"type": "tool_use", "id": call_id, "name": "bash", "input": {"command": "true"}}


def result(call_id: str, text: str, *, is_error: bool = False) -> AgentToolResult:
    return AgentToolResult(
        id=f"sevt_r{call_id}",
        processed_at=NOW,
        tool_use_id="sevt_" + call_id,
        content=[text_block(text)],
        is_error=is_error,
    )


def messages(*events: object) -> list[dict]:
    transcript = Transcript()
    for event in events:
        transcript.add(event)  # type: ignore[arg-type]
    return list(transcript.messages())


def test_an_answer_stands_as_it_was_received_down_to_the_order_of_its_keys() -> None:
    block = {"type": "tool_use", "id": "a", "name": "x", "input": {"z": 1, "a": {"y": 2, "b": 3}}, "caller": None}
    thinking = {"type": "thinking", "thinking": "", "signature": "sig=="}
    sent = messages(said("go"), answer(thinking, block, stop_reason="tool_use"), result("a", "ok"))
    assert json.dumps(sent[1]["content"]) == json.dumps([thinking, block])


def test_results_stand_in_one_message_in_the_order_of_the_calls_whatever_the_order_they_came_in() -> None:
    sent = messages(said("go"), answer(use("a"), use("b"), stop_reason="tool_use"), result("b", "B"), result("a", "A"))
    assert [block["tool_use_id"] for block in sent[2]["content"]] == ["a", "b"]
    assert len(sent) == 3


def test_a_message_of_a_person_stands_behind_the_results_it_arrived_among() -> None:
    sent = messages(
        said("go"),
        answer(use("a"), stop_reason="tool_use"),
        said("and hurry", id="sevt_2", processed=False),
        result("a", "A"),
        LocalInputProcessed(id="sevt_3", processed_at=NOW, event_ids=["sevt_2"]),
    )
    assert [message["role"] for message in sent] == ["user", "assistant", "user", "user"]
    assert sent[2]["content"][0]["type"] == "tool_result"
    assert sent[3]["content"] == [text_block("and hurry")]


def test_an_unanswered_call_is_never_sent() -> None:
    with pytest.raises(ValueError, match="no result"):
        messages(said("go"), answer(use("a"), use("b"), stop_reason="tool_use"), result("a", "A"))


def test_a_queued_message_is_not_sent_before_it_is_taken_up() -> None:
    assert messages(said("later", processed=False)) == []


def test_empty_text_is_left_out_and_an_empty_result_gets_a_word() -> None:
    sent = messages(
        said("go"),
        answer(text_block("  \n"), use("a"), stop_reason="tool_use"),
        result("a", ""),
    )
    assert [block["type"] for block in sent[1]["content"]] == ["tool_use"]
    assert sent[2]["content"][0]["content"] == [text_block(NO_OUTPUT)]


def test_a_refused_answer_and_an_empty_one_are_not_repeated() -> None:
    sent = messages(said("go"), answer(text_block("half"), stop_reason="refusal"), said("other", id="sevt_2"))
    assert [message["role"] for message in sent] == ["user", "user"]
    assert len(messages(said("go"), answer(), said("again", id="sevt_2"))) == 2


def test_an_error_result_is_marked_and_an_ordinary_one_is_not() -> None:
    sent = messages(
        said("go"),
        answer(use("a"), use("b"), stop_reason="tool_use"),
        result("a", "bad", is_error=True),
        result("b", "good"),
    )
    assert sent[2]["content"][0]["is_error"] is True
    assert "is_error" not in sent[2]["content"][1]


def test_each_request_repeats_the_former_one_and_adds_to_it() -> None:
    transcript = Transcript()
    former: list[dict] = []
    for number in range(5):
        for event in (
            said(f"message {number}", id=f"sevt_m{number}"),
            answer(use(f"c{number}"), stop_reason="tool_use", id=f"sevt_a{number}"),
            AgentToolUse(id=f"sevt_c{number}", name="bash", input={}),
            result(f"c{number}", "done"),
        ):
            transcript.add(event)
        now = list(transcript.messages())
        assert now[: len(former)] == former
        assert len(now) > len(former)
        former = now


def test_a_session_that_is_taken_up_from_its_record_sends_the_bytes_that_it_sent_before() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    events = [
        said("go"),
        answer({"type": "thinking", "thinking": "z", "signature": "a"}, use("a"), use("b"), stop_reason="tool_use"),
        result("a", "done"),
        AgentToolResult(id="r", processed_at=NOW, tool_use_id="sevt_b", content=[picture], is_error=True),
        said("on", id="sevt_2"),
    ]
    stored = [decode(json.loads(canonical_json(encode(event)))) for event in events]
    assert json.dumps(messages(*stored)) == json.dumps(messages(*events))


# --- summaries, and words in between ---

SUMMARY = {"type": "compaction", "signature": "s==", "content": "We went.", "encrypted_content": "x"}


def summary(*content: dict) -> LocalCompactionResponse:
    raw = json.dumps({"content": list(content), "stop_reason": "compaction"})
    return LocalCompactionResponse(id="sevt_k", processed_at=NOW, model_request_start_id="s", model="m", raw=raw)


def ordered(text: str, id: str = "sevt_o") -> SystemMessage:  # noqa: A002
    return SystemMessage(id=id, processed_at=NOW, content=[text_block(text)])


compacted = AgentThreadContextCompacted(id="sevt_c", processed_at=NOW)
nudged = LocalNudged(id="sevt_n", processed_at=NOW, reason="max_tokens", text="Continue.")
warned = LocalStuckWarned(id="sevt_w", processed_at=NOW, reason="r", line="l", advice="Stop it.", role="system")


def roles(sent: list[dict]) -> list[str]:
    return [message["role"] for message in sent]


def test_a_summary_stands_first_and_alone_as_it_was_received() -> None:
    sent = messages(said("go"), answer(use("a"), stop_reason="tool_use"), result("a", "A"), summary(SUMMARY), compacted)
    assert json.dumps(sent) == json.dumps([{"role": "assistant", "content": [SUMMARY]}])
    sent = messages(said("go"), answer(text_block("Hi.")), summary(SUMMARY), compacted, said("on", id="sevt_2"))
    assert roles(sent) == ["assistant", "user"]
    assert sent[1]["content"] == [text_block("on")]


def test_a_conversation_without_a_summary_stays_as_it_was() -> None:
    failed = LocalCompactionFailed(id="sevt_f", processed_at=NOW, line="no")
    before = [said("go"), answer(text_block("Hi."))]
    assert messages(*before, summary(), failed) == messages(*before)


def test_a_message_that_was_not_taken_up_is_not_in_the_summary() -> None:
    later = said("later", id="sevt_2", processed=False)
    taken = LocalInputProcessed(id="sevt_t", processed_at=NOW, event_ids=["sevt_2"])
    sent = messages(said("go"), answer(text_block("Hi.")), later, summary(SUMMARY), compacted, taken)
    assert sent[1]["content"] == [text_block("later")]


def test_a_second_summary_takes_the_place_of_the_first() -> None:
    other = {**SUMMARY, "content": "We went on."}
    sent = messages(said("go"), answer(text_block("Hi.")), summary(SUMMARY), compacted, said("on", id="sevt_2"),
                    answer(text_block("Yes.")), summary(other), compacted)  # fmt: skip
    assert sent == [{"role": "assistant", "content": [other]}]


def test_a_word_of_the_operator_stands_last_and_is_said_again_behind_a_summary() -> None:
    sent = messages(said("go"), ordered("French."), said("more", id="sevt_2"))
    assert roles(sent) == ["user", "user", "system"]
    told = [said("go"), ordered("French."), answer(text_block("Oui.")), said("more", id="sevt_2")]
    assert roles(messages(*told)) == ["user", "system", "assistant", "user"]
    assert roles(messages(*told[:3], summary(SUMMARY), compacted)) == ["assistant"]
    sent = messages(*told[:3], summary(SUMMARY), compacted, said("more", id="sevt_2"))
    assert roles(sent) == ["assistant", "user", "system"]
    calls = [answer(use("a"), stop_reason="tool_use", id="sevt_b"), result("a", "A")]
    assert roles(messages(*told[:3], summary(SUMMARY), compacted, *calls)) == [
        "assistant", "assistant", "user", "system",
    ]  # fmt: skip


def test_no_word_of_the_system_is_left_in_front_of_a_user_when_the_answer_was_refused() -> None:
    sent = messages(
        said("go"), ordered("French."), answer(text_block("half"), stop_reason="refusal"), said("other", id="sevt_2")
    )
    assert roles(sent) == ["user", "user", "system"]


def test_what_is_to_be_said_last_is_not_in_the_summary() -> None:
    transcript = Transcript()
    for event in (said("go"), answer(use("a"), stop_reason="tool_use"), result("a", "A"), warned):
        transcript.add(event)
    assert roles(list(transcript.settled())) == ["user", "assistant", "user"]
    assert roles(list(transcript.messages())) == ["user", "assistant", "user", "system"]


def test_a_model_that_stopped_short_is_asked_to_go_on() -> None:
    sent = messages(said("go"), answer(text_block("One,"), stop_reason="max_tokens"), nudged)
    assert roles(sent) == ["user", "assistant", "user"]
    assert sent[-1]["content"] == [text_block("Continue.")]
