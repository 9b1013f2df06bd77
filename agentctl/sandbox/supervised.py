"""A sandbox whose hands are the supervisor at the end of a pipe, whatever the pipe is.

What comes out of a sandbox is not trusted: frames and messages are bounded, outcomes are checked,
results that nobody asked for are dropped, and every wait has a deadline.
"""

import hashlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from agentctl.canonical import JsonObject
from agentctl.errors import SandboxError
from agentctl.sandbox.base import Layout, OutputFile, Progress, Started, ToolCall, ToolOutcome, Upload
from agentctl.sandbox.inside import MODULES
from agentctl.sandbox.inside.bash import seconds_of
from agentctl.sandbox.inside.child import OTHER_SECONDS
from agentctl.sandbox.inside.frames import END, MOST_PAYLOAD, VERSION, Decoder, FrameError, frames_of
from agentctl.sandbox.streams import ByteStream
from agentctl.sandbox.transfer import Cargo, load, tar_stream
from agentctl.visible import visible_line

MOST_MESSAGE = 64 << 20
"""Bytes of one message from a sandbox; a PDF document of 20 MiB makes 28."""

READY_SECONDS = 30.0
ANSWER_SECONDS = 30.0
PUT_SECONDS = 300.0
SPARE_SECONDS = 30.0
"""What a call may take beyond its own limit before the sandbox counts as broken."""

PING_SECONDS = 60.0
"""How often the sandbox hears from us, so that it knows that we live."""

SILENCE_SECONDS = 600.0
"""How long a sandbox waits to hear from anybody before it ends itself."""

_KEEPER_SECONDS = 1.0
_PROBE_SECONDS = 10.0
_DEAD_SECONDS = 40.0
_MOST_VIOLATIONS = 1_000
_MOST_PATH = 4_096

PYTHON = ("python3", "-I", "-S", "-X", "utf8", "-c")

BOOTSTRAP = """\
import json, os, signal, sys, types
signal.alarm(60)
def receive(count):
    data = b""
    while len(data) < count:
        piece = os.read(0, count - len(data))
        if not piece:
            os._exit(0)
        data += piece
    return data
for name, source in json.loads(receive(int.from_bytes(receive(4), "big"))):
    module = sys.modules[name] = types.ModuleType(name)
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], child, module)
    exec(compile(source, name, "exec"), module.__dict__)
module.main()
"""
"""What the sandbox's Python is started with: it receives the program through the pipe, so that no
command line is longer than a screen."""


class End(Protocol):
    """The far end of the pipe: what differs between one kind of sandbox and another."""

    @property
    def kind(self) -> Literal["docker", "bubblewrap", "none"]:
        """Say which it is."""
        ...

    @property
    def layout(self) -> Layout:
        """Say where things are inside."""
        ...

    def check(self) -> JsonObject:
        """As ``Sandbox.check``."""
        ...

    def prepare(self, progress: Progress) -> JsonObject:
        """As ``Sandbox.prepare``."""
        ...

    def open(self, session_id: str) -> ByteStream:
        """Start the process. Raises SandboxError and leaves nothing behind."""
        ...

    def config(self) -> JsonObject:
        """Tell the supervisor about its place: ``home``, ``limits``, ``memory_limit``, ``quit_at_end``."""
        ...

    def facts(self) -> JsonObject:
        """Return facts for the record."""
        ...

    def cause_of_death(self) -> str:
        """Say in a few words why the process is no more."""
        ...

    def close(self) -> None:
        """End the process, and whatever it started, and remove what was made; never raises."""
        ...


class SupervisedSandbox:
    """The client of a supervisor.

    One thread uses it; ``cancel`` and ``close`` may be called from any.
    """

    def __init__(
        self,
        end: End,
        env: Mapping[str, str] | None = None,
        *,
        generation: int = 1,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._end = end
        self._env = dict(env or {})
        self._generation = generation
        self._silence_seconds = silence_seconds
        self._stream: ByteStream | None = None
        self._decoder = Decoder(MOST_MESSAGE)
        self._frames: Iterator[tuple[int, int, bytes]] = iter(())
        self._keeper: threading.Thread | None = None
        self._closing = threading.Event()
        self._broken: str | None = None
        self._last_number = 0
        self._asked: dict[str, ToolOutcome | None] = {}
        self._replies: dict[int, JsonObject | None] = {}
        self._pieces: dict[int, queue.SimpleQueue[tuple[bytes, bool]]] = {}
        self._violations = 0

    @property
    def kind(self) -> Literal["docker", "bubblewrap", "none", "recorded"]:
        """Say which implementation this is."""
        return self._end.kind

    @property
    def layout(self) -> Layout:
        """Say where things are inside the sandbox."""
        return self._end.layout

    def check(self) -> JsonObject:
        """Find out, quickly, whether the sandbox can work here; makes nothing. Raises SandboxError."""
        try:
            return self._end.check()
        finally:
            self._end.close()

    def prepare(self, progress: Progress) -> JsonObject:
        """Check that the sandbox can work here and make what it needs. Raises SandboxError, UsageError."""
        try:
            return self._end.prepare(progress)
        except BaseException:
            self._end.close()
            raise

    def start(self, session_id: str, uploads: Sequence[Upload], progress: Progress) -> Started:
        """Start the process and copy the uploads in.

        Raises SandboxError, or UsageError for uploads that cannot be copied; nothing is left then.
        """
        cargoes = load(uploads)
        begun = time.monotonic()
        try:
            self._open(lambda: self._end.open(session_id))
            self._write([*_program(), *_message(self._hello(session_id))], READY_SECONDS)
            ready = self._await_ready()
            ready_seconds = time.monotonic() - begun
            for cargo in cargoes:
                self._put(cargo, progress)
        except BaseException:
            self.close()
            raise
        facts = {"ready_seconds": round(ready_seconds, 6), "uploads": [_facts_of(cargo) for cargo in cargoes]}
        return Started({**self._facts(ready), **facts})

    def attach(self, session_id: str) -> Started | None:  # noqa: ARG002 - nothing but a container outlives us
        """Find nothing to take over: this sandbox ends with the process that began it."""
        return None

    def take_over(self, session_id: str, reopen: Callable[[], ByteStream]) -> Started:
        """Take over a sandbox that runs, from a harness that is gone.

        ``reopen`` gives a stream to it. The facts hold ``calls``: how far each call is whose result
        nobody has acknowledged (``waiting``, ``running``, ``done``); ``call`` with such a call gives
        its outcome, without running it again. Raises SandboxError.
        """
        try:
            self._open(reopen)
            mark = _mark(session_id)
            self._write([memoryview(mark), *_message(self._hello(session_id))], READY_SECONDS)
            self._skip_to(mark)
            ready = self._await_ready()
        except BaseException:
            self.close()
            raise
        return Started({**self._facts(ready), "calls": ready.get("calls", {})})

    def call(self, calls: Sequence[ToolCall]) -> Iterator[tuple[str, ToolOutcome]]:
        """Send all the calls at once, now; yield each one's id and outcome as it ends, in order.

        Raises SandboxError when the sandbox is gone or does not answer.
        """
        self._asked.update((call.id, None) for call in calls)
        self._say(*({"type": "call", "id": call.id, "name": call.name, "input": call.input} for call in calls))
        return self._outcomes(calls)

    def _outcomes(self, calls: Sequence[ToolCall]) -> Iterator[tuple[str, ToolOutcome]]:
        for call in calls:
            self._wait(lambda call=call: self._asked[call.id] is not None, _seconds_of(call))  # type: ignore[misc]
            outcome = self._asked.pop(call.id)
            assert outcome is not None
            yield call.id, outcome

    def acknowledge(self, call_ids: Sequence[str]) -> None:
        """Say that these outcomes are safely recorded and may be forgotten by the sandbox."""
        self._say({"type": "acknowledge", "ids": list(call_ids)})

    def status(self, call_id: str) -> str:
        """Ask how far a call is: ``unknown``, ``waiting``, ``running``, ``done`` or ``acknowledged``."""
        return str(self._request({"type": "status", "id": call_id}).get("state"))

    def cancel(self, call_id: str) -> None:
        """End a call that waits or runs; it then has an outcome that says so."""
        self._say({"type": "cancel", "id": call_id})

    def ping(self) -> float:
        """Ask for a sign of life; return the seconds that it took."""
        begun = time.monotonic()
        self._request({"type": "ping"})
        return time.monotonic() - begun

    def outputs(self) -> Sequence[OutputFile]:
        """List the regular files under the outputs folder, sorted by path; at most 10,000."""
        listed = self._request({"type": "list_outputs"}).get("files")
        files = [file for file in map(_output_file, listed if isinstance(listed, list) else []) if file]
        return sorted(files, key=lambda file: file.path)

    def read_output(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of one output file in pieces of at most 1 MiB. Raises SandboxError."""
        channel = self._new_number()
        pieces = self._pieces[channel] = queue.SimpleQueue()
        try:
            answer = self._request({"type": "read_output", "path": path, "channel": channel})
            if "error" in answer:
                raise SandboxError(f"cannot read {visible_line(path)}: {_told(answer['error'])}")
            left = _whole_number(answer.get("size"))
            ended = False
            while not ended:
                self._wait(lambda: not pieces.empty(), ANSWER_SECONDS)
                piece, ended = pieces.get()
                left -= len(piece)
                if left < 0:
                    raise self._break(f"{visible_line(path)} is longer than the sandbox said")
                if piece:
                    yield piece
        finally:
            del self._pieces[channel]

    def close(self) -> None:
        """End every process of the sandbox and remove it; may be called twice, never raises."""
        self._closing.set()
        self._broken = self._broken or "the sandbox was closed"
        self._join_keeper()
        self._end.close()
        if self._stream is not None:
            self._stream.close()

    # The process, and the thread that keeps it.

    def _open(self, opener: Callable[[], ByteStream]) -> None:
        """Have a thread of its own start the process, and keep it alive.

        The kernel may end a process with the thread that started it, and whoever starts a sandbox
        may do it in a thread that soon ends.
        """
        opened: queue.SimpleQueue[ByteStream | BaseException] = queue.SimpleQueue()
        self._keeper = threading.Thread(target=self._keep, args=(opener, opened), name="sandbox", daemon=True)
        self._keeper.start()
        stream = opened.get()
        if isinstance(stream, BaseException):
            raise stream
        self._stream = stream

    def _keep(self, opener: Callable[[], ByteStream], opened: queue.SimpleQueue[ByteStream | BaseException]) -> None:
        try:
            if self._closing.is_set():
                raise SandboxError("the sandbox was closed")
            stream = opener()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for it
            opened.put(error)
            return
        opened.put(stream)
        while not self._closing.wait(PING_SECONDS):
            try:
                stream.write(_message({"type": "ping"}), ANSWER_SECONDS)
            except OSError:
                return  # whoever uses the sandbox next is told

    def _join_keeper(self) -> None:
        """Wait for the keeper, so that nothing is started any more.

        An interrupt may come while it is being started; then it may not be known yet whether it was.
        """
        deadline = time.monotonic() + _KEEPER_SECONDS
        while self._keeper is not None and self._keeper.ident is None and time.monotonic() < deadline:
            time.sleep(0.001)
        if self._keeper is not None and self._keeper.ident is not None:
            self._keeper.join()

    def _hello(self, session_id: str) -> JsonObject:
        layout = self._end.layout
        return {
            "type": "hello",
            "version": VERSION,
            "generation": self._generation,
            "mark": _mark(session_id).hex(),
            "config": {
                "layout": {name: getattr(layout, name) for name in layout.__slots__},
                "env": self._env,
                "silence_seconds": self._silence_seconds,
                **self._end.config(),
            },
        }

    def _await_ready(self) -> JsonObject:
        self._replies[0] = None
        self._wait(lambda: self._replies[0] is not None, READY_SECONDS)
        ready = self._replies.pop(0) or {}
        if ready.get("type") != "ready":
            raise SandboxError(f"the sandbox refused us: {_told(ready.get('reason'))}")
        return ready

    def _facts(self, ready: JsonObject) -> JsonObject:
        python = visible_line(str(ready.get("python")))[:40]
        return {"kind": self.kind, "generation": self._generation, "python": python, **self._end.facts()}

    def _put(self, cargo: Cargo, progress: Progress) -> None:
        for name in cargo.skipped:
            progress(f"not copied, for it is neither file nor folder nor link: {visible_line(name)}")
        channel, number = self._new_number(), self._new_number()
        self._replies[number] = None
        self._say({"type": "put", "request": number, "channel": channel, "target": cargo.folder})
        for piece in tar_stream(cargo, progress):
            self._write(frames_of(channel, piece), PUT_SECONDS)
        self._write(frames_of(channel, b"", end=True), PUT_SECONDS)
        answer = self._reply(number, PUT_SECONDS)
        if "error" in answer:
            raise SandboxError(f"cannot copy files to {visible_line(cargo.folder)}: {_told(answer['error'])}")

    # Messages.

    def _new_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _request(self, message: JsonObject) -> JsonObject:
        number = self._new_number()
        self._replies[number] = None
        self._say({**message, "request": number})
        return self._reply(number, ANSWER_SECONDS)

    def _reply(self, number: int, seconds: float) -> JsonObject:
        self._wait(lambda: self._replies[number] is not None, seconds)
        return self._replies.pop(number) or {}

    def _say(self, *messages: JsonObject) -> None:
        self._write([piece for message in messages for piece in _message(message)], ANSWER_SECONDS)

    def _write(self, pieces: Iterable[memoryview], seconds: float) -> None:
        if self._broken is not None or self._stream is None:
            raise SandboxError(self._broken or "the sandbox is not started")
        try:
            self._stream.write(pieces, seconds)
        except TimeoutError as error:
            raise self._break(f"the sandbox took nothing for {seconds:g} s") from error
        except OSError as error:
            raise self._break(self._end.cause_of_death()) from error

    def _wait(self, is_done: Callable[[], bool], seconds: float) -> None:
        """Take frames until ``is_done``; while none come, ask now and then for a sign of life."""
        deadline = time.monotonic() + seconds
        heard = time.monotonic()
        while not is_done():
            if self._broken is not None or self._stream is None:
                raise SandboxError(self._broken or "the sandbox is not started")
            now = time.monotonic()
            if now >= deadline:
                raise self._break(f"the sandbox did not finish within {seconds:g} s")
            if now - heard > _DEAD_SECONDS:
                raise self._break(f"the sandbox gave no sign of life for {_DEAD_SECONDS:g} s")
            try:
                self._take_frame(min(deadline - now, _PROBE_SECONDS))
                heard = time.monotonic()
            except TimeoutError:
                self._say({"type": "ping", "request": self._new_number()})

    def _take_frame(self, seconds: float) -> None:
        assert self._stream is not None
        try:
            frame = next(self._frames, None)
            while frame is None:
                data = self._stream.read(seconds)
                if not data:
                    raise self._break(self._end.cause_of_death())
                self._frames = self._decoder.feed(data)
                frame = next(self._frames, None)
            self._file(*frame)
        except (FrameError, ValueError, RecursionError) as error:
            raise self._break(f"the sandbox sent what it must not: {_told(error)}") from error

    def _file(self, channel: int, flags: int, payload: bytes) -> None:
        """Put what has come where it is waited for; drop what is not."""
        if channel:
            pieces = self._pieces.get(channel)
            if pieces is not None:
                pieces.put((payload, bool(flags & END)))
            return
        message = json.loads(payload, parse_constant=_no_constant)
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "result" and message.get("id") in self._asked:
            call_id = message["id"]
            self._asked[call_id] = self._asked[call_id] or _outcome(message.get("outcome"))
        elif kind == "reply" and message.get("request") in self._replies:
            self._replies[message["request"]] = message
        elif kind in ("ready", "refused") and 0 in self._replies:
            self._replies[0] = message
        elif kind != "reply":
            self._violations += 1
            if self._violations > _MOST_VIOLATIONS:
                raise FrameError("message after message that nobody asked for")

    def _skip_to(self, mark: bytes) -> None:
        """Find where the frames for us begin in what may begin in the middle of one for another."""
        assert self._stream is not None
        deadline = time.monotonic() + READY_SECONDS
        self._decoder.mark = mark
        while True:
            try:
                data = self._stream.read(max(deadline - time.monotonic(), 0.0))
            except TimeoutError:
                raise self._break(f"the sandbox did not answer within {READY_SECONDS:g} s") from None
            if not data:
                raise self._break(self._end.cause_of_death())
            self._decoder.buffer += data
            if self._decoder.skip_to_mark(0):
                self._decoder.mark = b""
                self._frames = self._decoder.feed(b"")
                return
            del self._decoder.buffer[: -len(mark)]

    def _break(self, why: str) -> SandboxError:
        self._broken = why
        return SandboxError(why)


def _program() -> Iterator[memoryview]:
    package = f"{__package__}.inside"
    folder = Path(__file__).with_name("inside")
    sources = [(package, "")] + [
        (f"{package}.{module}", (folder / f"{module}.py").read_text(encoding="utf-8")) for module in MODULES
    ]
    program = json.dumps(sources).encode()
    yield memoryview(len(program).to_bytes(4, "big"))
    yield memoryview(program)


def _message(message: JsonObject) -> list[memoryview]:
    return list(frames_of(0, json.dumps(message).encode()))


def _mark(session_id: str) -> bytes:
    return hashlib.sha256(b"agentctl " + session_id.encode()).digest()


def _seconds_of(call: ToolCall) -> float:
    timeout_ms = call.input.get("timeout_ms")
    own = seconds_of(timeout_ms if isinstance(timeout_ms, int) else None) if call.name == "bash" else OTHER_SECONDS
    return own + SPARE_SECONDS


def _facts_of(cargo: Cargo) -> JsonObject:
    return {"target": cargo.folder, "files": len(cargo.paths), "bytes": cargo.size, "skipped": len(cargo.skipped)}


def _outcome(value: Any) -> ToolOutcome:
    match value:
        case {"content": [*content], "is_error": bool() as is_error, "facts": dict() as facts}:
            if all(map(_is_block, content)):
                plain = {str(key): fact for key, fact in facts.items() if isinstance(fact, str | int | float)}
                return ToolOutcome(tuple(content), is_error, plain)
    raise FrameError("an outcome that is none")


def _is_block(block: Any) -> bool:
    match block:
        case {"type": "text", "text": str(), **rest}:
            return not rest
        case {"type": "image" | "document", "source": source, **rest}:
            return not rest and _is_source(source)
    return False


def _is_source(source: Any) -> bool:
    match source:
        case {"type": "base64", "media_type": str(), "data": str(), **rest}:
            return not rest
    return False


def _output_file(value: Any) -> OutputFile | None:
    match value:
        case [str() as path, int() as size, int() as mode] if size >= 0:
            parts = path.split("/")
            if 0 < len(path) <= _MOST_PATH and "\0" not in path and not {"", ".", ".."} & set(parts):
                return OutputFile(path, size, mode & 0o777)
    return None


def _whole_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SandboxError("the sandbox sent what it must not: a size that is none")
    return value


def _told(value: object) -> str:
    """Show what a sandbox says of itself, on one line that is not too long."""
    return visible_line(str(value))[:500]


def _no_constant(name: str) -> object:
    raise FrameError(f"{name} in JSON")


assert MOST_PAYLOAD <= 1 << 20  # read_output promises pieces of at most that
