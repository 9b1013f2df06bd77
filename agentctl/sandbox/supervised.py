"""A sandbox whose hands are the supervisor at the end of a pipe, whatever the pipe is."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from agentctl.canonical import JsonObject
from agentctl.errors import SandboxError
from agentctl.network.base import PROXY_PORT, Gateway
from agentctl.sandbox.archive import tar_stream
from agentctl.sandbox.base import Layout, Outputs, Progress, Started, ToolCall, ToolOutcome
from agentctl.sandbox.end import End
from agentctl.sandbox.inside.bash import seconds_of
from agentctl.sandbox.inside.child import OTHER_SECONDS
from agentctl.sandbox.inside.frames import VERSION, FrameError, frames_of
from agentctl.sandbox.pipe import conversation
from agentctl.sandbox.pipe.answers import outcome_of, output_file_of, told, whole_number
from agentctl.sandbox.pipe.changed import changes_of, contents_apart, contents_within, sizes_of
from agentctl.sandbox.pipe.channels import Channel
from agentctl.sandbox.pipe.conversation import Conversation
from agentctl.sandbox.pipe.program import TAKEN_OVER, program
from agentctl.sandbox.pipe.streams import ByteStream
from agentctl.sandbox.places import Places
from agentctl.session.files import Contents, File
from agentctl.visible import visible_line

PUT_SECONDS = 300.0

SPARE_SECONDS = 30.0
"""What a call may take beyond its own limit before the sandbox counts as broken."""

SILENCE_SECONDS = 600.0
"""How long a sandbox waits to hear from anybody before it ends itself."""

_MOST_OUTPUTS = 10_000


class SupervisedSandbox:
    """The client of a supervisor.

    One thread uses it; ``cancel`` and ``close`` may be called from any. ``gateway`` takes the
    connections that programs in the sandbox open, and is closed with it; without one there are none.
    """

    def __init__(
        self,
        end: End,
        env: Mapping[str, str] | None = None,
        *,
        generation: int = 1,
        silence_seconds: float = SILENCE_SECONDS,
        gateway: Gateway | None = None,
    ) -> None:
        self._end = end
        self._env = dict(env or {})
        self._generation = generation
        self._silence_seconds = silence_seconds
        self._gateway = gateway
        self._places = Places(end.layout)
        self._conversation = Conversation(end.cause_of_death, gateway)

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

    def start(
        self, session_id: str, files: Sequence[File], contents: Contents, progress: Progress, gone: Sequence[str] = ()
    ) -> Started:
        """Start the process and put the files in place, parents made where they are missing.

        What is at the paths of ``gone`` is removed before. What is done to files from here on is told
        with the calls that do it. Raises SandboxError, or StoreError for contents that are missing;
        nothing is left then.
        """
        begun = time.monotonic()
        try:
            self._conversation.open(lambda: self._end.open(session_id))
            ready = self._conversation.greet(program(), self._hello(session_id))
            ready_seconds = time.monotonic() - begun
            if files or gone:
                self._put(tar_stream(files, contents, self._places, progress), gone)
            self._conversation.say({"type": "record"})
        except BaseException:
            self.close()
            raise
        return Started({**self._facts(ready), "ready_seconds": round(ready_seconds, 6), "files": len(files)})

    def attach(self, session_id: str) -> Started | None:  # noqa: ARG002 - nothing but a container outlives us
        """Find nothing to take over: this sandbox ends with the process that began it."""
        return None

    def take_over(self, session_id: str, reopen: Callable[[], ByteStream]) -> Started:
        """Take over a sandbox that runs, from a harness that is gone.

        ``reopen`` gives a stream to it. The facts hold ``calls``: how far each call is whose result
        nobody has acknowledged (``waiting``, ``running``, ``done``); ``call`` with such a call gives
        its outcome, without running it again. Raises SandboxError.
        """
        mark = _mark(session_id)
        try:
            self._conversation.open(reopen, mark)
            ready = self._conversation.greet([memoryview(TAKEN_OVER + mark)], self._hello(session_id))
        except BaseException:
            self.close()
            raise
        return Started({**self._facts(ready), "calls": ready.get("calls", {})})

    def call(self, calls: Sequence[ToolCall]) -> Iterator[tuple[str, ToolOutcome]]:
        """Send all the calls at once, now; yield each one's id and outcome as it ends, in order.

        Raises SandboxError when the sandbox is gone or does not answer.
        """
        self._conversation.expect(call.id for call in calls)
        self._conversation.say(
            *({"type": "call", "id": call.id, "name": call.name, "input": call.input} for call in calls)
        )
        return ((call.id, self._outcome(call)) for call in calls)

    def _outcome(self, call: ToolCall) -> ToolOutcome:
        result = self._conversation.result(call.id, _seconds_of(call))
        try:
            outcome = outcome_of(result.get("outcome"))
            return self._with_files(outcome, call.id, result["files"]) if "files" in result else outcome
        except FrameError as error:
            raise self._conversation.break_off(f"the sandbox sent what it must not: {told(error)}") from error

    def _with_files(self, outcome: ToolOutcome, call_id: str, files: Any) -> ToolOutcome:
        if not isinstance(files, dict):
            raise FrameError("a report of changes that is none")
        contents = contents_within(files.get("within", {}))
        if sizes := sizes_of(files.get("spooled", [])):
            request = {"type": "read_contents", "id": call_id}
            contents |= contents_apart(self._fetched(request, "the contents of changed files"), sizes)
        changes, between = (changes_of(files.get(name), contents, self._places) for name in ("changes", "between"))
        return replace(outcome, changes=changes, between=between)

    def acknowledge(self, call_ids: Sequence[str]) -> None:
        """Say that these outcomes are safely recorded and may be forgotten by the sandbox."""
        self._conversation.say({"type": "acknowledge", "ids": list(call_ids)})

    def status(self, call_id: str) -> str:
        """Ask how far a call is: ``unknown``, ``waiting``, ``running``, ``done`` or ``acknowledged``."""
        return str(self._conversation.request({"type": "status", "id": call_id}).get("state"))

    def cancel(self, call_id: str) -> None:
        """End a call that waits or runs; it then has an outcome that says so."""
        self._conversation.say({"type": "cancel", "id": call_id})

    def ping(self) -> float:
        """Ask for a sign of life; return the seconds that it took."""
        begun = time.monotonic()
        self._conversation.request({"type": "ping"})
        return time.monotonic() - begun

    def outputs(self) -> Outputs:
        """List the regular files under the outputs folder, sorted by path; at most 10,000."""
        answer = self._conversation.request({"type": "list_outputs"})
        listed = answer.get("files")
        found = [file for file in map(output_file_of, listed if isinstance(listed, list) else []) if file]
        files = sorted({file.path: file for file in found}.values(), key=lambda file: file.path)
        is_whole = answer.get("complete") is True and len(files) <= _MOST_OUTPUTS
        return Outputs(tuple(files[:_MOST_OUTPUTS]), is_whole)

    def read_output(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of one output file in pieces of at most 256 KiB. Raises SandboxError."""
        return self._fetched({"type": "read_output", "path": path}, visible_line(path))

    def _fetched(self, request: JsonObject, what: str) -> Iterator[bytes]:
        channel = self._conversation.channels.open_file(self._conversation.new_number())
        try:
            answer = self._conversation.request({**request, "channel": channel.number})
            if "error" in answer:
                self._conversation.channels.forget(channel.number)
                raise SandboxError(f"cannot read {what}: {told(answer['error'])}")
            left = whole_number(answer.get("size"))
            while piece := self._piece(channel):
                left -= len(piece)
                if left < 0:
                    raise self._conversation.break_off(f"{what} is longer than the sandbox said")
                yield piece
        finally:
            channel.close()

    def _piece(self, channel: Channel) -> bytes:
        seconds = conversation.ANSWER_SECONDS
        try:
            return channel.read(seconds)
        except TimeoutError as error:
            raise self._conversation.break_off(f"the sandbox did not finish within {seconds:g} s") from error
        except ConnectionError as error:
            raise self._conversation.failure() from error

    def leave(self) -> None:
        """Have nothing to leave: this sandbox ends with the process that began it."""

    def keep(self, keep_until: str) -> JsonObject | None:  # noqa: ARG002 - only a container outlives us
        """Keep nothing: what is recorded of the files is all that there is."""
        return None

    def close(self) -> None:
        """End every process of the sandbox and remove it; may be called twice, never raises."""
        self._conversation.close()
        self._end.close()
        if self._gateway is not None:
            self._gateway.close()

    def _way_out(self) -> JsonObject:
        if self._gateway is None:
            return {"env": self._env}
        authorities = self._gateway.authorities
        return {
            "env": {**self._env, **self._gateway.environment},
            "proxy_port": PROXY_PORT,
            "authorities": authorities.decode("ascii") if authorities else None,
        }

    def _hello(self, session_id: str) -> JsonObject:
        layout = self._end.layout
        return {
            "type": "hello",
            "version": VERSION,
            "generation": self._generation,
            "mark": _mark(session_id).hex(),
            "config": {
                "layout": {name: getattr(layout, name) for name in layout.__slots__},
                **self._way_out(),
                "silence_seconds": self._silence_seconds,
                **self._end.config(),
            },
        }

    def _facts(self, ready: JsonObject) -> JsonObject:
        python = visible_line(str(ready.get("python")))[:40]
        return {"kind": self.kind, "generation": self._generation, "python": python, **self._end.facts()}

    def _put(self, archive: Iterator[bytes], gone: Sequence[str]) -> None:
        channel = self._conversation.new_number()
        removed = [self._places.inside(path) for path in gone]
        number = self._conversation.ask({"type": "put", "channel": channel, "target": "/", "gone": removed})
        for piece in archive:
            self._conversation.write(frames_of(channel, piece), PUT_SECONDS)
        self._conversation.write(frames_of(channel, b"", end=True), PUT_SECONDS)
        answer = self._conversation.reply(number, PUT_SECONDS)
        if "error" in answer:
            raise SandboxError(f"cannot copy files into the sandbox: {told(answer['error'])}")


def _mark(session_id: str) -> bytes:
    return hashlib.sha256(b"agentctl " + session_id.encode()).digest()


def _seconds_of(call: ToolCall) -> float:
    timeout_ms = call.input.get("timeout_ms")
    own = seconds_of(timeout_ms if isinstance(timeout_ms, int) else None) if call.name == "bash" else OTHER_SECONDS
    return own + SPARE_SECONDS
