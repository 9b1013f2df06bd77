"""The conversation with a supervisor: messages there and back, whatever the pipe between is.

One thread begins the far end, reads all that comes, and says now and then that we live; so
connections move while nobody waits for a result. What comes out of a sandbox is not trusted: frames
and messages are bounded, what nobody asked for is dropped, and every wait has a deadline.
"""

import json
import queue
import threading
import time
from collections.abc import Callable, Iterable

from agentctl.canonical import JsonObject
from agentctl.errors import SandboxError
from agentctl.network.base import Gateway
from agentctl.sandbox.inside.frames import MARK, Decoder, FrameError, frames_of
from agentctl.sandbox.pipe.answers import call_id_of, no_constant, not_understood, number_of, told
from agentctl.sandbox.pipe.channels import Channels
from agentctl.sandbox.pipe.streams import ByteStream

MOST_MESSAGE = 64 << 20
"""Bytes of one message from a sandbox; a PDF document of 20 MiB makes 28."""

READY_SECONDS = 30.0
ANSWER_SECONDS = 30.0

PING_SECONDS = 60.0
"""How often the sandbox hears from us, so that it knows that we live."""

_KEEPER_SECONDS = 1.0
_PROBE_SECONDS = 10.0
_DEAD_SECONDS = 40.0
_MOST_VIOLATIONS = 1_000


class Conversation:
    """Two directions of frames, and who waits for what.

    ``cause_of_death`` says why the far end is no more; ``gateway`` takes the connections that it opens.
    """

    def __init__(self, cause_of_death: Callable[[], str], gateway: Gateway | None = None) -> None:
        self._cause_of_death = cause_of_death
        self._stream: ByteStream | None = None
        self._keeper: threading.Thread | None = None
        self._closing = threading.Event()
        self._decoder = Decoder(MOST_MESSAGE)
        self._changed = threading.Condition()
        self._heard = 0.0
        self._has_ended = False
        self._broken: str | None = None
        self._last_number = 0
        self._results: dict[str, JsonObject | None] = {}
        self._replies: dict[int, JsonObject | None] = {}
        self._violations = 0
        self.channels = Channels(self._send_frames, gateway)

    def open(self, opener: Callable[[], ByteStream], mark: bytes = b"") -> None:
        """Have a thread of its own start the process, keep it alive, and read what comes after ``mark``.

        The kernel may end a process with the thread that started it, and whoever starts a sandbox
        may do it in a thread that soon ends. Raises what ``opener`` raises.
        """
        self._decoder.mark = mark
        opened: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._keeper = threading.Thread(target=self._keep, args=(opener, opened), name="sandbox", daemon=True)
        self._keeper.start()
        error = opened.get()
        if error is not None:
            raise error

    def greet(self, first: Iterable[memoryview], hello: JsonObject) -> JsonObject:
        """Say hello, after what must come first; return what the far end says of itself. Raises SandboxError."""
        self._replies[0] = None
        self.write([*first, *_message(hello)], READY_SECONDS)
        ready = self.reply(0, READY_SECONDS)
        if ready.get("type") != "ready":
            raise SandboxError(f"the sandbox refused us: {told(ready.get('reason'))}")
        return ready

    def close(self) -> None:
        """End it; may be called twice, and from any thread, never raises."""
        self._closing.set()
        self._broken = self._broken or "the sandbox was closed"
        self._close_stream()
        self._join_keeper()
        self._close_stream()
        self._tell_everybody()

    # What is said.

    def say(self, *messages: JsonObject) -> None:
        """Send messages. Raises SandboxError."""
        self.write([piece for message in messages for piece in _message(message)], ANSWER_SECONDS)

    def write(self, pieces: Iterable[memoryview], seconds: float) -> None:
        """Send frames. Raises SandboxError when the sandbox does not take them, or is gone."""
        try:
            self._write(pieces, seconds)
        except OSError as error:
            raise self.failure() from error

    def _send_frames(self, pieces: Iterable[memoryview]) -> None:
        try:
            self._write(pieces, ANSWER_SECONDS)
        except OSError as error:
            raise ConnectionError("the sandbox is gone") from error

    def _write(self, pieces: Iterable[memoryview], seconds: float) -> None:
        if self._broken is not None or self._stream is None:
            raise BrokenPipeError
        try:
            self._stream.write(pieces, seconds)
        except TimeoutError:
            self.break_off(f"the sandbox took nothing for {seconds:g} s")
            raise
        except OSError:
            self._has_ended = True
            raise

    # What is asked, and answered.

    def new_number(self) -> int:
        """Return a number for a request or a channel that no other has."""
        self._last_number += 1
        return self._last_number

    def ask(self, message: JsonObject) -> int:
        """Send a request; its number is for ``reply``. Raises SandboxError."""
        number = self.new_number()
        self._replies[number] = None
        self.say({**message, "request": number})
        return number

    def reply(self, number: int, seconds: float) -> JsonObject:
        """Wait for the reply to a request. Raises SandboxError."""
        self._wait(lambda: self._replies[number] is not None, seconds)
        return self._replies.pop(number) or {}

    def request(self, message: JsonObject) -> JsonObject:
        """Send a request and wait for its reply. Raises SandboxError."""
        return self.reply(self.ask(message), ANSWER_SECONDS)

    def expect(self, call_ids: Iterable[str]) -> None:
        """Say that results of these calls will be waited for."""
        self._results.update(dict.fromkeys(call_ids))

    def result(self, call_id: str, seconds: float) -> JsonObject:
        """Wait for the message with the result of a call: what came first, whatever it is. Raises SandboxError."""
        self._wait(lambda: self._results[call_id] is not None, seconds)
        return self._results.pop(call_id) or {}

    def break_off(self, why: str) -> SandboxError:
        """Have nothing more to do with a sandbox that does what it must not."""
        with self._changed:
            self._broken = self._broken or why
        self._tell_everybody()
        return SandboxError(self._broken)

    def failure(self) -> SandboxError:
        """Say why the sandbox is of no use any more."""
        if self._broken is None and self._has_ended:
            self._broken = self._cause_of_death()
        return SandboxError(self._broken or "the sandbox is not started")

    def _wait(self, is_done: Callable[[], bool], seconds: float) -> None:
        """Wait until ``is_done``, asking now and then for a sign of life; to be stopped meanwhile is not to wait."""
        waited, silent, began = 0.0, 0.0, time.monotonic()
        while not self._is_done_within(step := min(seconds - waited, _PROBE_SECONDS), is_done):
            waited, silent = waited + step, 0.0 if self._heard >= began else silent + step
            began = time.monotonic()
            if waited >= seconds:
                raise self.break_off(f"the sandbox did not finish within {seconds:g} s")
            if silent >= _DEAD_SECONDS:
                raise self.break_off(f"the sandbox gave no sign of life for {_DEAD_SECONDS:g} s")
            if silent:
                self.say({"type": "ping", "request": self.new_number()})

    def _is_done_within(self, seconds: float, is_done: Callable[[], bool]) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: is_done() or self._is_over(), seconds)
            if is_done():
                return True
            is_over = self._is_over()
        if is_over:
            raise self.failure()
        return False

    def _is_over(self) -> bool:
        return self._has_ended or self._broken is not None

    # The thread that keeps the process and reads the pipe.

    def _keep(self, opener: Callable[[], ByteStream], opened: queue.SimpleQueue[BaseException | None]) -> None:
        try:
            if self._closing.is_set():
                raise SandboxError("the sandbox was closed")
            self._stream = stream = opener()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for it
            opened.put(error)
            return
        opened.put(None)
        try:
            self._read(stream)
        except (FrameError, ValueError, RecursionError) as error:
            self.break_off(f"the sandbox sent what it must not: {told(error)}")
        except OSError:
            pass  # whoever uses the sandbox next is told
        except Exception as error:  # noqa: BLE001 - the end of a thread: nobody else would hear of it
            self.break_off(f"what the sandbox sent could not be read: {type(error).__name__}: {told(error)}")
        self._has_ended = True
        self._tell_everybody()

    def _read(self, stream: ByteStream) -> None:
        """Take what comes until there is no more."""
        ping_at = time.monotonic() + PING_SECONDS
        while not self._closing.is_set() and self._broken is None:
            now = time.monotonic()
            if now >= ping_at:
                if self._heard:  # who has said nothing yet still waits for its program
                    self._send_frames(_message({"type": "ping"}))
                ping_at = now + PING_SECONDS
            try:
                data = stream.read(max(ping_at - now, 0.0))
            except TimeoutError:
                continue
            if not data:
                return
            self._heard = time.monotonic()
            self._take(data)

    def _take(self, data: bytes) -> None:
        if self._decoder.mark:
            if not self._has_found_mark(data):
                return
            data = b""
        for channel, flags, payload in self._decoder.feed(data):
            if channel == 0:
                self._file(payload)
            elif channel == MARK:  # somebody else tries to take over; nothing is for us until the end of it
                self._count_violation()
            else:
                self.channels.take(channel, flags, payload)

    def _has_found_mark(self, data: bytes) -> bool:
        """Find where what is for us begins: what comes before may begin in the middle of a frame, for another."""
        self._decoder.buffer += data
        if not self._decoder.skip_to_mark(0):
            del self._decoder.buffer[: -len(self._decoder.mark)]
            return False
        self._decoder.mark = b""
        return True

    def _file(self, payload: bytes) -> None:
        """Put a message where it is waited for; drop one that is not."""
        message = json.loads(payload, parse_constant=no_constant)
        kind = message.get("type") if isinstance(message, dict) else None
        with self._changed:
            if kind == "result" and call_id_of(message.get("id")) in self._results:
                self._results[message["id"]] = self._results[message["id"]] or message
            elif kind == "reply" and number_of(message.get("request")) in self._replies:
                self._replies[message["request"]] = message
            elif kind in ("ready", "refused") and 0 in self._replies:
                self._replies[0] = message
            elif kind == "not_understood":
                self._broken = self._broken or not_understood(message)
            elif kind != "reply":
                self._count_violation()
            self._changed.notify_all()

    def _count_violation(self) -> None:
        self._violations += 1
        if self._violations > _MOST_VIOLATIONS:
            raise FrameError("message after message that nobody asked for")

    def _tell_everybody(self) -> None:
        with self._changed:
            self._changed.notify_all()
        if self._is_over():
            self.channels.cut()

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _join_keeper(self) -> None:
        """Wait for the keeper, so that nothing is started any more.

        An interrupt may come while it is being started; then it may not be known yet whether it was.
        """
        deadline = time.monotonic() + _KEEPER_SECONDS
        while self._keeper is not None and self._keeper.ident is None and time.monotonic() < deadline:
            time.sleep(0.001)
        if self._keeper is not None and self._keeper.ident is not None:
            self._keeper.join()


def _message(message: JsonObject) -> list[memoryview]:
    return list(frames_of(0, json.dumps(message).encode()))
