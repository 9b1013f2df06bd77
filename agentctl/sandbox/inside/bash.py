"""The tool ``bash``: one call of it, from its first byte to its outcome."""

from __future__ import annotations

import os
import time

from agentctl.sandbox.inside.loop import read_some
from agentctl.sandbox.inside.outcome import ToolError, encode, outcome, printable, reason_of, text_block, utf8
from agentctl.sandbox.inside.output import Collector
from agentctl.sandbox.inside.processes import Killer, count_oom_kills, running_already, signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentctl.sandbox.inside.outcome import Message
    from agentctl.sandbox.inside.shell import Shell
    from agentctl.sandbox.inside.supervisor import Supervisor

DEFAULT_SECONDS, MOST_SECONDS = 120.0, 600.0

DRAIN_SECONDS = 0.05
"""How long output is waited for after the command is done, while something holds its pipe open."""

GRACE_SECONDS = 1.0
"""How long what is to end has to end by itself."""

_STEP_SECONDS = 0.02


class BashCall:
    """A command on its way through the shell."""

    def __init__(self, supervisor: Supervisor, message: Message) -> None:
        self.supervisor = supervisor
        self.id: str = message["id"]
        self.input: Message = message["input"]
        self.began = time.monotonic()
        self.wake_at = float("inf")
        self.seconds = seconds_of(self.input.get("timeout_ms"))
        self.spared: set[tuple[int, str]] = set()
        self.shell: Shell | None = None
        self.shell_gone = False
        self.output = self.their_end = -1
        self.code: int | None = None
        self.stopped = ""
        self.killer: Killer | None = None
        self.notes: list[str] = []
        self.facts: Message = {}

    def begin(self) -> None:
        """Hand the command to the shell. Raises ToolError where that cannot be."""
        if self.input.get("restart"):
            self.begin_restart()
            return
        script = self.script()
        self.shell = self.supervisor.ready_shell()
        self.shell.call = self
        self.spared = running_already(self.shell.pid)
        self.oom_kills = count_oom_kills() if self.supervisor.config["memory_limit"] is not None else 0
        self.collector = Collector(self.supervisor.spill_path(self.id))
        self.tell_of_lost_shell()
        self.supervisor.script.write(script)
        self.output, self.their_end = os.pipe()
        os.set_blocking(self.output, False)
        self.supervisor.loop.watch(self.output, self.on_output)
        self.began = time.monotonic()
        self.wake_at = self.began + self.seconds
        self.shell.source(f"/proc/{os.getpid()}/fd/{self.their_end}")

    def script(self) -> bytes:
        """Return the command as bash is to read it."""
        command: str | None = self.input.get("command")
        if not command:
            raise ToolError("command is required, unless restart is true")
        if "\0" in command:
            raise ToolError("the command holds a NUL character, which bash cannot take")
        return utf8(command, "the command") + b"\n"

    def tell_of_lost_shell(self) -> None:
        """Say so when the shell has gone between two calls."""
        if self.supervisor.shell_was_lost:
            self.notes.append("the shell had ended since the last call: this command ran in a new one")
            self.supervisor.shell_was_lost = False

    def begin_restart(self) -> None:
        """Make an end of the shell and of everything that runs, to start afresh."""
        self.stopped = "restart"
        self.shell = self.supervisor.shell
        if self.shell is not None:
            self.shell.call = self
        self.begin_to_kill(0.2)

    # What happens meanwhile.

    def on_output(self) -> None:
        """Take output; when no process holds the pipe any more there will be none."""
        data = read_some(self.output)
        if data:
            self.collector.add(data)
        elif data == b"":
            self.supervisor.loop.forget(self.output)
            os.close(self.output)
            self.output = -1
            self.finish()

    def on_status(self, code: int) -> None:
        """The command is done; what it left behind may still hold the pipe."""
        if self.code is None and not self.stopped:
            self.code = code
            if self.shell is not None:
                self.shell.look_where()
            self.drain()

    def on_shell_exit(self, code: int, *, killed: bool) -> None:
        """The shell itself is gone, by the command's doing or by ours."""
        self.shell_gone = True
        if self.code is None and not self.stopped:
            self.code = code
            self.notes.append(f"the shell {'was killed' if killed else 'exited'}")
            self.drain()

    def drain(self) -> None:
        """Let go of the pipe, which shows its end, and wait a moment for output that is under way."""
        os.close(self.their_end)
        self.wake_at = time.monotonic() + DRAIN_SECONDS
        self.on_output()

    def tick(self, now: float) -> None:
        """Do what is due."""
        if now < self.wake_at:
            return
        if self.killer is not None:
            self.wake_at = now + _STEP_SECONDS
            if self.killer.step(now):
                self.on_killed()
        elif self.code is not None:
            self.finish()
        else:
            self.stop("timed out")

    def stop(self, why: str) -> None:
        """End the command and everything that it started."""
        if self.code is None and not self.stopped:
            self.stopped = why
            if self.shell is not None:
                self.shell.look_where()
            self.begin_to_kill(GRACE_SECONDS)

    def begin_to_kill(self, grace_seconds: float) -> None:
        """Set about ending processes; the ticks do it."""
        self.killer = Killer(self.spared, self.supervisor.own_processes(), grace_seconds)
        self.wake_at = time.monotonic()

    def on_killed(self) -> None:
        """Everything is dead."""
        self.killer = None
        self.supervisor.reap()
        if self.shell is not None and not self.shell_gone:
            self.supervisor.shell = None  # it would not die, and it is of no use
            self.shell_gone = True
        if self.stopped == "restart":
            self.finish_restart()
        else:
            self.code = -1
            self.drain()

    # The outcome.

    def finish_restart(self) -> None:
        """Start a shell that knows nothing of the former one."""
        self.supervisor.exports.write(b"")
        self.supervisor.shell_was_lost = False
        self.supervisor.ready_shell()
        self.hand_in("bash session restarted", is_error=False)

    def finish(self) -> None:
        """Make the outcome, and see to it that the next call finds a shell."""
        if self.output >= 0:
            self.supervisor.loop.drain(self.output)
        if self.shell is not None:
            self.shell.call = None
        if self.shell_gone:
            self.renew_shell()
        self.tell_of_memory()
        text, facts = self.collector.result({self.supervisor.script.path + ": ": "bash: "})
        self.facts.update(facts)
        lines = [text.rstrip("\n"), *(f"[{note}]" for note in self.notes), self.verdict()]
        self.hand_in("\n".join(filter(None, lines)), is_error=bool(self.stopped or self.code))

    def hand_in(self, text: str, *, is_error: bool) -> None:
        """Give the outcome to the supervisor."""
        self.facts["duration_seconds"] = round(time.monotonic() - self.began, 6)
        self.supervisor.calls.finished(self.id, encode(outcome([text_block(text)], self.facts, is_error=is_error)))

    def renew_shell(self) -> None:
        """Start a shell in place of the one that has ended, where that one was."""
        exports = bool(self.supervisor.exports.read())
        try:
            shell = self.supervisor.ready_shell(self.shell.last_folder() if self.shell is not None else None)
        except (ToolError, OSError) as error:
            self.notes.append(f"no new shell: {reason_of(error)}")
            return
        where = printable(shell.known_folder)
        kept = "exported variables are kept" if exports else "variables are lost"
        what = self.notes.pop() + ": " if self.notes else ""
        self.notes.append(f"{what}a new shell was started in {where}; {kept}")

    def verdict(self) -> str:
        """Say in one line how the command ended, if not well."""
        if self.stopped == "timed out":
            self.facts["timed_out"] = True
            most = " (the longest that is allowed)" if self.seconds >= MOST_SECONDS else ""
            return f"bash command timed out after {self.seconds:g}s{most}"
        if self.stopped:
            self.facts[self.stopped] = True
            return f"bash command {self.stopped}"
        self.facts["exit_code"] = self.code
        if not self.code:
            return ""
        name = signal_name(self.code - 128)
        return f"[exit code {self.code}{f' ({name})' if name else ''}]"

    def tell_of_memory(self) -> None:
        """Say so when a process was killed for want of memory, which may be all that shows it."""
        limit: int | None = self.supervisor.config["memory_limit"]
        if limit is not None and count_oom_kills() != self.oom_kills:
            self.facts["out_of_memory"] = True
            self.notes.append(f"a process was killed: the sandbox reached its memory limit of {limit >> 20} MiB")


def seconds_of(timeout_ms: int | None) -> float:
    """Return how long a command may run."""
    return min(timeout_ms / 1000, MOST_SECONDS) if timeout_ms and timeout_ms > 0 else DEFAULT_SECONDS
