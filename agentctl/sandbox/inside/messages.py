# ruff: noqa: PTH118
"""What the harness can say once it has said hello."""

from __future__ import annotations

import os

from agentctl.sandbox.inside import outputs, outside
from agentctl.sandbox.inside.frames import VERSION
from agentctl.sandbox.inside.outcome import ToolError, reason_of
from agentctl.sandbox.inside.put import Put
from agentctl.sandbox.inside.recorder import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentctl.sandbox.inside.outcome import Message
    from agentctl.sandbox.inside.supervisor import Supervisor


class Messages:
    """Takes each message by the method that is named after its type."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor, self.reply = supervisor, supervisor.pipe.reply

    def take(self, message: Message) -> None:
        """Do what a message says, or say that nobody here knows what it means."""
        getattr(self, f"take_{message['type']}", self.answer_unknown)(message)

    def answer_unknown(self, message: Message) -> None:
        """Say of a message that nobody here knows what it means."""
        self.supervisor.pipe.say({"type": "not_understood", "message": message["type"], "version": VERSION})

    def take_call(self, message: Message) -> None:
        """Run a call when its turn comes, or send again what it came to."""
        self.supervisor.calls.take(message)

    def take_acknowledge(self, message: Message) -> None:
        """Forget results that are safe with the harness."""
        self.supervisor.calls.acknowledge(message["ids"])

    def take_status(self, message: Message) -> None:
        """Tell how far a call is."""
        self.reply(message, state=self.supervisor.calls.states.get(message["id"], "unknown"))

    def take_cancel(self, message: Message) -> None:
        """End a call that waits or runs."""
        self.supervisor.calls.cancel(message["id"])

    def take_put(self, message: Message) -> None:
        """Receive files: a tar stream follows on its channel."""
        try:
            self.supervisor.puts[message["channel"]] = Put(self.supervisor, message)
        except (ToolError, OSError) as error:
            self.reply(message, error=reason_of(error))

    def take_record(self, _message: Message) -> None:
        """Tell from now on what calls do to files: everything that they begin with is in its place."""
        self.supervisor.recorder = Recorder(self.supervisor)
        self.supervisor.recorder.begin()

    def take_read_contents(self, message: Message) -> None:
        """Send, on the channel asked for, the contents that go with a result and are not within it."""
        recorder = self.supervisor.recorder
        try:
            fd = recorder.spool_of(message["id"]) if recorder is not None else -1
            self.send(fd, message)
        except OSError as error:
            self.reply(message, error=reason_of(error))

    def take_list_outputs(self, message: Message) -> None:
        """Tell which regular files are under the outputs folder."""
        recorder = self.supervisor.recorder
        digest_of = recorder.reporter.digest_of if recorder is not None else lambda _path, _status: None
        files, complete = outputs.list_files(self.supervisor.config["layout"]["outputs"], digest_of)
        self.reply(message, files=files, complete=complete)

    def take_read_output(self, message: Message) -> None:
        """Send the bytes of one file under the outputs folder on the channel asked for."""
        try:
            self.send(outputs.open_beneath(self.supervisor.config["layout"]["outputs"], message["path"]), message)
        except (ToolError, OSError, ValueError) as error:
            self.reply(message, error=reason_of(error))

    def send(self, fd: int, message: Message) -> None:
        """Tell how long an open file is, and send it on the channel asked for."""
        size = os.fstat(fd).st_size
        self.reply(message, size=size)
        outputs.Fetched(self.supervisor, message["channel"], fd, size)

    def take_changed_outside(self, message: Message) -> None:
        """Name something that was written outside of the recorded folders since the start, if anything was."""
        config = self.supervisor.config
        places = ["/"] if os.getuid() == 0 else outside.read_places(message["list"]) or ["/"]
        apart = {*config["layout"].values(), *message["apart"], os.path.join(config["home"], ".agentctl")}
        self.reply(message, path=outside.changed_since(self.supervisor.began, places, apart))

    def take_read_list(self, message: Message) -> None:
        """Tell a list that was made with the image, if it has it."""
        self.reply(message, items=outside.read_places(message["list"]))

    def take_ping(self, message: Message) -> None:
        """Answer, where an answer is wanted; that it came has kept everything here alive."""
        if message.get("request") is not None:
            self.reply(message)

    def take_bye(self, _message: Message) -> None:
        """End everything now."""
        self.supervisor.quit()
