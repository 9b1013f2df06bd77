"""What becomes of a session's events and previews where a secret turns up in them."""

import base64
import json
from pathlib import Path
from typing import Any

from agentctl.canonical import exact_json
from agentctl.events.agent import AgentToolResult
from agentctl.events.content import text_block
from agentctl.events.local import LocalModelResponse
from agentctl.events.make import Maker
from agentctl.events.preview import Preview
from agentctl.ids import SystemClock
from agentctl.paths import Home
from agentctl.redaction import Redactor
from agentctl.session.log import Record
from agentctl.session.redacting import RedactedLog, RedactedPreviews, redacted
from tests.kit import Recorder, call, open_log, text, thinking

SECRET = "tok_Zq81+mN/0pXw7cRb5Ve2=="
MARK = "[redacted:TOKEN]"
KNOWN = Redactor({SECRET: "TOKEN"})
MAKE = Maker(SystemClock())


def answer(*blocks: Any) -> LocalModelResponse:
    raw = exact_json({"id": "msg_1", "role": "assistant", "content": list(blocks), "stop_reason": "tool_use"})
    return MAKE(LocalModelResponse, model_request_start_id="sevt_1", model="m", raw=raw, tool_uses=[])


def content_of(event: Any) -> Any:
    return json.loads(event.raw)["content"]


def test_nothing_that_is_stored_or_told_or_sent_to_the_model_holds_the_secret(own_home: Path) -> None:  # K3
    home = Home(own_home)
    heard: list[str] = []

    class Listener:
        def learn(self, record: Record) -> None:
            heard.append(str(record))

        def record(self, record: Record) -> None:
            heard.append(str(record))

        def preview(self, preview: Preview) -> None:
            heard.append(preview.text)

    with open_log(home) as log:
        recorder = Recorder(RedactedLog(log, KNOWN), home, listeners=[RedactedPreviews(Listener(), KNOWN)])  # type: ignore[arg-type]
        recorder.user(f"use {SECRET}")
        encoded = base64.b64encode(SECRET.encode()).decode()
        (used,) = recorder.answer(text(f"I use {SECRET}."), call("bash", command=f"echo {encoded}"))
        recorder.run_tools(used)
        recorder.result(used, f"x\n{SECRET}\n" * 5_000)
        recorder.answer(text("done"))
        recorder.rest()
        sent = json.dumps(list(recorder.session.transcript.messages()))
        stored = "".join(map(str, recorder.records()))
    everywhere = b"".join(path.read_bytes() for path in own_home.rglob("*") if path.is_file())
    for place in (sent, stored, "".join(heard), everywhere.decode("latin-1")):
        assert SECRET not in place
        assert encoded not in place
        assert MARK in place


def test_an_event_without_a_secret_is_the_same_one() -> None:
    event = answer(text("hello"))
    assert redacted(event, KNOWN) is event
    assert redacted(answer(text(SECRET)), Redactor()).raw.count(SECRET) == 1  # type: ignore[attr-defined]


def test_thinking_goes_where_what_it_is_bound_to_was_changed_and_nowhere_else() -> None:
    event = answer(
        thinking("one"), text("a"), thinking("two"), text(f"b {SECRET}"), thinking("three"), call("bash", command="ls")
    )
    assert content_of(redacted(event, KNOWN)) == [
        thinking("one"),
        text("a"),
        thinking("two"),
        text(f"b {MARK}"),
        call("bash", command="ls"),
    ]
    assert content_of(redacted(answer(thinking(f"hm {SECRET}"), text("ok")), KNOWN)) == [text("ok")]


def test_an_image_that_holds_a_secret_becomes_words_since_no_model_would_read_it() -> None:
    data = base64.b64encode(b"\x89PNG" + SECRET.encode()).decode()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    event = MAKE(AgentToolResult, tool_use_id="sevt_1", content=[text_block("see"), image])
    assert redacted(event, KNOWN).content == [  # type: ignore[attr-defined]
        text_block("see"),
        text_block("[this image held a secret and was left out]"),
    ]


def test_a_secret_that_is_typed_piece_by_piece_is_not_shown() -> None:  # K3
    shown: list[Preview] = []

    class Listener:
        def learn(self, record: Record) -> None: ...
        def record(self, record: Record) -> None:
            shown.append(Preview("text", -1, "stored"))

        def preview(self, preview: Preview) -> None:
            shown.append(preview)

    listener = RedactedPreviews(Listener(), KNOWN)
    for letter in f"it is {SECRET} tok":
        listener.preview(Preview("text", 0, letter))
    assert "".join(preview.text for preview in shown) == f"it is {MARK} "
    listener.preview(Preview("tool_input", 1, '{"command": "', "bash"))
    assert [preview.text for preview in shown[-2:]] == ["tok", '{"command": "']
    listener.preview(Preview("tool_input", 1, "tok_Z", "bash"))
    listener.record(Record(1, answer(text("x")), ""))
    assert [preview.text for preview in shown[-2:]] == ["tok_Z", "stored"]
