# ruff: noqa: PTH103, PTH118, SIM105
"""The supervisor: whoever says hello has it work for them, until nobody can come any more."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time

from agentctl.sandbox.inside.authorities import trust
from agentctl.sandbox.inside.calls import Calls
from agentctl.sandbox.inside.frames import END, VERSION
from agentctl.sandbox.inside.loop import Loop
from agentctl.sandbox.inside.messages import Messages
from agentctl.sandbox.inside.outcome import ToolError, encode, failure, reason_of
from agentctl.sandbox.inside.pipe import Pipe
from agentctl.sandbox.inside.processes import Killer, become_subreaper
from agentctl.sandbox.inside.relay import Relay
from agentctl.sandbox.inside.shell import Scratch, Shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agentctl.sandbox.inside.outcome import Message
    from agentctl.sandbox.inside.outputs import Fetched
    from agentctl.sandbox.inside.put import Put
    from agentctl.sandbox.inside.recorder import Recorder
    from agentctl.sandbox.inside.relay import Link

HELLO_SECONDS = 60.0
"""How long somebody may take to say hello."""

_MOST_TROUBLES = 20


class Supervisor:
    """What is known of the session and its processes; ``calls`` has its calls, ``messages`` takes what is asked."""

    def __init__(self, arriving: int, leaving: int) -> None:
        self.loop = Loop(self.reap, self.trouble)
        self.pipe = Pipe(self.loop, arriving, leaving, self.take, self.end_of_input)
        self.config: Message = {}
        self.generation = 0
        self.began = 0.0
        self.heard = time.monotonic()
        self.silence_seconds = HELLO_SECONDS
        self.shell: Shell | None = None
        self.shell_was_lost = False
        self.script, self.exports, self.last_folder = Scratch("script"), Scratch("exports"), Scratch("folder")
        self.calls = Calls(self)
        self.messages = Messages(self)
        self.children: dict[int, Callable[[int], None]] = {}
        self.puts: dict[int, Put] = {}
        self.recorder: Recorder | None = None
        self.channels: dict[int, Fetched | Link] = {}
        self.relay: Relay | None = None
        self.troubles = 0

    def run(self) -> None:
        """Work until there is nobody to work for."""
        self.loop.watch_children()
        while True:
            self.loop.turn(self.wake_after())
            self.loop.guard(self.tick)

    def wake_after(self) -> float:
        """Say for how many seconds nothing needs doing unless something happens."""
        wait = self.heard + self.silence_seconds
        if self.calls.running is not None:
            wait = min(wait, self.calls.running.wake_at)
        if self.recorder is not None:
            wait = min(wait, self.recorder.listen_at)
        return max(wait - time.monotonic(), 0.0)

    def tick(self) -> None:
        """Do what is due by now."""
        now = time.monotonic()
        if self.calls.running is not None:
            self.calls.running.tick(now)
        if self.recorder is not None and now >= self.recorder.listen_at:
            self.recorder.listen()
        if now - self.heard > self.silence_seconds:
            self.quit()

    # Messages.

    def take(self, channel: int, flags: int, payload: bytes) -> None:
        """Take one message, or one piece of a stream."""
        self.heard = time.monotonic()
        if channel:
            put = self.puts.get(channel)
            if put is not None:
                put.take(payload, ended=bool(flags & END))
            elif channel in self.channels:
                self.channels[channel].take(flags, payload)
            return
        message = json.loads(payload)
        if message["type"] == "hello":
            self.take_hello(message)
        elif self.generation:
            self.messages.take(message)

    def take_hello(self, message: Message) -> None:
        """Begin, or begin anew with a harness that took over; one older than the last is refused."""
        mark = bytes.fromhex(message["mark"])
        if message["version"] != VERSION or message["generation"] < self.generation:
            reason = f"this is version {VERSION}, generation {self.generation}"
            self.pipe.send_mark(mark)
            self.pipe.say({"type": "refused", "reason": reason})
            return
        if self.generation:
            self.pipe.drop_unsent()
            self.drop_channels()
            if self.recorder is not None:
                self.recorder.reporter.forget_sent()
            self.pipe.send_mark(mark)
            self.config = message["config"]
        else:
            self.begin(message["config"])
        self.open_way_out()
        self.began = self.began or time.time()  # what is written from here on is the agent's
        self.generation = message["generation"]
        self.pipe.decoder.mark = mark
        python = ".".join(map(str, sys.version_info[:3]))
        self.pipe.say({"type": "ready", "version": VERSION, "python": python, "calls": self.calls.open()})
        self.loop.soon(self.warm_up)

    def trouble(self, error: Exception) -> None:
        """Go on after a fault of our own: the call that ran has failed. Too many of them are the end."""
        self.troubles += 1
        print(f"agentctl supervisor: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
        if self.troubles > _MOST_TROUBLES:
            self.quit()
        if self.calls.running is not None:
            text = f"the sandbox failed: {type(error).__name__}: {error}"
            self.calls.finished(self.calls.running.id, encode(failure(text)))

    # Processes and folders.

    def begin(self, config: Message) -> None:
        """Take the configuration of the sandbox and make its folders."""
        self.config = config
        self.silence_seconds = config["silence_seconds"]
        for folder in (*config["layout"].values(), config["home"]):
            os.makedirs(folder, exist_ok=True)
            if os.geteuid() == 0 and os.stat(folder).st_uid:  # noqa: PTH116
                os.chown(folder, 0, 0)  # git trusts no working tree that belongs to somebody else

    def open_way_out(self) -> None:
        """Take connections to the harness, and trust whom it says, where it has said so."""
        config = self.config
        if config.get("authorities"):
            try:
                config["env"].update(trust(config["authorities"], config["home"], {**os.environ, **config["env"]}))
            except OSError as error:  # a full disk; programs will say whom they do not trust
                print(f"agentctl supervisor: {reason_of(error)}", file=sys.stderr, flush=True)  # noqa: T201
        if config.get("proxy_port") and self.relay is None:
            self.relay = Relay(self, config["proxy_port"])

    def warm_up(self) -> None:
        """Do what the first call would otherwise wait for, now that the harness knows of us."""
        try:
            self.ready_shell()
        except (ToolError, OSError):
            pass  # the first call tells, if it still holds then

    def environment(self) -> dict[str, str]:
        """Make the environment of tools: the sandbox's own, and the definition's over it."""
        fixed = {"HOME": self.config["home"], "TERM": "dumb", "LANG": os.environ.get("LANG", "C.UTF-8")}
        if self.config["layout"]["temporary"] != "/tmp":  # noqa: S108
            fixed["TMPDIR"] = self.config["layout"]["temporary"]
        return {**os.environ, **fixed, **self.config["env"]}

    def spill_path(self, call_id: str) -> str:
        """Name the file that takes a call's output when it is too long."""
        name = re.sub(r"[^A-Za-z0-9_-]", "_", call_id)[:100]
        return os.path.join(self.config["layout"]["temporary"], "agentctl-output", name + ".txt")

    def ready_shell(self, folder: str | None = None) -> Shell:
        """Return the shell, starting one if there is none, in ``folder`` or else the workspace."""
        if self.shell is None:
            become_subreaper()
            self.shell = Shell(self, folder or self.config["layout"]["workspace"])
            self.children[self.shell.pid] = self.shell.on_exit
        return self.shell

    def on_shell_exit(self, shell: Shell) -> None:
        """Know that a shell is gone."""
        if self.shell is shell:
            self.shell = None
            self.shell_was_lost = shell.call is None

    def reap(self) -> None:
        """Collect every child that has ended, ours or an orphan that came to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            on_exit = self.children.pop(pid, None)
            if on_exit is not None:
                on_exit(status)

    def own_processes(self) -> set[int]:
        """List the children that are part of the supervisor and belong to no call."""
        return {put.pid for put in self.puts.values()}

    def drop_channels(self) -> None:
        """Cut every connection, and send no more of any file: the harness that they are for is gone."""
        for receiver in [*self.channels.values()]:
            receiver.drop()

    def close_pipe(self) -> None:
        """Leave the pipe, and the connections, to the supervisor; a child does this."""
        os.close(self.pipe.arriving)
        os.close(self.pipe.leaving)
        if self.relay is not None:
            self.relay.leave()

    def end_of_input(self) -> None:
        """Nothing will come any more on this pipe: quit, unless somebody may attach again."""
        if not self.generation or self.config["quit_at_end"]:
            self.quit()

    def quit(self) -> None:
        """End everything and exit."""
        killer = Killer(set(), set(), grace_seconds=0.0)
        while not killer.step(time.monotonic()):
            time.sleep(0.005)
        os._exit(0)


def main() -> None:
    """Take over the standard descriptors and work."""
    signal.alarm(0)
    arriving, leaving = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    Supervisor(arriving, leaving).run()
