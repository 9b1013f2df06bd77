"""Who is told what while a session runs: a terminal, a pipe, or a script that reads JSON."""

import sys
from collections.abc import Sequence

from agentctl.cli.complain import write_error
from agentctl.cli.options import Output
from agentctl.cli.output import print_json
from agentctl.events.codec import encode
from agentctl.events.preview import Preview
from agentctl.session.log import Listener, Record
from agentctl.session.result import Result
from agentctl.visible import visible


class ResultListener:
    """Folds what happens into the result."""

    def __init__(self) -> None:
        self.result = Result()

    def record(self, record: Record) -> None:
        """Take an event into account."""
        self.result = self.result.after(record.event)

    def preview(self, preview: Preview) -> None:
        """Half-written text is no result."""


class JsonLines:
    """Writes each event as a line while it happens."""

    def record(self, record: Record) -> None:
        """Write the event."""
        print_json(encode(record.event))

    def preview(self, preview: Preview) -> None:
        """Half-written text is not an event."""


class Drawn:
    """The listeners of one run, and how it is brought to its end."""

    def __init__(self, output: Output, *, quiet: bool) -> None:
        self._output = output
        self._quiet = quiet
        self._result = ResultListener()
        self.listeners: Sequence[Listener] = (
            (self._result, JsonLines()) if output is Output.JSONL else (self._result,)
        )

    def progress(self, line: str) -> None:
        """Say what a long preparation is doing."""
        if not self._quiet:
            write_error(visible(line))

    def pause(self) -> None:
        """Take everything that moves off the screen."""

    def finish(self) -> int:
        """Write the result; return the exit code."""
        result = self._result.result
        if self._output is Output.TEXT:
            sys.stdout.write(visible(result.text) + "\n" if result.text else "")
        else:
            print_json(result.body())
        return result.exit_code


def listeners_for(output: Output, *, quiet: bool) -> Drawn:
    """Choose the listeners for where the output goes."""
    return Drawn(output, quiet=quiet)
