"""The loopback API refuses what breaks a rule, and nothing else; a server that forgives proves nothing."""

import copy
import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api_rules import API_VERSION, COMPACT_BETA, CONTEXT_BETA, FAST_BETA, check_body
from tests.loopback_api import Break, LoopbackApi, Reply, bash_steps, call, refuse, say, think

Json = dict[str, Any]

TOOL: Json = {"name": "bash", "description": "Run.", "input_schema": {"type": "object"}}
PNG = "iVBORw0KGgo="


def block(text: str) -> Json:
    return {"type": "text", "text": text}


def right() -> Json:
    """Make a request with something of everything, and nothing wrong."""
    return {
        "model": "claude-opus-5-5",
        "max_tokens": 32_000,
        "stream": True,
        "system": "You help.",
        "tools": [copy.deepcopy(TOOL), {**TOOL, "name": "read"}],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "cache_control": {"type": "ephemeral"},
        "messages": [
            {"role": "user", "content": [block("go")]},
            {
                "role": "assistant",
                "content": [
                    block("I go."),
                    {"type": "tool_use", "id": "a", "name": "bash", "input": {}},
                    {"type": "tool_use", "id": "b", "name": "read", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "x"},
                    {"type": "tool_result", "tool_use_id": "b", "content": [block("y")], "is_error": True},
                ],
            },
        ],
    }


def test_what_is_right_is_accepted() -> None:
    assert list(check_body(right(), [])) == []


def content(body: Json, number: int) -> list[Json]:
    found: list[Json] = body["messages"][number]["content"]
    return found


Breaker = Callable[[Json], object]

WRONG: dict[str, Breaker] = {
    "a sampling parameter": lambda b: b.update(temperature=1),
    "another one": lambda b: b.update(top_p=1),
    "an unknown field": lambda b: b.update(max_turns=3),
    "a field of a beta": lambda b: b.update(context_management={}),
    "an unknown model": lambda b: b.update(model="claude-9"),
    "no max_tokens": lambda b: b.pop("max_tokens"),
    "too many tokens": lambda b: b.update(max_tokens=128_001),
    "much without streaming": lambda b: b.update(stream=False),
    "zero streamed": lambda b: b.update(max_tokens=0),
    "a budget on a new model": lambda b: b.update(thinking={"type": "enabled", "budget_tokens": 2000}),
    "no thinking where it cannot be": lambda b: b.update(thinking={"type": "disabled"}),
    "an unknown display": lambda b: b["thinking"].update(display="raw"),
    "a budget for adaptive thinking": lambda b: b["thinking"].update(budget_tokens=2000),
    "an effort that is none": lambda b: b.update(output_config={"effort": "extreme"}),
    "an unknown setting": lambda b: b.update(output_config={"task_budget": {}}),
    "a forced tool": lambda b: b.update(tool_choice={"type": "any"}),
    "a speed that is none": lambda b: b.update(speed="warp"),
    "a region that is none": lambda b: b.update(inference_geo="mars"),
    "five marks": lambda b: [part.update(cache_control={"type": "ephemeral"}) for part in
                             (*b["tools"], *content(b, 0), *content(b, 2)[:1])],
    "a mark of another kind": lambda b: b.update(cache_control={"type": "eternal"}),
    "a mark with another time": lambda b: b.update(cache_control={"type": "ephemeral", "ttl": "1y"}),
    "a mark on thinking": lambda b: content(b, 1).insert(0, {"type": "thinking", "thinking": "", "cache_control": {}}),
    "an empty system prompt": lambda b: b.update(system=""),
    "a blank system block": lambda b: b.update(system=[block(" ")]),
    "no tools in a list": lambda b: b.update(tools=[]),
    "two tools of a name": lambda b: b["tools"][1].update(name="bash"),
    "a name that is too long": lambda b: b["tools"][0].update(name="x" * 129),
    "a name with a dot": lambda b: b["tools"][0].update(name="a.b"),
    "a tool without a schema": lambda b: b["tools"][0].pop("input_schema"),
    "a schema of no object": lambda b: b["tools"][0].update(input_schema={"type": "string"}),
    "a schema that is none": lambda b: b["tools"][0]["input_schema"].update(properties={"x": {"type": "str"}}),
    "a schema that requires oddly": lambda b: b["tools"][0]["input_schema"].update(required="x"),
    "an unknown field of a tool": lambda b: b["tools"][0].update(parameters={}),
    "a toolset": lambda b: b["tools"][0].update(type="agent_toolset_20260401"),
    "no messages": lambda b: b.update(messages=[]),
    "an assistant first": lambda b: b["messages"].insert(0, {"role": "assistant", "content": "hi"}),
    "an assistant last": lambda b: b["messages"].append({"role": "assistant", "content": "I"}),
    "a system message first": lambda b: b["messages"].insert(0, {"role": "system", "content": "hi"}),
    "a system message between a call and its result":
        lambda b: b["messages"].insert(2, {"role": "system", "content": "hi"}),
    "an unknown role": lambda b: b["messages"].append({"role": "tool", "content": "hi"}),
    "an unknown field of a message": lambda b: b["messages"][0].update(name="x"),
    "no content": lambda b: b["messages"].append({"role": "user", "content": []}),
    "empty text": lambda b: content(b, 0).append(block("")),
    "blank text": lambda b: content(b, 0).append(block(" \n")),
    "empty text of an assistant": lambda b: content(b, 1).insert(0, block("")),
    "empty text in a result": lambda b: content(b, 2)[1].update(content=[block("")]),
    "an empty result": lambda b: content(b, 2)[0].update(content=""),
    "no result": lambda b: content(b, 2).pop(),
    "no results at all": lambda b: b["messages"].pop(),
    "another result": lambda b: content(b, 2).append({"type": "tool_result", "tool_use_id": "c", "content": "x"}),
    "two results": lambda b: content(b, 2).append({"type": "tool_result", "tool_use_id": "a", "content": "x"}),
    "results in another order": lambda b: content(b, 2).reverse(),
    "text before the results": lambda b: content(b, 2).insert(0, block("so")),
    "results in two messages": lambda b: b["messages"].append({"role": "user", "content": [content(b, 2).pop()]}),
    "results that come late": lambda b: b["messages"].insert(2, {"role": "user", "content": "wait"}),
    "an id used twice": lambda b: b["messages"].extend(copy.deepcopy(b["messages"][1:])),
    "an unknown field of a result": lambda b: content(b, 2)[0].update(exit_code=0),
    "an error that is a word": lambda b: content(b, 2)[0].update(is_error="yes"),
    "thinking of a user": lambda b: content(b, 0).append({"type": "thinking", "thinking": "", "signature": ""}),
    "a document of an assistant": lambda b: content(b, 1).insert(0, {"type": "document", "source": {}}),
    "citations of a user": lambda b: content(b, 0)[0].update(citations=[{"x": 1}]),
    "an input that is text": lambda b: content(b, 1)[1].update(input="{}"),
    "an image that is none": lambda b: content(b, 0).append(
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "?"}}),
    "an image of a strange kind": lambda b: content(b, 0).append(
        {"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": PNG}}),
    "a block without a type": lambda b: content(b, 0).append({"text": "x"}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused(name: str) -> None:
    body = right()
    WRONG[name](body)
    assert list(check_body(body, []))


RIGHT: dict[str, Breaker] = {
    "content that is a text": lambda b: b["messages"].append({"role": "user", "content": "more"}),
    "text after the results": lambda b: content(b, 2).append(block("so")),
    "a user message after the results": lambda b: b["messages"].append({"role": "user", "content": "more"}),
    "a system message at the end": lambda b: b["messages"].append({"role": "system", "content": "mind"}),
    "four marks": lambda b: [part.update(cache_control={"type": "ephemeral", "ttl": "1h"}) for part in
                             (*b["tools"], *content(b, 0))],
    "fast mode": lambda b: b.update(speed="fast"),
    "an effort": lambda b: b.update(output_config={"effort": "max"}),
    "a nested schema": lambda b: b["tools"][0]["input_schema"].update(
        properties={"x": {"anyOf": [{"type": ["string", "null"]}, {"items": {"$ref": "#"}}]}}, required=["x"]),
    "an image": lambda b: content(b, 2)[0].update(
        content=[{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_unusual_but_right_is_accepted(name: str) -> None:
    body = right()
    RIGHT[name](body)
    assert list(check_body(body, [])) == []


@pytest.mark.parametrize(
    ("model", "change", "accepted"),
    [
        ("claude-opus-5", {"thinking": {"type": "disabled"}}, True),
        ("claude-opus-5", {"tool_choice": {"type": "any"}}, True),
        ("claude-opus-5", {"speed": "fast"}, False),
        ("claude-sonnet-5", {"speed": "fast"}, False),
        ("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}}, True),
        ("claude-opus-4-6", {"output_config": {"effort": "xhigh"}}, False),
        ("claude-haiku-4-5", {"output_config": {"effort": "low"}, "thinking": None}, False),
        ("claude-haiku-4-5", {"thinking": {"type": "adaptive"}}, False),
        ("claude-haiku-4-5", {"thinking": {"type": "enabled", "budget_tokens": 32_000}}, False),
        ("claude-haiku-4-5", {"thinking": {"type": "enabled", "budget_tokens": 10_000}}, True),
    ],
)
def test_models_differ(model: str, change: Json, accepted: bool) -> None:
    body = {**right(), "model": model, **change}
    assert (list(check_body(body, [])) == []) == accepted


def test_a_beta_opens_what_it_is_for() -> None:
    body = {**right(), "model": "claude-opus-5", "speed": "fast"}
    assert list(check_body(body, [FAST_BETA])) == []


def test_many_images_must_be_small() -> None:
    from base64 import b64encode
    from struct import pack

    wide = b64encode(b"\x89PNG\r\n\x1a\n" + pack(">I4sII", 13, b"IHDR", 3000, 10) + b"\0" * 30).decode()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": wide}}
    few, many = right(), right()
    content(few, 0).extend([image] * 20)
    content(many, 0).extend([image] * 21)
    assert list(check_body(few, [])) == []
    assert "3000x10" in next(check_body(many, []))


# The server


class Client:
    """The plainest client there is."""

    def __init__(self, api: LoopbackApi, beta: str | None = None) -> None:
        self.api = api
        self.headers = {
            "authorization": f"Bearer {api.key}",
            "anthropic-version": API_VERSION,
            "content-type": "application/json",
            **({"anthropic-beta": beta} if beta else {}),
        }

    def post(self, body: Any, path: str = "/v1/messages", **headers: str) -> tuple[int, Json]:
        connection = http.client.HTTPConnection(self.api.url.removeprefix("http://"))
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, raw, {**self.headers, **named})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text)

    def ask(self, body: Json) -> Json:
        status, message = self.post({**body, "stream": False})
        assert status == 200, message
        return message


def plain(**more: Any) -> Json:
    first = {"role": "user", "content": [block("go")]}
    return {"model": "claude-opus-5-5", "max_tokens": 1000, "tools": [TOOL], "messages": [first], **more}


def grown(body: Json, message: Json, text: str = "ok") -> Json:
    """Return the request that follows a message."""
    calls = [each["id"] for each in message["content"] if each["type"] == "tool_use"]
    answers = [{"type": "tool_result", "tool_use_id": each, "content": text} for each in calls]
    news = [{"role": "assistant", "content": message["content"]}, {"role": "user", "content": answers or "more"}]
    return {**body, "messages": [*body["messages"], *news]}


@pytest.fixture
def api() -> Any:
    tool = {"type": "tool_use", "name": "bash", "input": {"z": 1, "a": 2}}

    def reply(body: Json) -> Reply:
        return think("Hm.", block("I go."), tool)

    with LoopbackApi(reply) as api:
        yield api


def conversation(api: LoopbackApi) -> Json:
    """Ask twice; returns the third request, with nothing wrong."""
    client, body = Client(api), plain(system="s")
    for _ in range(2):
        body = grown(body, client.ask(body))
    return body


def test_a_conversation_that_grows_is_accepted(api: LoopbackApi) -> None:
    Client(api).ask(conversation(api))
    assert api.violations == []
    assert len(api.requests) == 3


EDITS: dict[str, Breaker] = {
    "the system prompt": lambda b: b.update(system="t"),
    "a tool": lambda b: b["tools"].append({**TOOL, "name": "more"}),
    "the first message": lambda b: content(b, 0)[0].update(text="stop"),
    "an answer": lambda b: content(b, 1)[1].update(text="I go!"),
    "the order of keys": lambda b: content(b, 1)[2].update(input={"a": 2, "z": 1}),
    "a field": lambda b: content(b, 1)[1].update(citations=None),
    "a result": lambda b: content(b, 2)[0].update(content="shorter"),
    "a block": lambda b: content(b, 1).pop(1),
    "a message": lambda b: b["messages"].insert(3, {"role": "user", "content": "by the way"}),
    "the effort": lambda b: b.update(output_config={"effort": "low"}),
    "the model": lambda b: b.update(model="claude-opus-5"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_past_that_was_edited_is_refused(api: LoopbackApi, name: str) -> None:
    body = conversation(api)
    EDITS[name](body)
    status, answer = Client(api).post({**body, "stream": False})
    assert status == 400, answer
    assert api.violations


def test_a_signature_that_was_damaged_is_told_from_one_that_is_elsewhere(api: LoopbackApi) -> None:
    damaged, elsewhere = conversation(api), conversation(api)
    content(damaged, 3)[0]["thinking"] = "Hm!"
    content(elsewhere, 0)[0]["text"] = "stop"
    _, first = Client(api).post(damaged)
    assert first["error"]["message"] == "messages.3.content.0: Invalid `signature` in `thinking` block"
    _, second = Client(api).post(elsewhere)
    assert second["error"]["message"].endswith("The block is bound to a different conversation.")


def test_a_tail_may_be_cut_off_and_grown_anew(api: LoopbackApi) -> None:
    body = conversation(api)
    fork = {**body, "messages": [*body["messages"][:2], copy.deepcopy(body["messages"][2])]}
    content(fork, 2)[0]["content"] = "something else"
    Client(api).ask(fork)
    assert api.violations == []


def test_two_conversations_do_not_disturb_each_other(api: LoopbackApi) -> None:
    client = Client(api)
    first, second = plain(), plain(system="other")
    for _ in range(3):
        first, second = grown(first, client.ask(first)), grown(second, client.ask(second))
    assert api.violations == []


# --- summaries ---


SUMMARY = {"type": "compaction", "content": "We went.", "signature": "sig"}
CLEARING = {"edits": [{"type": "clear_tool_uses_20250919", "keep": {"type": "tool_uses", "value": 3}}]}


def shortened() -> Json:
    """Make a request that goes on from a summary, with nothing wrong."""
    first = {"role": "assistant", "content": [copy.deepcopy(SUMMARY)]}
    return {**right(), "messages": [first, {"role": "user", "content": [block("on")]}]}


def test_a_summary_may_be_asked_for_and_gone_on_from() -> None:
    wanted = {**right(), "compaction": {"type": "summarize"}}
    assert list(check_body(wanted, [COMPACT_BETA])) == []
    wanted["messages"] = [*wanted["messages"], {"role": "assistant", "content": [block("Done.")]}]
    assert list(check_body(wanted, [COMPACT_BETA])) == []
    assert list(check_body(shortened(), [COMPACT_BETA])) == []
    alone = {**shortened(), "messages": shortened()["messages"][:1]}
    assert list(check_body(alone, [COMPACT_BETA])) == []
    assert list(check_body({**right(), "context_management": CLEARING}, [CONTEXT_BETA])) == []


ASKED_WRONGLY: dict[str, Breaker] = {
    "another kind": lambda b: b["compaction"].update(type="forget"),
    "a trigger": lambda b: b["compaction"].update(trigger=1),
    "long instructions": lambda b: b["compaction"].update(instructions="x" * 16_385),
    "clearing beside it": lambda b: b.update(context_management=CLEARING),
    "stop sequences beside it": lambda b: b.update(stop_sequences=["x"]),
    "a format beside it": lambda b: b.update(output_config={"format": {}}),
    "a forced tool beside it": lambda b: b.update(model="claude-opus-5", tool_choice={"type": "any"}),
    "an unanswered call": lambda b: b["messages"].pop(),
    "nothing to summarise": lambda b: b.update(messages=shortened()["messages"][:1]),
}


@pytest.mark.parametrize("name", ASKED_WRONGLY)
def test_a_summary_that_is_asked_for_wrongly_is_refused(name: str) -> None:
    body = {**right(), "compaction": {"type": "summarize"}}
    ASKED_WRONGLY[name](body)
    assert list(check_body(body, [COMPACT_BETA, CONTEXT_BETA]))


def test_summaries_and_clearing_need_their_headers() -> None:
    assert list(check_body({**right(), "compaction": {"type": "summarize"}}, []))
    assert list(check_body(shortened(), []))
    assert list(check_body({**right(), "context_management": CLEARING}, [COMPACT_BETA]))


GONE_ON_WRONGLY: dict[str, Breaker] = {
    "not first": lambda b: b["messages"].insert(0, {"role": "user", "content": "hi"}),
    "two": lambda b: b["messages"].insert(1, copy.deepcopy(b["messages"][0])),
    "text beside it": lambda b: content(b, 0).append(block("so")),
    "of a user": lambda b: b["messages"][0].update(role="user"),
    "a null more": lambda b: content(b, 0)[0].update(encrypted_content=None),
    "a field more": lambda b: content(b, 0)[0].update(citations=[]),
    "without its signature": lambda b: content(b, 0)[0].pop("signature"),
    "without content": lambda b: content(b, 0)[0].pop("content"),
    "a system message behind it": lambda b: b["messages"].insert(1, {"role": "system", "content": "x"}),
}


@pytest.mark.parametrize("name", GONE_ON_WRONGLY)
def test_a_summary_that_is_gone_on_from_wrongly_is_refused(name: str) -> None:
    body = shortened()
    GONE_ON_WRONGLY[name](body)
    assert list(check_body(body, [COMPACT_BETA]))


def summarised(api: LoopbackApi) -> tuple[Json, Json]:
    """Have a conversation summarised; returns the request behind the summary and the one before it."""
    body = conversation(api)
    message = Client(api, COMPACT_BETA).ask({**body, "compaction": {"type": "summarize"}})
    assert message["stop_reason"] == "compaction"
    assert message["usage"]["input_tokens"] == 0
    assert message["usage"]["iterations"][0]["cache_creation_input_tokens"] > 0
    return {**body, "messages": [{"role": "assistant", "content": message["content"]}]}, body


def test_a_conversation_grows_on_behind_its_summary(api: LoopbackApi) -> None:
    body, _ = summarised(api)
    client = Client(api, COMPACT_BETA)
    for _ in range(2):
        body = grown(body, client.ask(body))
    client.ask({**body, "compaction": {"type": "summarize"}})
    assert api.violations == []
    assert api.summaries == 2


def with_text(body: Json, text: str) -> None:
    content(body, 0)[0].update(content=text)


FORGOTTEN: dict[str, Callable[[Json, Json], object]] = {
    "the summary": lambda after, before: after.update(messages=before["messages"]),
    "the summary, in a conversation that went on":
        lambda after, before: after.update(messages=[*before["messages"], {"role": "user", "content": "on"}]),
    "that messages were summarised": lambda after, before: after["messages"].extend(before["messages"]),
    "what it said": lambda after, _: with_text(after, "Something else."),
    "its signature": lambda after, _: content(after, 0)[0].update(signature="sig"),
    "the order of its keys": lambda after, _: content(after, 0).append(dict(reversed(content(after, 0).pop().items()))),
    "the system prompt": lambda after, _: after.update(system="t"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGOTTEN)
def test_what_a_summary_stands_for_is_not_forgotten(api: LoopbackApi, name: str) -> None:
    after, before = summarised(api)
    FORGOTTEN[name](after, before)
    status, answer = Client(api, COMPACT_BETA).post({**after, "stream": False})
    assert status == 400, answer
    assert api.violations


def test_a_key_is_needed() -> None:
    with LoopbackApi([say("hi")]) as api:
        status, answer = Client(api).post(plain(), authorization="Bearer wrong")
        assert (status, answer["error"]["type"]) == (401, "authentication_error")


@pytest.mark.parametrize(
    "headers",
    [
        {"anthropic_version": "2023-06-01"},
        {"content_type": "text/plain"},
        {"x_stainless_retry_count": "1"},
        {"anthropic_beta": "a,a"},
    ],
)
def test_headers_are_checked(headers: dict[str, str]) -> None:
    with LoopbackApi([say("hi")]) as api:
        assert Client(api).post(plain(), **headers)[0] == 400
        assert api.violations


@pytest.mark.parametrize("body", [b"{", b"[]", b"[" * 100_000, b"\xff", b'{"messages": 7}', b'{"messages": [7]}'])
def test_nonsense_is_refused_and_not_fatal(body: bytes) -> None:
    with LoopbackApi([say("hi")]) as api:
        assert Client(api).post(body)[0] == 400
        assert Client(api).post(plain())[0] == 200


def test_a_request_more_than_there_are_answers() -> None:
    with LoopbackApi([say("hi")]) as api:
        Client(api).ask(plain())
        assert Client(api).post(plain())[0] == 400
        assert api.violations == ["a request more than there are answers"]


def test_tokens_are_counted_and_billed() -> None:
    with LoopbackApi(
        [call("bash", {}), say("hi", usage={"output_tokens": 1000}), refuse(529, "overloaded_error")]
    ) as api:
        client, body = Client(api), plain(system="x" * 4000)
        status, counted = client.post(body, "/v1/messages/count_tokens")
        assert status == 200
        assert counted["input_tokens"] > 1000
        message = client.ask(body)
        first = message["usage"]
        assert first["cache_creation_input_tokens"] > 1000
        assert first["cache_read_input_tokens"] == 0
        second = client.ask(grown(body, message))["usage"]
        assert second["cache_read_input_tokens"] > 1000
        assert second["output_tokens"] == 1000
        spent = api.billed_tokens
        client.post(plain())
        assert api.billed_tokens == spent == sum(tokens(usage) for usage in (first, second))


def tokens(usage: Json) -> int:
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    return sum(int(usage[name]) for name in names)


def test_models_are_listed() -> None:
    with LoopbackApi() as api:
        connection = http.client.HTTPConnection(api.url.removeprefix("http://"))
        connection.request("GET", "/v1/models", headers=Client(api).headers)
        listed = json.loads(connection.getresponse().read())
        connection.close()
    assert "claude-opus-5-5" in [each["id"] for each in listed["data"]]


def test_an_answer_that_broke_off_is_no_past() -> None:
    with LoopbackApi([say("half", breaks=[Break("eof", 2)]), say("x")]) as api:
        client = Client(api)
        connection = http.client.HTTPConnection(api.url.removeprefix("http://"))
        connection.request("POST", "/v1/messages", json.dumps(plain(stream=True)), client.headers)
        connection.getresponse().read()
        connection.close()
        body = grown(plain(), {"content": [block("half")]})
        assert client.post(body)[0] == 400


def test_lenient_it_takes_anything() -> None:
    with LoopbackApi(bash_steps(1), strict=False) as api:
        status, _ = Client(api).post(plain(temperature=1), authorization="", x_api_key="k")
        assert (status, api.violations) == (200, [])


@pytest.mark.parametrize("source", [["--steps", "1"], ["--script", "script.yaml"]])
def test_as_a_process(tmp_path: Path, source: list[str]) -> None:
    (tmp_path / "script.yaml").write_text("- tools: [{name: bash, input: {command: ls}}]\n- text: Done.")
    server = Path(__file__).parent / "loopback_api.py"
    arguments = [sys.executable, str(server), *source, "--key", "k", "--latency", "0.01"]
    with subprocess.Popen(arguments, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        address = json.loads(run.stdout.readline())
        assert address["key"] == "k"
        client = Client(type("Api", (), address)())  # type: ignore[arg-type]
        body = plain()
        message = client.ask(body)
        assert message["content"][0]["name"] == "bash"
        assert client.ask(grown(body, message))["stop_reason"] == "end_turn"
        run.send_signal(signal.SIGTERM)
        assert json.loads(run.stdout.readline()) == {"requests": 2, "violations": []}
        assert run.wait() == 0
