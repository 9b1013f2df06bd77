"""Work that a forked child does, so that nothing in it can hurt the supervisor."""

from __future__ import annotations

import os
import signal
import time

from agentctl.sandbox.inside import files, search
from agentctl.sandbox.inside.loop import read_some
from agentctl.sandbox.inside.outcome import ToolError, encode, failure, outcome, reason_of, text_block
from agentctl.sandbox.inside.output import write_all
from agentctl.sandbox.inside.processes import Killer, be_expendable, fork, running_already

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agentctl.sandbox.inside.outcome import Message
    from agentctl.sandbox.inside.supervisor import Supervisor

TOOLS = {
    "read": files.read,
    "write": files.write,
    "edit": files.edit,
    "glob": search.glob,
    "grep": search.grep,
}
"""Every tool but bash."""

SECONDS = {"glob": 30.0, "grep": 30.0}
OTHER_SECONDS = 60.0


class FileCall:
    """One call of a tool other than bash."""

    def __init__(self, supervisor: Supervisor, message: Message) -> None:
        self.supervisor = supervisor
        self.id: str = message["id"]
        self.name: str = message["name"]
        self.input: Message = message["input"]
        self.began = time.monotonic()
        self.seconds = SECONDS.get(self.name, OTHER_SECONDS)
        self.wake_at = self.began + self.seconds
        self.report = bytearray()
        self.killer: Killer | None = None
        self.stopped = ""

    def begin(self) -> None:
        """Fork the child. Raises ToolError where that cannot be."""
        if self.name not in TOOLS:
            raise ToolError("there is no such tool")
        self.spared = running_already(None)
        inside, outside = os.pipe()
        try:
            pid = fork()
        except ToolError:
            os.close(inside)
            os.close(outside)
            raise
        if pid == 0:
            be_child(self.supervisor, outside, self.run_tool)
        os.close(outside)
        os.set_blocking(inside, False)
        self.inside = inside
        self.supervisor.loop.watch(inside, self.on_report)

    def run_tool(self) -> Message:
        """Run the tool; this is the child."""
        began = time.monotonic()
        tools = files.Tools(
            self.supervisor.config["layout"]["workspace"],
            self.supervisor.spill_path(self.id),
            self.supervisor.environment(),
        )
        facts: Message = {}
        try:
            content, facts = TOOLS[self.name](tools, self.input)
            is_error = False
        except (ToolError, OSError) as error:
            content, is_error = [text_block(f"{self.name}: {reason_of(error)}")], True
        facts["duration_seconds"] = round(time.monotonic() - began, 6)
        return outcome(content, facts, is_error=is_error)

    def on_report(self) -> None:
        """Take a part of what the child says."""
        data = read_some(self.inside, 1 << 20)
        if data:
            self.report += data
        elif data == b"":
            self.supervisor.loop.forget(self.inside)
            os.close(self.inside)
            if self.killer is None:
                self.finish()

    def tick(self, now: float) -> None:
        """End the call when its time is over."""
        if now < self.wake_at:
            return
        if self.killer is None:
            self.stop("timed out")
        elif self.killer.step(now):
            self.finish()
        else:
            self.wake_at = now + 0.02

    def stop(self, why: str) -> None:
        """End the child and what it started."""
        if self.killer is None:
            self.stopped = why
            self.killer = Killer(self.spared, self.supervisor.own_processes(), grace_seconds=0.0)
            self.wake_at = time.monotonic()

    def finish(self) -> None:
        """Hand on what the child has reported, or that it could not."""
        if self.report.endswith(b"\n") and not self.stopped:
            self.supervisor.calls.finished(self.id, bytes(self.report[:-1]))
            return
        facts: Message = {"duration_seconds": round(time.monotonic() - self.began, 6)}
        text = "ended without a result; the sandbox may be out of memory"
        if self.stopped == "timed out":
            text = f"timed out after {self.seconds:g}s"
            facts["timed_out"] = True
        elif self.stopped:
            text = self.stopped
            facts[self.stopped] = True
        self.supervisor.calls.finished(self.id, encode(failure(f"{self.name}: {text}", facts)))


def be_child(supervisor: Supervisor, outside: int, work: Callable[[], Message]) -> None:
    """Be the child: do the work, write what it came to as one line of JSON, and end."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        be_expendable()
        supervisor.close_pipe()
        try:
            answer = work()
        except ToolError as error:
            answer = failure(str(error))
        except BaseException as error:  # noqa: BLE001 - whatever goes wrong in a tool is its outcome
            answer = failure(f"the tool failed: {type(error).__name__}: {error}")
        write_all(outside, encode(answer) + b"\n")
    finally:
        os._exit(0)
