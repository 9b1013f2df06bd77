"""A Messages API on the loopback interface, stricter than the real one, and able to fail.

From a test::

    with LoopbackApi([call("bash", {"command": "ls"}), say("Done.")]) as api:
        ...                       # ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=api.key
        assert api.violations == []

As a process: ``python tests/loopback_api.py --script FILE`` or ``--steps K``; it prints its address.

It refuses whatever ``tests/api_rules.py`` calls wrong, and beyond that holds every conversation to
its own past: a request must repeat, byte for byte, a former request and the answer it got, and then
add to it. Thinking is signed with all that came before it, and the signature is checked. A summary
that is asked for is made by the server itself; from then on it has to stand, as it was given, for the
messages that it was made of, and a request with those messages and without it is refused as well.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import secrets
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from agentctl.errors import ModelError
from agentctl.model.script import Script, read_script
from agentctl.model.scripted import answer, turn_number
from tests.api_rules import (
    MAX_BODY_BYTES,
    MODELS,
    beta_values,
    blocks_of,
    check_body,
    check_headers,
    exact,
)

Json = dict[str, Any]

AT_END = 1_000_000
"""As ``Break.after``: when the whole answer is out."""


@dataclass(frozen=True)
class Break:
    """What goes wrong while an answer is sent, once ``after`` of its events are out.

    ``eof``: the body ends cleanly; ``fin``: the connection does; ``rst``: it is reset; ``stall``:
    nothing more for ``seconds``; ``pings``: nothing but pings for so long; ``drip``: the rest comes
    byte by byte, ``seconds`` apart; ``pause``: it comes after so long; ``insert``: ``payload`` comes
    before it; ``instead``: ``payload`` comes in its place. With ``after=-1`` it happens before the
    HTTP headers.
    """

    how: Literal["eof", "fin", "rst", "stall", "pings", "drip", "pause", "insert", "instead"]
    after: int = 3
    seconds: float = 30.0
    payload: bytes = b""


@dataclass(frozen=True)
class Reply:
    """An answer: content blocks as the API has them, and how it is sent.

    A ``tool_use`` without an id gets one. ``_json`` in a block is the text of its input, should
    that not be JSON; ``_deltas`` are sent as they are.
    """

    content: Sequence[Json] = ()
    stop_reason: str | None = None
    usage: Json = field(default_factory=dict)
    more: Json = field(default_factory=dict)
    piece: int = 24
    latency_seconds: float = 0.0
    breaks: Sequence[Break] = ()


@dataclass(frozen=True)
class Failure:
    """An answer that is no message: a status, a body and headers."""

    status: int
    body: bytes
    headers: Json = field(default_factory=dict)


def say(text: str, **more: Any) -> Reply:
    return Reply([{"type": "text", "text": text}], **more)


def think(thinking: str, *blocks: Json, **more: Any) -> Reply:
    return Reply([{"type": "thinking", "thinking": thinking}, *blocks], **more)


def call(name: str, tool_input: Json, **more: Any) -> Reply:
    return Reply([{"type": "tool_use", "name": name, "input": tool_input}], **more)


def refuse(status: int, kind: str, message: str = "no", headers: Json | None = None, **details: Any) -> Failure:
    """Make an error of the API's shape; ``error_code`` and the like go into its details."""
    error: Json = {"type": kind, "message": message}
    if details:
        error["details"] = details
    return Failure(status, json.dumps({"type": "error", "error": error}).encode(), headers or {})


def error_event(kind: str, message: str = "no") -> bytes:
    return frame("error", {"type": "error", "error": {"type": kind, "message": message}})


def frame(name: str, data: Json) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), json.dumps(data).encode())


Answer = Reply | Failure
Answers = Sequence[Answer] | Callable[[Json], Answer] | Script


def bash_steps(count: int, command: str = "echo step {step}") -> Callable[[Json], Answer]:
    """Answer with so many bash calls, one per request, and then with a text."""

    def reply(body: Json) -> Answer:
        step = turn_number(body) + 1
        if step > count:
            return say("All steps are done.")
        return call("bash", {"command": command.format(step=step)})

    return reply


@dataclass
class Received:
    """A request as it came; ``body`` is None where it was not JSON."""

    path: str
    headers: Any
    body: Json | None
    raw: bytes


class LoopbackApi:
    """The server. Answers in the order given, or as the function or script says.

    ``requests`` are all that came, ``violations`` what was wrong with them, ``billed`` the
    ``usage`` of each answer that was begun, ``summaries`` how many of those were summaries. A request
    for one is answered by ``summarise``, and by the server where that gives None. ``strict=False``
    lets everything pass.
    """

    def __init__(
        self,
        answers: Answers = (),
        *,
        strict: bool = True,
        port: int = 0,
        latency_seconds: float = 0.0,
        summarise: Callable[[Json], Answer | None] | None = None,
    ) -> None:
        self.key = "sk-ant-loopback-" + secrets.token_hex(16)
        self.requests: list[Received] = []
        self.violations: list[str] = []
        self.billed: list[Json] = []
        self.summaries = 0
        self._summarise = summarise
        self.is_closing = threading.Event()
        self.latency_seconds = latency_seconds
        self.strict = strict
        self._answers = answers
        self._history = _History()
        self._lock = threading.Lock()
        self._served = 0
        self._numbers = 0
        self._server = _Server(("127.0.0.1", port), _Handler, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def billed_tokens(self) -> int:
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
        return sum(usage.get(name) or 0 for usage in self.billed for name in names)

    def start(self) -> "LoopbackApi":
        self._thread.start()
        return self

    def stop(self) -> None:
        self.is_closing.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()

    def __enter__(self) -> "LoopbackApi":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def receive(self, received: Received) -> "Failure | _Reading | None":
        """Keep a request and check it: a refusal where it breaks a rule, else what was read."""
        with self._lock:
            self.requests.append(received)
            try:
                reading = _Reading(received.body or {})
            except (KeyError, TypeError, AttributeError):
                reading = None  # of a shape that the rules below have words for
            problems = list(self._problems(received, reading)) if self.strict else []
            self.violations += problems
        return refuse(400, "invalid_request_error", problems[0]) if problems else reading

    def _problems(self, received: Received, reading: "_Reading | None") -> Iterator[str]:
        if received.path not in ("/v1/messages", "/v1/messages/count_tokens"):
            yield f"{received.path}: no such endpoint"
            return
        yield from check_headers(received.headers)
        counting = received.path.endswith("count_tokens")
        paused = reading is not None and self._history.is_paused(reading)
        betas = beta_values(received.headers)
        checked = 0 if reading is None else self._history.known_messages(reading)
        found = list(check_body(received.body, betas, counting=counting, paused=paused, checked=checked))
        yield from found
        if received.body and reading and not found:
            yield from self._history.check(reading, received.body)

    def answer(self, body: Json, reading: "_Reading", size: int) -> tuple[Answer, Json]:
        """Choose the answer to a request and make the message of it."""
        with self._lock:
            reply = self._choose(body)
            if isinstance(reply, Failure):
                return reply, {}
            message = self._message(reply, body, reading, size)
            self.billed.append(message["usage"])
            if all(each.how in ("insert", "drip", "pause") or each.after >= AT_END for each in reply.breaks):
                self._remember(reading, body, message, size)
        return reply, message

    def _remember(self, reading: "_Reading", body: Json, message: Json, size: int) -> None:
        if "compaction" not in body:
            self._history.add(reading, body, message["stop_reason"], size)
        elif message["content"]:
            self.summaries += 1
            self._history.add_summary(reading, body, message["content"])

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _choose(self, body: Json) -> Answer:
        if "compaction" in body:
            return (self._summarise and self._summarise(body)) or summary_of(body)
        if isinstance(self._answers, Script):
            return self._from_script(self._answers, body)
        if callable(self._answers):
            return self._answers(body)
        if self._served >= len(self._answers):
            self.violations.append("a request more than there are answers")
            return refuse(400, "invalid_request_error", self.violations[-1])
        self._served += 1
        return self._answers[self._served - 1]

    def _from_script(self, script: Script, body: Json) -> Answer:
        try:
            message = answer(script, body)
        except ModelError as error:
            self.violations.append(str(error))
            return refuse(400, "invalid_request_error", str(error))
        content = [{key: part for key, part in block.items() if key != "signature"} for block in message["content"]]
        return Reply(content, message["stop_reason"], message["usage"])

    def _message(self, reply: Reply, body: Json, reading: "_Reading", size: int) -> Json:
        calls = any(block["type"] == "tool_use" for block in reply.content)
        usage = self._history.usage(reading, size)
        if "compaction" in body:
            # Nothing was sampled in the answer itself: what the summary took stands apart.
            spent = {"type": "compaction", **usage, "output_tokens": _output(reply.content)}
            spent.pop("service_tier")
            nothing = dict.fromkeys(("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"), 0)
            usage = {**nothing, "iterations": [spent]}
            reply = replace(reply, usage={"output_tokens": 0, **reply.usage})
        return {
            "id": f"msg_{self.number():08d}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": self._history.sign(reading, map(self._with_id, reply.content)),
            "stop_reason": reply.stop_reason or ("tool_use" if calls else "end_turn"),
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": _output(reply.content), **reply.usage},
            **reply.more,
        }

    def _with_id(self, block: Json) -> Json:
        if block["type"] != "tool_use" or "id" in block:
            return dict(block)
        return {"type": "tool_use", "id": f"toolu_{self.number():08d}", **block}


def summary_of(body: Json) -> Reply:
    """Make the summary of a conversation: how many answers it stands for, which the scripted answers count by."""
    count = turn_number(body)
    block = {"type": "compaction", "content": f"Summary of {count} answers.", "encrypted_content": str(count)}
    return Reply([block], "compaction")


def no_summary(stop_reason: str) -> Reply:
    """Make the answer to a request for a summary that could not be made."""
    return Reply([], stop_reason)


def _output(content: Iterable[Json]) -> int:
    return max(1, sum(len(exact(block)) for block in content) // 4)


class _Reading:
    """A conversation read once: its hash after each message, and before each thinking block."""

    def __init__(self, body: Json) -> None:
        self.states: list[bytes] = []
        self.thinking: list[tuple[str, Json, bytes]] = []
        self.last_answer: int | None = None
        self._hash = hashlib.sha256(exact([body.get("system"), body.get("tools")]))
        for number, message in enumerate(body["messages"]):
            self._begin(message["role"])
            if message["role"] == "assistant":
                self.last_answer = number
            for place, block in enumerate(blocks_of(message)):
                self._add(block, f"messages.{number}.content.{place}")
            self._end()

    def extend(self, content: Iterable[Json], sign: Callable[[str, bytes], str]) -> list[Json]:
        """Add an answer, and sign its thinking; empty text does not count, for no one repeats it."""
        self._begin("assistant")
        signed = []
        for block in content:
            if block["type"] == "compaction" and "signature" not in block:
                block = {**block, "signature": sign(block["content"], self._hash.digest())}
            if block["type"] == "thinking" and "signature" not in block:
                block = {**block, "signature": sign(block["thinking"], self._hash.digest())}
            signed.append(block)
            if block["type"] != "text" or block["text"].strip():
                self._add(block, "")
        self._end()
        return signed

    def answered(self) -> bytes | None:
        """Return the hash of all up to the last answer."""
        return None if self.last_answer is None else self.states[self.last_answer]

    def _begin(self, role: str) -> None:
        self._hash.update(role.encode())

    def _add(self, block: Json, at: str) -> None:
        if block["type"] == "thinking":
            self.thinking.append((at, block, self._hash.digest()))
        plain = plain_block(block)
        if "cache_control" in plain:
            plain = {key: part for key, part in plain.items() if key != "cache_control"}
        self._hash.update(exact(plain))

    def _end(self) -> None:
        self._hash.update(b"|")
        self.states.append(self._hash.digest())


class _History:
    """What was answered, as hashes of everything up to and including each answer."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)
        self._answered: dict[bytes, tuple[bytes, int]] = {}
        self._paused: set[bytes] = set()
        self._summarised: set[bytes] = set()

    def is_paused(self, reading: _Reading) -> bool:
        return bool(reading.states) and reading.states[-1] in self._paused

    def known_messages(self, reading: _Reading) -> int:
        """Return how many messages a former request, found to be right, has held as well."""
        is_known = reading.answered() in self._answered
        return (reading.last_answer or 0) if is_known else 0

    def check(self, reading: _Reading, body: Json) -> Iterator[str]:
        """Compare a request with the past: its prefix, its settings, the signatures in it."""
        for at, block, before in reading.thinking:
            yield from self._check_signature(block, before, at)
        if "compaction" not in body and self._summarised.intersection(reading.states):
            yield "the summary of these messages is left out"
        state = reading.answered()
        if state is None:
            return
        if state not in self._answered:
            yield "the request does not repeat a former request and its answer exactly"
        elif self._answered[state][0] != _settings(body):
            yield "model, thinking, effort, speed or tool_choice changed within a conversation"

    def usage(self, reading: _Reading, size: int) -> Json:
        """Count tokens as if everything up to the last answer had been cached."""
        state = reading.answered()
        read = 0 if state is None else self._answered.get(state, (b"", 0))[1] // 4
        written = max(0, size // 4 - read)
        return {
            "input_tokens": 3,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        }

    def sign(self, reading: _Reading, content: Iterable[Json]) -> list[Json]:
        """Sign the thinking of an answer, bound to the request and to what stands before it."""
        return reading.extend(content, self._signature)

    def add(self, reading: _Reading, body: Json, stop_reason: str, size: int) -> None:
        """Remember an answer that was sent whole."""
        self._answered[reading.states[-1]] = (_settings(body), size)
        if stop_reason == "pause_turn":
            self._paused.add(reading.states[-1])

    def add_summary(self, reading: _Reading, body: Json, content: list[Json]) -> None:
        """Remember a summary: from now on a conversation begins with it, instead of the messages before it."""
        self._summarised.add(reading.states[-2])  # the last one has the summary itself behind it
        anew = _Reading({**body, "messages": [{"role": "assistant", "content": content}]})
        self._answered[anew.states[-1]] = (_settings(body), len(exact(content)))

    def _check_signature(self, block: Json, before: bytes, at: str) -> Iterator[str]:
        given, right = str(block.get("signature")), self._signature(block["thinking"], before)
        if given == right:
            return
        # The first half stands for the thinking itself, the second for all before it.
        bound = ". The block is bound to a different conversation." if given[:40] == right[:40] else ""
        yield f"{at}: Invalid `signature` in `thinking` block{bound}"

    def _signature(self, thinking: str, before: bytes) -> str:
        own = hmac.digest(self._secret, thinking.encode(), "sha256")
        bound = hmac.digest(self._secret, before, "sha256")
        return base64.b64encode(own[:30] + bound[:30]).decode()


def plain_block(block: Json) -> Json:
    """Return a block as a client gets to see it, without the marks that say how it is sent."""
    if "_json" not in block and "_deltas" not in block:
        return block
    if "_json" in block:
        sent = _parsed(block["_json"].encode() or b"{}")
        block = {**block, "input": {"INVALID_JSON": block["_json"]} if sent is None else sent}
    return {key: part for key, part in block.items() if key not in ("_json", "_deltas")}


def _settings(body: Json) -> bytes:
    return exact([body.get(name) for name in ("model", "thinking", "output_config", "speed", "tool_choice")])


def events_of(message: Json, piece: int) -> Iterator[bytes]:
    """Cut a message into the events of a stream."""
    usage = {**message["usage"], "output_tokens": min(1, message["usage"]["output_tokens"])}
    iterations = {"iterations": usage.pop("iterations")} if "iterations" in usage else {}
    empty = {**message, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    yield frame("message_start", {"type": "message_start", "message": empty})
    yield frame("ping", {"type": "ping"})
    for index, block in enumerate(message["content"]):
        start, deltas = _split(block, piece)
        yield frame("content_block_start", {"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            yield frame("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})
        yield frame("content_block_stop", {"type": "content_block_stop", "index": index})
    names = ("stop_reason", "stop_sequence", "stop_details", "container")
    delta = {name: message[name] for name in names if name in message}
    usage = {"output_tokens": message["usage"]["output_tokens"], **iterations}
    yield frame("message_delta", {"type": "message_delta", "delta": delta, "usage": usage})
    yield frame("message_stop", {"type": "message_stop"})


def _split(block: Json, piece: int) -> tuple[Json, list[Json]]:
    """Return how a block starts and the deltas that follow; an unknown one comes whole."""
    plain, more = plain_block(block), list(block.get("_deltas", ()))
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": part} for part in _pieces(block["text"], piece)]
            cited = [{"type": "citations_delta", "citation": each} for each in block.get("citations") or ()]
            start = {**plain, "text": ""}
            return ({**start, "citations": []} if cited else start), deltas + cited + more
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": part} for part in _pieces(block["thinking"], piece)]
            sealed = [{"type": "signature_delta", "signature": block["signature"]}]
            return {**plain, "thinking": "", "signature": ""}, deltas + sealed + more
        case "tool_use" | "server_tool_use":
            text = block["_json"] if "_json" in block else json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in ["", *_pieces(text, piece)]]
            return {**plain, "input": {}}, deltas + more
    return plain, more


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], api: LoopbackApi) -> None:
        super().__init__(address, handler)
        self.api = api
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open, so that the threads on them end too."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients that hang up are what this server is for; anything else is a fault of its own.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _EndError(Exception):
    """The answer ends here, and the connection with it if ``hang_up``."""

    def __init__(self, *, hang_up: bool) -> None:
        super().__init__()
        self.hang_up = hang_up


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        raw = self.rfile.read(length)
        if len(raw) < length:  # whoever sent it was killed in the middle of it
            self.close_connection = True
            return
        api = self.server.api
        received = Received(self.path.partition("?")[0], self.headers, _parsed(raw), raw)
        if len(raw) > MAX_BODY_BYTES:
            self._send(Failure(413, b"<html>413 Request Entity Too Large</html>", {"content-type": "text/html"}))
            return
        if not self._has_key():
            self._send(refuse(401, "authentication_error", "invalid bearer token"))
            return
        found = api.receive(received)
        if received.body is None or not isinstance(found, _Reading):
            self._send(found if isinstance(found, Failure) else refuse(400, "invalid_request_error"))
        elif received.path.endswith("/count_tokens"):
            self._send_json({"input_tokens": len(raw) // 4})
        else:
            self._answer(received.body, found, len(raw))

    def do_GET(self) -> None:
        models = [{"type": "model", "id": name, "lifecycle": "active", "max_tokens": rules.max_tokens}
                  for name, rules in MODELS.items()]  # fmt: skip
        if self.path.partition("?")[0] != "/v1/models":
            self._send(refuse(404, "not_found_error", "no such endpoint"))
            return
        self._send_json({"data": models, "has_more": False})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _has_key(self) -> bool:
        given = str(self.headers.get("authorization", "")).removeprefix("Bearer ")
        return not self.server.api.strict or given == self.server.api.key

    def _answer(self, body: Json, reading: _Reading, size: int) -> None:
        reply, message = self.server.api.answer(body, reading, size)
        if isinstance(reply, Failure):
            self._send(reply)
            return
        self._wait(reply.latency_seconds or self.server.api.latency_seconds)
        try:
            if body.get("stream"):
                self._stream(message, reply)
            else:
                self._send_json({**message, "content": list(map(plain_block, message["content"]))})
        except _EndError as end:
            self.close_connection = self.close_connection or end.hang_up

    def _stream(self, message: Json, reply: Reply) -> None:
        frames = list(events_of(message, reply.piece))
        for each in reply.breaks:
            if each.after < 0:
                self._break(each, [])
        self._begin({"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"})
        sent = 0
        for each in sorted(reply.breaks, key=lambda each: each.after):
            self._chunks(frames[sent : each.after])
            sent = max(sent, min(each.after, len(frames)))
            self._break(each, frames[sent:])
            if each.how == "drip":
                sent = len(frames)
        self._chunks(frames[sent:])
        self.wfile.write(b"0\r\n\r\n")

    def _chunks(self, frames: Sequence[bytes]) -> None:
        if data := b"".join(frames):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _break(self, each: Break, rest: Sequence[bytes]) -> None:
        """Do what goes wrong; raises _EndError where the answer ends with it."""
        self.wfile.flush()
        match each.how:
            case "insert":
                self._chunks([each.payload])
                return
            case "pause":
                self._wait(each.seconds)
                return
            case "drip":
                self._drip(b"".join(rest), each)
                return
            case "instead" | "eof":
                self._chunks([each.payload])
                self.wfile.write(b"0\r\n\r\n")
                raise _EndError(hang_up=False)
            case "stall":
                self._wait(each.seconds)
            case "pings":
                self._ping(each.seconds)
            case "rst":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())
        raise _EndError(hang_up=True)

    def _ping(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.server.api.is_closing.is_set():
            self._chunks([frame("ping", {"type": "ping"})])
            self.wfile.flush()
            self._wait(0.02)

    def _drip(self, data: bytes, each: Break) -> None:
        if each.after < 0:
            data = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-slow: " + b"z" * 100_000
        for byte in data:
            one = bytes([byte])
            self.wfile.write(one if each.after < 0 else b"1\r\n%s\r\n" % one)
            self.wfile.flush()
            self._wait(each.seconds)

    def _wait(self, seconds: float) -> None:
        if seconds and self.server.api.is_closing.wait(seconds):
            raise _EndError(hang_up=True)

    def _begin(self, headers: Json, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("request-id", f"req_loopback_{self.server.api.number():08d}")
        for name, text in headers.items():
            self.send_header(name, str(text))
        self.end_headers()

    def _send_json(self, body: Json) -> None:
        self._send(Failure(200, json.dumps(body).encode()))

    def _send(self, failure: Failure) -> None:
        headers = {"content-type": "application/json", **failure.headers, "content-length": len(failure.body)}
        self._begin(headers, failure.status)
        self.wfile.write(failure.body)


def _parsed(raw: bytes) -> Json | None:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def main() -> None:
    parser = argparse.ArgumentParser(description="A Messages API on the loopback interface.")
    answers = parser.add_mutually_exclusive_group(required=True)
    answers.add_argument("--script", type=Path, help="a YAML script, as for --model script:FILE")
    answers.add_argument("--steps", type=int, help="so many bash calls, then a text")
    parser.add_argument("--command", default="echo step {step}", help="what the bash calls run")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="the key to expect; any other one is refused")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--lenient", action="store_true", help="refuse nothing, for other clients")
    options = parser.parse_args()
    source = read_script(options.script) if options.script else bash_steps(options.steps, options.command)
    api = LoopbackApi(source, strict=not options.lenient, port=options.port, latency_seconds=options.latency)
    api.key = options.key or api.key
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with api:
        print(json.dumps({"url": api.url, "key": api.key}), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    print(json.dumps({"requests": len(api.requests), "violations": api.violations}))
    sys.exit(1 if api.violations else 0)


if __name__ == "__main__":
    main()
