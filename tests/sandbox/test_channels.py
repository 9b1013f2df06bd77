"""Channels beside the messages: no more in memory than a window, and forged frames are the end of the sandbox."""

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentctl.errors import SandboxError
from agentctl.sandbox.base import ToolCall
from agentctl.sandbox.inside.frames import CREDIT, END, HEADER, OPEN, RESET, WINDOW, FrameError
from agentctl.sandbox.pipe import conversation
from agentctl.sandbox.pipe.channels import Channel
from agentctl.sandbox.supervised import SupervisedSandbox
from tests.sandbox.far_end import WrittenEnd, begin
from tests.sandbox.switchboard import Switchboard

FIRST = 1 << 31

BOTH = f"""
OPEN, CREDIT, RESET, FIRST, WINDOW = {OPEN}, {CREDIT}, {RESET}, {FIRST}, {WINDOW}
def open(number=FIRST): send(frame(b"", number, OPEN))
def grant(count, number=FIRST): send(frame(struct.pack(">I", count), number, CREDIT))
def piece():
    length, channel, flags = struct.unpack(">IIB", take(9))
    payload = take(length)
    return piece() if b'"record"' in payload else (channel, flags, payload)
def until_call():
    while True:
        channel, flags, payload = piece()
        if not channel and json.loads(payload)["type"] == "call": return
say(**READY)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "READY_SECONDS", 5.0)
    monkeypatch.setattr(conversation, "ANSWER_SECONDS", 2.0)


@contextlib.contextmanager
def started(code: str) -> Iterator[tuple[SupervisedSandbox, Switchboard]]:
    gateway = Switchboard()
    sandbox = SupervisedSandbox(WrittenEnd(BOTH + code), gateway=gateway)
    try:
        begin(sandbox)
        yield sandbox, gateway
    finally:
        sandbox.close()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("send(frame(b'x', FIRST))", "which is not open"),
        ("send(frame(b'x', 5))", "which is not open"),
        ("open(FIRST); open(FIRST)", "flags 4"),
        ("open(FIRST + 5); open(FIRST + 4)", "not there to be opened"),
        ("open(FIRST - 1)", "not there to be opened"),
        ("[open(0xffffffff) for _ in range(2000)]", "nobody asked for"),
        ("[open(FIRST + n) for n in range(257)]", "more than 256 connections"),
        ("open(); send(frame(bytes(WINDOW + 1), FIRST))", "more bytes on a channel than it may carry"),
        ("open(); [send(frame(b'ignore\\n' + bytes(60000), FIRST)) for _ in range(9)]", "than it may carry"),
        ("open(); send(frame(b'x', FIRST, 2)); send(frame(b'y', FIRST))", "bytes after the end|not open"),
        ("open(); send(frame(b'', FIRST, RESET)); send(frame(b'y', FIRST))", "bytes after the end|not open"),
        ("open(); grant(1)", "credit on a channel that nobody can have"),
        ("open(); grant(0xffffffff)", "credit on a channel that nobody can have"),
        ("open(); send(frame(b'', FIRST, CREDIT))", "credit on a channel that nobody can have"),
        ("open(); send(frame(bytes(9), FIRST, CREDIT))", "credit on a channel that nobody can have"),
        ("open(); send(frame(b'x', FIRST, 64))", "flags 64"),
        ("open(); send(struct.pack('>IIB', 1 << 21, FIRST, 0))", "a frame of 2097152 bytes"),
    ],
)
def test_frames_that_must_not_come_end_the_sandbox_and_its_connections(code: str, says: str) -> None:  # O7
    before = threading.active_count()  # of all tests that this process has done
    with started(f"until_call()\n{code}\nwhile True: piece()") as (sandbox, gateway):
        with pytest.raises(SandboxError, match=says) as raised:
            list(sandbox.call([ToolCall("a", "bash", {})]))
        assert "what it must not" in raised.value.message
        with pytest.raises(SandboxError, match=says):
            sandbox.ping()
        deadline = time.monotonic() + 20
        while threading.active_count() > before + 20:  # nobody waits for a connection that is gone
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert gateway.taken <= 256


def test_connections_that_are_open_when_the_sandbox_ends_are_reset() -> None:
    with started("open(); send(frame(b'listen\\n', FIRST))\nwhile True: piece()") as (sandbox, gateway):
        assert gateway.wait_for("listens")
        sandbox.close()
        assert gateway.wait_for("ConnectionResetError")
    assert gateway.closed == 2, "once for each time that the sandbox was closed"


def test_a_gateway_writes_no_more_than_the_window_until_more_is_granted() -> None:
    code = """
open(); send(frame(b'pour\\n', FIRST))
got = 0
while got < WINDOW: got += len(piece()[2])
grant(1000)
while got < WINDOW + 1000: got += len(piece()[2])
assert got == WINDOW + 1000 and piece()[1] == RESET
send(frame(b'', FIRST, RESET)); open(FIRST + 1); send(frame(b'reset\\n', FIRST + 1))
assert piece()[:2] == (FIRST + 1, RESET)
open(FIRST + 2)
send(frame(b'count\\n', FIRST + 2, 2))
assert piece() == (FIRST + 2, 0, b'0')
assert piece()[1] == 2
until_call()
say(type='result', id='a', outcome=FINE)
"""
    with started(code) as (sandbox, gateway):
        assert gateway.wait_for("full")
        assert gateway.wait_for("counted")
        [(_, outcome)] = sandbox.call([ToolCall("a", "bash", {})])
        assert outcome.content[0]["text"] == "fine"


def test_late_words_about_a_channel_that_is_gone_are_no_offence() -> None:
    code = """
open(); send(frame(b'', FIRST, 2))
while piece()[1] != RESET: pass
grant(5); send(frame(b'', FIRST, RESET))
until_call()
say(type='result', id='a', outcome=FINE)
"""
    with started(code) as (sandbox, gateway):
        assert gateway.wait_for("nothing")
        [(_, outcome)] = sandbox.call([ToolCall("a", "bash", {})])
        assert outcome.content[0]["text"] == "fine"


def test_a_file_that_is_not_read_to_its_end_is_broken_off() -> None:
    code = """
channel, _, payload = piece()
request = json.loads(payload)
say(type='reply', request=request['request'], size=1 << 40)
send(frame(bytes(WINDOW), request['channel']))
frames = [piece(), piece()]
assert frames[0][:2] == (request['channel'], CREDIT), frames
assert frames[1][:2] == (request['channel'], RESET), frames
send(frame(bytes(WINDOW), request['channel']) + frame(b'', request['channel'], RESET))
until_call()
say(type='result', id='a', outcome=FINE)
"""
    with started(code) as (sandbox, _):
        pieces = sandbox.read_output("big")
        next(pieces)
        pieces.close()
        [(_, outcome)] = sandbox.call([ToolCall("a", "bash", {})])
        assert outcome.content[0]["text"] == "fine"


@pytest.mark.parametrize("deed", ["read", "write"])
def test_whoever_waits_for_a_channel_gives_up_in_time_and_is_woken_by_its_end(deed: str) -> None:
    channel = Channel(FIRST, lambda frames: None, lambda number: None)
    channel.write(bytes(WINDOW), 1.0)

    def wait(seconds: float) -> None:
        channel.read(seconds) if deed == "read" else channel.write(b"x", seconds)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        wait(0.1)
    assert time.monotonic() - began < 30
    timer = threading.Timer(0.1, channel.cut)
    timer.start()
    with pytest.raises(ConnectionResetError):
        wait(120.0)
    timer.join()
    assert time.monotonic() - began < 60


@given(st.lists(st.binary(min_size=1, max_size=3000), max_size=30), st.integers(1, 40_000))
def test_what_is_written_to_a_channel_is_read_from_another_in_order(pieces: list[bytes], room: int) -> None:
    near: Channel
    far = Channel(2, lambda frames: carry(frames, near), lambda number: None)
    near = Channel(1, lambda frames: carry(frames, far), lambda number: None)

    def carry(frames: object, to: Channel) -> None:
        data = b"".join(frames)  # type: ignore[arg-type]
        while data:
            length, _, flags = HEADER.unpack_from(data)
            to.take(flags, data[HEADER.size : HEADER.size + length])
            data = data[HEADER.size + length :]

    got = b""
    for piece in pieces:
        near.write(piece, 1.0)
        if len(got) % room < room // 2:
            got += far.read(1.0)
    near.end()
    while data := far.read(1.0):
        got += data
    assert got == b"".join(pieces)
    with pytest.raises(BrokenPipeError):
        near.write(b"more", 1.0)
    with pytest.raises(FrameError):
        far.take(0, b"after the end")


def test_closing_says_so_once_and_only_where_it_has_not_been_said() -> None:
    said: list[bytes] = []
    gone: list[int] = []
    channel = Channel(7, lambda frames: said.extend(map(bytes, frames)), gone.append)
    channel.end()
    channel.end()
    assert said == [HEADER.pack(0, 7, END)]
    channel.take(END, b"last words")
    assert gone == [7]
    assert channel.read(0.0) == b"last words"
    assert channel.read(0.0) == b""
    channel.close()
    channel.close()
    assert said == [HEADER.pack(0, 7, END)]
    with pytest.raises(ConnectionAbortedError):
        channel.read(0.0)
