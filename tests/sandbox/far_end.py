"""A far end of the pipe that does what a test has written: broken, or malicious."""

import sys
from collections.abc import Iterator
from typing import Literal

from agentctl.canonical import JsonObject
from agentctl.errors import StoreError
from agentctl.sandbox.base import Layout, Progress
from agentctl.sandbox.pipe.streams import ByteStream
from agentctl.sandbox.process import SupervisorProcess
from agentctl.sandbox.supervised import SupervisedSandbox

READ = """
import json, os, struct, sys
def frame(payload, channel=0, flags=0):
    return struct.pack(">IIB", len(payload), channel, flags) + payload
def say(**message):
    send(frame(json.dumps(message).encode()))
def send(data):
    sys.stdout.buffer.write(data); sys.stdout.buffer.flush()
def take(count):
    data = sys.stdin.buffer.read(count)
    if len(data) < count: sys.exit(0)
    return data
def message():
    while True:
        length, channel, flags = struct.unpack(">IIB", take(9))
        payload = take(length)
        if channel == 0 and not flags and b'"record"' not in payload:
            return json.loads(payload)
take(int.from_bytes(take(4), "big"))
assert message()["type"] == "hello"
READY = dict(type="ready", version=2, python="3.11.0", calls={})
FINE = {"content": [{"type": "text", "text": "fine"}], "is_error": False, "facts": {}}
"""


class WrittenEnd:
    """A far end that does what the test has written, in real Python at a real pipe."""

    def __init__(self, code: str) -> None:
        self._code = READ + code
        self._process: SupervisorProcess | None = None

    @property
    def kind(self) -> Literal["none"]:
        return "none"

    @property
    def layout(self) -> Layout:
        return Layout()

    def check(self) -> JsonObject:
        return {}

    def prepare(self, progress: Progress) -> JsonObject:
        return {}

    def open(self, session_id: str) -> ByteStream:
        self._process = SupervisorProcess([sys.executable, "-c", self._code], {})
        return self._process.stream

    def config(self) -> JsonObject:
        return {}

    def facts(self) -> JsonObject:
        return {}

    def cause_of_death(self) -> str:
        assert self._process is not None
        return self._process.cause_of_death()

    def close(self) -> None:
        if self._process is not None:
            self._process.close(at_once=True)


class NoContents:
    """Where the contents of no file are."""

    def open(self, digest: str) -> Iterator[bytes]:
        """Raise StoreError."""
        raise StoreError(f"nothing is kept of {digest}")


def begin(sandbox: SupervisedSandbox, session_id: str = "sesn_x") -> None:
    """Start a sandbox without any files."""
    sandbox.start(session_id, [], NoContents(), lambda _line: None)
