"""The calls of a session: one runs after another, and what each came to is kept until somebody has taken it."""

from __future__ import annotations

from collections import deque

from agentctl.sandbox.inside.bash import BashCall
from agentctl.sandbox.inside.child import FileCall
from agentctl.sandbox.inside.outcome import ToolError, encode, failure, outcome, reason_of, result_message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentctl.sandbox.inside.outcome import Message
    from agentctl.sandbox.inside.supervisor import Supervisor


class Calls:
    """The calls that have come, by id.

    A state is ``waiting``, ``running``, ``done`` or ``acknowledged``.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.states: dict[str, str] = {}
        self.results: dict[str, bytes] = {}
        self.waiting: deque[Message] = deque()
        self.running: BashCall | FileCall | None = None

    def take(self, message: Message) -> None:
        """Queue a call, or send again what it came to; its id is never run a second time."""
        call_id: str = message["id"]
        state = self.states.get(call_id)
        if state is None:
            self.states[call_id] = "waiting"
            self.waiting.append(message)
            self.next()
        elif state == "done":
            self.supervisor.pipe.send(self.results[call_id])
        elif state == "acknowledged":
            text = "this call was run before and its result was taken; it is not run again"
            self.supervisor.pipe.send(result_message(call_id, encode(failure(text))))

    def open(self) -> dict[str, str]:
        """Return the states of the calls whose results nobody has acknowledged."""
        return {call_id: state for call_id, state in self.states.items() if state != "acknowledged"}

    def acknowledge(self, call_ids: list[str]) -> None:
        """Forget results that are safe with the harness."""
        for call_id in call_ids:
            if self.results.pop(call_id, None) is not None:
                self.states[call_id] = "acknowledged"
                if self.supervisor.recorder is not None:
                    self.supervisor.recorder.forget(call_id)

    def cancel(self, call_id: str) -> None:
        """End a call that waits or runs."""
        if self.running is not None and self.running.id == call_id:
            self.running.stop("cancelled")
            return
        for waiting in [waiting for waiting in self.waiting if waiting["id"] == call_id]:
            self.waiting.remove(waiting)
            self.finished(waiting["id"], encode(failure("cancelled before it began", {"cancelled": True})))

    def next(self) -> None:
        """Start the call that has waited longest, unless one runs."""
        while self.waiting and self.running is None:
            message = self.waiting.popleft()
            call_id, name = message["id"], message["name"]
            self.states[call_id] = "running"
            if self.supervisor.recorder is not None:
                self.supervisor.recorder.before(call_id, name)
            if not name:  # nothing is to be done, and what was done is told
                self.finished(call_id, encode(outcome([], {})))
                continue
            try:
                self.running = (
                    BashCall(self.supervisor, message) if name == "bash" else FileCall(self.supervisor, message)
                )
                self.running.begin()
            except (ToolError, OSError) as error:
                self.finished(call_id, encode(failure(f"{name}: {reason_of(error)}")))
            except Exception as error:  # noqa: BLE001 - whatever goes wrong in a call is its outcome
                text = f"{name}: the tool failed: {type(error).__name__}: {error}"
                self.finished(call_id, encode(failure(text)))

    def finished(self, call_id: str, outcome: bytes) -> None:
        """Keep what a call came to, send it, and go on with the next one."""
        if self.running is not None and self.running.id == call_id:
            self.running = None
        self.states[call_id] = "done"
        files = self.supervisor.recorder.after(call_id) if self.supervisor.recorder is not None else b""
        self.results[call_id] = result_message(call_id, outcome, files)
        self.supervisor.pipe.send(self.results[call_id])
        self.supervisor.loop.soon(self.next)
