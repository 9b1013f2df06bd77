"""A Messages API on loopback that thinks for no time and keeps a stopwatch.

Both clients talk to it in the same process, and it does the same work for each: parse the request,
look at the last tool result, answer. The answer to request n of a run is a call of the tool
``bash`` with a command of its own, until the run's last step. It streams when it is asked to, and
sends the whole answer in one write, so that nothing a client does while an answer arrives can hide
behind the server's time.

A request whose last message is not the output of the command that was asked for is refused: a
client that skips work cannot be measured.
"""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SUBMISSION = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"


@dataclass(frozen=True, slots=True)
class Request:
    """When a request began to arrive, was read whole, and was answered; seconds of ``time.monotonic``."""

    arrived: float
    read: float
    answered: float


@dataclass(slots=True)
class Run:
    """What one client is to do, and what it did.

    ``steps`` commands are asked for. ``submits``: the last of them is mini-swe-agent's way to end;
    otherwise one more answer, a text, ends the run.
    """

    steps: int
    submits: bool
    requests: list[Request] = field(default_factory=list)
    complaint: str = ""

    @property
    def requests_expected(self) -> int:
        """The number of requests that a run of so many steps makes."""
        return self.steps if self.submits else self.steps + 1

    @property
    def server_seconds(self) -> float:
        """The time between a request's last byte and its answer's last byte, summed."""
        return sum(request.answered - request.read for request in self.requests)


class ModelServer:
    """The server; runs are told apart by the first part of the address's path."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._runs: dict[str, Run] = {}

    def expect(self, name: str, run: Run) -> str:
        """Register a run; returns the base URL for its client."""
        self._runs[name] = run
        return f"http://127.0.0.1:{self._port}/{name}"

    def answer(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        """Return the status, content type and body of the answer to one request."""
        run = self._runs[path.split("/")[1]]
        request = json.loads(body)
        run.complaint = run.complaint or _complaint(request["messages"])
        if run.complaint:
            return 400, "application/json", json.dumps(_error(run.complaint)).encode()
        message = _message(request, run)
        if request.get("stream"):
            return 200, "text/event-stream", b"".join(_events(message))
        return 200, "application/json", json.dumps(message).encode()

    def note(self, path: str, request: Request) -> None:
        """Keep the times of one answered request."""
        self._runs[path.split("/")[1]].requests.append(request)


@contextmanager
def serving() -> Iterator[ModelServer]:
    """Serve on a free port of 127.0.0.1 until the end of the block."""
    with _Listener(("127.0.0.1", 0), _Connection) as listener:
        listener.server = ModelServer(listener.server_address[1])
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield listener.server
        finally:
            listener.shutdown()


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    server: ModelServer


class _Connection(socketserver.StreamRequestHandler):
    """HTTP/1.1 as far as the clients speak it: POST, Content-Length, connections that stay open."""

    disable_nagle_algorithm = True
    server: _Listener

    def handle(self) -> None:
        while line := self.rfile.readline():
            arrived = time.monotonic()
            path = line.split()[1].decode()
            body = self.rfile.read(self._content_length())
            read = time.monotonic()
            status, kind, answer = self.server.server.answer(path, body)
            head = f"HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {len(answer)}\r\n\r\n"
            # Noted before it is sent: the client may end the moment it has the last byte.
            self.server.server.note(path, Request(arrived, read, time.monotonic()))
            self.connection.sendall(head.encode() + answer)

    def _content_length(self) -> int:
        length = 0
        while (line := self.rfile.readline().lower()) not in (b"\r\n", b""):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return length


def _complaint(messages: list[Json]) -> str:
    """Say what is wrong with a conversation's last turn, or nothing."""
    step = sum(message["role"] == "assistant" for message in messages)
    if step == 0:
        return ""
    results = [block for block in messages[-1]["content"] if block["type"] == "tool_result"]
    if len(results) != 1 or results[0]["tool_use_id"] != f"toolu_{step:024}":
        return f"the result of step {step} is missing"
    if results[0].get("is_error") or f"step {step} done" not in json.dumps(results[0]):
        return f"step {step} was not carried out: {json.dumps(results[0])[:300]}"
    return ""


def _error(complaint: str) -> Json:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": complaint}}


def _message(request: Json, run: Run) -> Json:
    step = 1 + sum(message["role"] == "assistant" for message in request["messages"])
    content: list[Json] = [{"type": "text", "text": f"Step {step} of {run.steps}."}]
    ends = step > run.steps
    if not ends:
        command = SUBMISSION if run.submits and step == run.steps else f"echo step {step} done"
        content.append({"type": "tool_use", "id": f"toolu_{step:024}", "name": "bash", "input": {"command": command}})
    return {
        "id": f"msg_{step:024}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": content,
        "stop_reason": "end_turn" if ends else "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 100,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 20,
        },
    }


def _events(message: Json) -> Iterator[bytes]:
    yield _event({"type": "message_start", "message": {**message, "content": [], "stop_reason": None}})
    for index, block in enumerate(message["content"]):
        empty = {**block, "input": {}} if block["type"] == "tool_use" else {**block, "text": ""}
        delta = (
            {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            if block["type"] == "tool_use"
            else {"type": "text_delta", "text": block["text"]}
        )
        yield _event({"type": "content_block_start", "index": index, "content_block": empty})
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 20}})
    yield _event({"type": "message_stop"})


def _event(data: Json) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
