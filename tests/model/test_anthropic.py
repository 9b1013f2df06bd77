"""The SDK over real sockets: what goes out, what comes back, and everything that can go wrong between."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from agentctl.errors import CredentialsError, ModelError
from agentctl.model.anthropic import AnthropicModel
from tests.api_rules import FAST_BETA
from tests.loopback_api import (
    AT_END,
    Break,
    Failure,
    LoopbackApi,
    Reply,
    bash_steps,
    call,
    error_event,
    frame,
    refuse,
    say,
    think,
)
from tests.model.conftest import Serve
from tests.model.kit import ask, ask_and_watch, drive, failure, request, results, user

CUT = [("eof", 4), ("fin", 4), ("rst", 4), ("eof", 0), ("fin", 0), ("eof", 10), ("fin", 10)]

SLOW = [("stall", -1), ("drip", -1), ("stall", 0), ("pings", 0), ("drip", 0), ("stall", 4), ("pings", 4), ("drip", 4)]
UNSENDABLE = ["sk-ant-sécret-key", "sk-ant-secret-key\nx", "sk-ant-secret\x01key", "sk-ant-secret\udcff"]


# What goes out and what comes back


def test_an_answer_arrives_whole_and_piece_by_piece(serve: Serve) -> None:
    _, model = serve([say("Hello there, this is an answer.", piece=4)])
    response, shown = ask_and_watch(model)
    assert response.message["content"] == [{"type": "text", "text": "Hello there, this is an answer."}]
    assert json.loads(response.raw) == response.message
    assert response.request_id is not None
    assert response.request_id.startswith("req_")
    assert [piece.text for piece in shown][:2] == ["Hell", "o th"]


def test_a_long_conversation_repeats_itself_exactly(serve: Serve) -> None:
    api, model = serve(bash_steps(12))
    drive(model)
    assert api.violations == []
    assert len(api.requests) == 13


def test_thinking_goes_back_as_it_came(serve: Serve) -> None:
    tool = {"type": "tool_use", "name": "bash", "input": {"z": 1, "a": {"y": 2, "b": 3}}}
    api, model = serve([think("Hm. Über…", tool), think("", {"type": "text", "text": "Done."})])
    drive(model)
    assert api.violations == []


def test_blocks_and_deltas_of_the_future_go_back_as_they_came(serve: Serve) -> None:
    future = {"type": "hologram", "beta": {"x": [1, None]}, "alpha": "ü", "_deltas": [{"type": "aroma_delta"}]}
    tool = {"type": "tool_use", "name": "bash", "input": {}, "caller": {"type": "direct"}, "toolset_name": "t"}
    api, model = serve([Reply([future, tool]), say("Done.")])
    conversation = drive(model)
    assert api.violations == []
    assert conversation[1]["content"][0] == {"type": "hologram", "beta": {"x": [1, None]}, "alpha": "ü"}


def test_a_turn_that_was_paused_is_taken_up_again(serve: Serve) -> None:
    api, model = serve([say("Searching…", stop_reason="pause_turn"), say("Found.")])
    first = ask(model).message
    assert first["stop_reason"] == "pause_turn"
    ask(model, user("go"), {"role": "assistant", "content": first["content"]})
    assert api.violations == []


def test_a_refusal_is_an_answer(serve: Serve) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    _, model = serve([say("I", stop_reason="refusal", more={"stop_details": details})])
    message = ask(model).message
    assert (message["stop_reason"], message["stop_details"]) == ("refusal", details)


def test_a_call_cut_off_by_the_limit_of_tokens_is_marked(serve: Serve) -> None:
    block = {"type": "tool_use", "name": "bash", "input": {}, "_json": '{"command": "rm -rf /tm'}
    _, model = serve([Reply([block], stop_reason="max_tokens")])
    message = ask(model).message
    assert message["stop_reason"] == "max_tokens"
    assert message["content"][0]["input"] == {"INVALID_JSON": '{"command": "rm -rf /tm'}


def test_a_broken_call_can_be_answered_and_the_conversation_goes_on(serve: Serve) -> None:
    block = {"type": "tool_use", "name": "bash", "input": {}, "_json": '{"command": '}
    api, model = serve([Reply([block]), say("Sorry.")])
    drive(model)
    assert api.violations == []


def test_a_beta_is_named_in_its_header_and_only_then(serve: Serve) -> None:
    api, model = serve([say("a"), say("b")])
    model.respond(request(model="claude-opus-5", speed="fast"), lambda _: None)
    ask(model)
    assert [each.headers.get("anthropic-beta") for each in api.requests] == [FAST_BETA, None]
    assert api.violations == []


def test_a_request_is_sent_as_it_is_with_its_keys_in_their_order(serve: Serve) -> None:
    api, model = serve([say("Done.")])
    asked = request({"role": "user", "content": [{"text": "go", "type": "text"}]})
    model.respond(asked, lambda _: None)
    body = api.requests[-1].body or {}
    assert body == asked.body | {"stream": True}
    assert [*body["messages"][0]["content"][0]] == ["text", "type"]
    assert [*body["tools"][0]] == sorted(body["tools"][0])


def test_a_long_conversation_is_not_copied_for_each_request(serve: Serve) -> None:
    _, model = serve([say("One."), say("Two."), say("Three.")])

    def calls_for(number: int) -> int:
        """Count the calls of functions, of Python's and of others, that a request with so many messages takes."""
        count = 0

        def counted(_frame: FrameType, event: str, _: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        conversation = [user("go")] * number
        sys.setprofile(counted)
        try:
            ask(model, *conversation)
        finally:
            sys.setprofile(None)
        return count

    calls_for(1)  # opens the connection
    few = calls_for(10)
    assert calls_for(1_010) - few < 1_000


def test_half_a_character_from_a_tool_does_not_end_the_session(serve: Serve) -> None:
    api, model = serve([call("bash", {"command": "x"}), say("Done.")])
    first = ask(model).message
    conversation = [user("go"), {"role": "assistant", "content": first["content"]}, results(first, "a\ud800b")]
    ask(model, *conversation)
    assert api.violations == []
    assert api.requests[-1].body is not None
    assert api.requests[-1].body["messages"][-1]["content"][0]["content"] == "a?b"


def test_connections_are_kept(serve: Serve) -> None:
    api, model = serve(bash_steps(3))
    opened: list[Any] = []
    process = api._server.process_request
    api._server.process_request = lambda *args: (opened.append(args[1]), process(*args))  # type: ignore[method-assign]
    drive(model)
    assert len(opened) == 1


def test_ten_megabytes_of_input_arrive(serve: Serve) -> None:
    _, model = serve([call("bash", {"command": "x" * 10_000_000}, piece=100_000)])
    assert len(ask(model).message["content"][0]["input"]["command"]) == 10_000_000


def test_what_the_caller_does_with_a_piece_is_not_the_servers_failure(serve: Serve) -> None:
    _, model = serve([say("hello"), say("again")])

    def closed(_: object) -> None:
        raise ValueError("I/O operation on closed file")

    with pytest.raises(ValueError, match="closed file"):
        model.respond(request(), closed)
    assert ask(model).message["content"][0]["text"] == "again"


# What can go wrong before the answer begins


@pytest.mark.parametrize(
    ("answer", "kind", "retryable"),
    [
        (refuse(400, "invalid_request_error", "bad"), "invalid_request_error", False),
        (refuse(402, "billing_error"), "billing_error", False),
        (refuse(403, "permission_error"), "permission_error", False),
        (refuse(404, "not_found_error", "model: x"), "not_found_error", False),
        (Failure(413, b"<html>413</html>", {"content-type": "text/html"}), "request_too_large", False),
        (refuse(429, "rate_limit_error", headers={"retry-after": "99999"}), "rate_limit_error", True),
        (
            refuse(429, "rate_limit_error", error_code="enforced_spend_limit_reached"),
            "enforced_spend_limit_reached",
            False,
        ),
        (refuse(500, "api_error"), "api_error", True),
        (Failure(502, b"Bad Gateway", {"content-type": "text/plain"}), "api_error", True),
        (Failure(503, b"", {}), "api_error", True),
        (refuse(504, "timeout_error"), "timeout_error", True),
        (refuse(529, "overloaded_error", "Overloaded"), "overloaded_error", True),
        (refuse(400, "invalid_request_error", headers={"x-should-retry": "true"}), "invalid_request_error", True),
    ],
)
def test_a_refusal_is_reported_once_and_never_tried_again(
    serve: Serve, answer: Failure, kind: str, retryable: bool
) -> None:
    api, model = serve([answer, say("unreached")])
    error = failure(model)
    assert (error.kind, error.retryable, error.status_code) == (kind, retryable, answer.status)
    assert error.request_id is not None
    assert len(api.requests) == 1


def test_how_long_the_server_wants_us_to_wait_is_passed_on_and_not_waited(serve: Serve) -> None:
    _, model = serve([refuse(429, "rate_limit_error", headers={"retry-after": "99999"})])
    started = time.monotonic()
    assert failure(model).retry_after_seconds == 99999
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(serve: Serve, status: int) -> None:
    with LoopbackApi([say("stolen")]) as elsewhere:
        _, model = serve([Failure(status, b"", {"location": f"{elsewhere.url}/v1/messages"})])
        error = failure(model)
        assert (error.kind, error.retryable) == ("redirect_error", False)
        assert elsewhere.requests == []


def test_a_page_in_place_of_an_answer_is_a_portal(serve: Serve) -> None:
    page = b"<!DOCTYPE html><html><body>Please log in to the hotel's network</body></html>"
    _, model = serve([Failure(200, page, {"content-type": "text/html; charset=utf-8"})])
    error = failure(model)
    assert (error.kind, error.retryable) == ("protocol_error", False)
    assert "text/html" in error.message
    assert error.hint is not None
    assert "portal" in error.hint


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_connection_that_ends_before_the_answer(serve: Serve, how: Any) -> None:
    _, model = serve([say("x", breaks=[Break(how, after=-1)]), say("again")])
    error = failure(model)
    assert (error.kind, error.retryable) == ("connection_error", True)
    assert ask(model).message["content"][0]["text"] == "again"


def without_a_server(monkeypatch: pytest.MonkeyPatch, url: str) -> ModelError:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    with closing(AnthropicModel()) as model:
        return failure(model)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    error = without_a_server(monkeypatch, "http://127.0.0.1:9")
    assert (error.kind, error.retryable, error.unbilled) == ("connection_error", True, True)
    assert error.message == "the model's API at 127.0.0.1:9 cannot be reached: connection refused"


def test_a_name_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    error = without_a_server(monkeypatch, "http://user:secret@no-such-host.invalid")
    assert (error.kind, error.retryable) == ("connection_error", True)
    assert error.message == "the model's API at no-such-host.invalid cannot be reached: its name is not known"


@pytest.mark.parametrize("url", ["localhost:1234", "ftp://localhost", "http://[::bad", "http://a:b:c", "//x", "x"])
def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(ModelError) as caught:
        raise without_a_server(monkeypatch, url)
    assert not caught.value.retryable
    assert caught.value.hint is not None
    assert "ANTHROPIC_BASE_URL" in caught.value.hint


def test_a_certificate_that_nobody_vouches_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with LoopbackApi([say("over TLS")]) as api:
        api._server.socket = context.wrap_socket(api._server.socket, server_side=True)
        url = f"https://localhost:{api._server.server_address[1]}"
        error = without_a_server(monkeypatch, url)
        assert (error.kind, error.retryable) == ("connection_error", False)
        assert "certificate of localhost" in error.message
        assert "self" in error.message
        assert api.requests == []
        # The same server, vouched for by the person's own environment.
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        monkeypatch.setenv("ANTHROPIC_API_KEY", api.key)
        with closing(AnthropicModel()) as model:
            assert ask(model).message["content"][0]["text"] == "over TLS"


# What can go wrong in the middle


@pytest.mark.parametrize(("how", "after"), CUT)
def test_a_stream_that_is_cut_is_no_answer(serve: Serve, how: Any, after: int) -> None:
    cut = call("bash", {"command": "rm -rf the/important/directory"}, piece=6, breaks=[Break(how, after)])
    _, model = serve([cut, say("again")])
    error = failure(model)
    assert (error.kind, error.retryable) == ("stream_cut_error", True)
    assert error.request_id is not None
    assert ask(model).message["content"][0]["text"] == "again"


@pytest.mark.parametrize("after", [0, 1, 5])
@pytest.mark.parametrize(
    ("kind", "retryable"), [("overloaded_error", True), ("api_error", True), ("invalid_request_error", False)]
)
def test_an_error_in_the_stream_goes_by_its_type(serve: Serve, kind: str, retryable: bool, after: int) -> None:
    _, model = serve([say("Hello there", piece=2, breaks=[Break("instead", after, payload=error_event(kind))])])
    error = failure(model)
    assert (error.kind, error.retryable, error.status_code) == (kind, retryable, None)


@pytest.mark.parametrize(
    ("answer", "unbilled"),
    [
        (refuse(400, "invalid_request_error"), True),
        (refuse(429, "rate_limit_error"), True),
        (refuse(503, "api_error"), True),
        (refuse(529, "overloaded_error"), True),
        (Reply(breaks=[Break("instead", after=0, payload=error_event("overloaded_error"))]), True),
        (say("x", breaks=[Break("instead", after=4, payload=error_event("overloaded_error"))]), False),
        (say("x", breaks=[Break("eof", after=4)]), False),
        (say("x", breaks=[Break("rst", after=4)]), False),
        (say("x", breaks=[Break("fin", after=-1)]), False),  # the request was out: an answer may be in the making
        (Failure(200, b"<html>", {"content-type": "text/html"}), True),
    ],
)
def test_of_each_failure_it_is_known_whether_the_api_may_ask_money_for_it(
    serve: Serve, answer: Any, unbilled: bool
) -> None:
    _, model = serve([answer])
    assert failure(model).unbilled is unbilled


@pytest.mark.parametrize(
    ("payload", "retryable"),
    [
        (b"event: content_block_delta\ndata: {broken\n\n", True),
        (b'event: content_block_delta\ndata: "\xff\xfe"\n\n', True),
        (b"event: x\ndata: " + b"[" * 200_000 + b"\n\n", False),
        (frame("x", {}).replace(b"{}", b"7"), True),
        (frame("content_block_delta", {"type": "content_block_delta", "index": 9, "delta": {}}), True),
        (b"event: x\ndata: " + b"1" * 5000 + b"\n\n", True),
    ],
)
def test_garbage_in_the_stream_is_refused(serve: Serve, payload: bytes, retryable: bool) -> None:
    _, model = serve([say("Hello", breaks=[Break("insert", payload=payload)]), say("again")])
    error = failure(model)
    assert (error.kind, error.retryable) == ("protocol_error", retryable)
    assert ask(model).message["content"][0]["text"] == "again"


@pytest.mark.parametrize(
    "payload", [frame("weather", {"type": "weather", "is": "fine"}), frame("ping", {"type": "ping"}), b": comment\n\n"]
)
def test_events_of_the_future_are_passed_over(serve: Serve, payload: bytes) -> None:
    _, model = serve([say("Hello", breaks=[Break("insert", after, payload=payload) for after in (0, 3, AT_END)])])
    assert ask(model).message["content"][0]["text"] == "Hello"


def test_two_calls_with_one_id_are_refused(serve: Serve) -> None:
    block = {"type": "tool_use", "id": "toolu_same", "name": "bash", "input": {}}
    _, model = serve([Reply([block, block])])
    error = failure(model)
    assert (error.kind, error.retryable) == ("protocol_error", True)
    assert "same id" in error.message


def test_a_compressed_body_that_is_none(serve: Serve) -> None:
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    _, model = serve([Failure(200, b"not gzip at all", headers)])
    assert failure(model).kind == "stream_cut_error"


# Time


@pytest.mark.parametrize(("how", "after"), SLOW)
def test_the_deadline_holds_whatever_the_server_sends(serve: Serve, how: Any, after: int) -> None:
    slow = Break(how, after, seconds=0.05 if how == "drip" else 20)
    _, model = serve([say("warm"), say("x" * 4000, breaks=[slow]), say("again")])
    ask(model)  # so that the connection is an old one, of whose opening this request learns nothing
    started = time.monotonic()
    with pytest.MonkeyPatch.context() as hurried:
        hurried.setattr(model, "_deadline_seconds", 0.5)
        error = failure(model)
    assert 0.4 < time.monotonic() - started < 15
    assert (error.kind, error.retryable) == ("timeout_error", True)
    assert "within 0.5 seconds" in error.message
    assert ask(model).message["content"][0]["text"] == "again"


def test_the_deadline_holds_on_a_connection_that_is_new(serve: Serve) -> None:
    _, model = serve([say("x", breaks=[Break("drip", after=-1, seconds=0.05)])], deadline_seconds=0.3)
    assert failure(model).kind == "timeout_error"


@pytest.mark.parametrize(("how", "after"), SLOW)
def test_silence_is_not_waited_out_and_pings_do_not_break_it(serve: Serve, how: Any, after: int) -> None:
    slow = Break(how, after, seconds=0.05 if how == "drip" else 20)
    _, model = serve([say("x" * 4000, breaks=[slow])], silence_seconds=0.3)
    started = time.monotonic()
    error = failure(model)
    assert time.monotonic() - started < 15
    assert (error.kind, error.retryable) == ("timeout_error", True)
    assert "silent" in error.message


def test_a_body_that_only_ends_with_its_connection_is_late_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def stall() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: ping\n\n")
                while connection.recv(65536):  # the rest of the request, and then until it hangs up
                    pass

        thread = threading.Thread(target=stall)
        thread.start()
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        with closing(AnthropicModel(deadline_seconds=1)) as model:
            error = failure(model)
        thread.join()
    assert (error.kind, error.retryable) == ("timeout_error", True)


def test_a_slow_answer_is_not_silence(serve: Serve) -> None:
    pauses = [Break("pause", after, seconds=0.2) for after in range(2, 16)]
    _, model = serve([say("Hello there", piece=1, breaks=pauses)], silence_seconds=2.5)
    started = time.monotonic()
    assert ask(model).message["content"][0]["text"] == "Hello there"
    assert time.monotonic() - started > 2.6


def test_an_answer_without_end_is_given_up(serve: Serve) -> None:
    _, model = serve([say("x" * 100_000)], most_bytes=50_000)
    error = failure(model)
    assert (error.kind, error.retryable) == ("protocol_error", False)


@pytest.mark.parametrize("how", ["fin", "rst", "stall", "pings"])
def test_once_it_is_whole_an_answer_stands(serve: Serve, how: Any) -> None:
    _, model = serve([say("whole", breaks=[Break(how, AT_END, seconds=20)]), say("next")])
    started = time.monotonic()
    assert ask(model).message["content"][0]["text"] == "whole"
    assert time.monotonic() - started < 15
    assert ask(model).message["content"][0]["text"] == "next"


def test_an_interrupt_ends_a_request_at_once(serve: Serve) -> None:
    api, model = serve([say("x", breaks=[Break("stall", seconds=20)]), say("again")])

    def interrupt() -> None:
        while not api.billed:
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    # A process that a shell has put in the background ignores this signal unless told otherwise.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    person = threading.Thread(target=interrupt)
    person.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ask(model)
    signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 15
    person.join()
    assert ask(model).message["content"][0]["text"] == "again"


# Keys


def test_without_a_key_there_is_one_line_and_a_hint(serve: Serve) -> None:
    with pytest.raises(CredentialsError) as caught:
        AnthropicModel()
    assert caught.value.exit_code == 6
    assert caught.value.hint is not None
    assert "ANTHROPIC_API_KEY" in caught.value.hint
    assert "ant auth login" in caught.value.hint


@pytest.mark.parametrize("variable", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_a_key_from_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with LoopbackApi([say("hi")]) as api:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        monkeypatch.setenv(variable, api.key)
        with closing(AnthropicModel()) as model:
            ask(model)


def test_a_header_of_a_gateway_is_a_key_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackApi([say("hi")]) as api:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", f"Authorization: Bearer {api.key}")
        with closing(AnthropicModel()) as model:
            ask(model)


def write_profile(directory: Path, token: str, base_url: str, *, hours: int = 1, renewable: bool = False) -> None:
    expires = datetime.now(UTC) + timedelta(hours=hours)
    client, renewal = ({"client_id": "c"}, {"refresh_token": "r"}) if renewable else ({}, {})
    (directory / "configs").mkdir(parents=True)
    (directory / "credentials").mkdir()
    config = directory / "configs" / "default.json"
    config.write_text(json.dumps({"authentication": {"type": "user_oauth", **client}, "base_url": base_url}))
    config.chmod(0o600)
    credentials = directory / "credentials" / "default.json"
    credentials.write_text(json.dumps({"access_token": token, "expires_at": int(expires.timestamp()), **renewal}))
    credentials.chmod(0o600)


def test_a_profile_that_ant_has_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "config"))
    with LoopbackApi([say("hi")]) as api:
        write_profile(tmp_path / "config", api.key, api.url)
        with closing(AnthropicModel()) as model:
            assert ask(model).message["content"][0]["text"] == "hi"
        assert api.requests[0].headers["anthropic-beta"] == "oauth-2025-04-20"


@pytest.mark.parametrize("broken", ["{", "[]", '{"authentication": {"type": "odd"}}'])
def test_a_profile_that_is_broken_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: str) -> None:
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "config"))
    write_profile(tmp_path / "config", "t", "http://127.0.0.1:9")
    (tmp_path / "config" / "configs" / "default.json").write_text(broken)
    with pytest.raises(CredentialsError) as caught, closing(AnthropicModel()) as model:
        ask(model)
    assert "default.json" in caught.value.message or "odd" in caught.value.message


def test_a_login_that_has_run_out_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "config"))
    with LoopbackApi() as api:
        write_profile(tmp_path / "config", "stale-token-value", api.url, hours=-1)
        with closing(AnthropicModel()) as model:
            error = failure(model)
    assert isinstance(error, CredentialsError)
    assert "stale-token-value" not in error.message
    assert error.hint is not None
    assert "ant auth login" in error.hint


def test_a_login_that_cannot_be_renewed_for_now_may_be_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "config"))
    write_profile(tmp_path / "config", "stale-token-value", "http://127.0.0.1:9", hours=-1, renewable=True)
    with closing(AnthropicModel()) as model:
        error = failure(model)
    assert (error.kind, error.retryable) == ("connection_error", True)
    assert "stale-token-value" not in error.message


@pytest.mark.parametrize("key", UNSENDABLE)
def test_a_key_that_cannot_be_sent_is_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    with LoopbackApi() as api:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", key)
        with closing(AnthropicModel()) as model:
            error = failure(model)
    assert isinstance(error, CredentialsError)
    assert "cret" not in error.message
    assert error.__cause__ is None


def test_a_refused_key_is_not_shown(serve: Serve) -> None:
    api, model = serve([])
    key, api.key = api.key, "another"
    error = failure(model)
    assert isinstance(error, CredentialsError)
    assert key not in error.message


def test_a_server_that_repeats_the_key_does_not_get_it_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackApi() as api:
        api.key = "unusual-key-without-a-prefix"
        api._answers = [refuse(403, "permission_error", f"key {api.key} may not")]
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", api.key)
        with closing(AnthropicModel()) as model:
            error = failure(model)
    assert "unusual" not in error.message
    assert "[key] may not" in error.message


# The person's own network


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        heard: list[bytes] = []

        def answer() -> None:
            connection, _ = proxy.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        error = without_a_server(monkeypatch, "https://api.example.invalid")
        thread.join()
    assert heard[0].startswith(b"CONNECT api.example.invalid:443")
    assert error.kind == "connection_error"
    assert "proxy" in error.message


def test_nothing_is_left_behind_when_a_process_ends_during_a_request() -> None:
    program = """
import os, sys, threading
from tests.loopback_api import *
from tests.model.kit import ask
from agentctl.model.anthropic import AnthropicModel
api = LoopbackApi([say("x", breaks=[Break("stall", seconds=30)])]).start()
os.environ["ANTHROPIC_BASE_URL"], os.environ["ANTHROPIC_API_KEY"] = api.url, api.key
model = AnthropicModel(deadline_seconds=500)
threading.Thread(target=ask, args=(model,), daemon=True).start()
while not api.billed:  # the answer has begun
    threading.Event().wait(0.01)
threading.Event().wait(0.1)
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_closing_twice_is_closing(serve: Serve) -> None:
    _, model = serve([say("hi")])
    ask(model)
    model.close()
    model.close()
