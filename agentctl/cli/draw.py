"""Who is told what while a session runs: a terminal, a pipe, or a script that reads JSON."""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TextIO

from agentctl.cli.complain import complain
from agentctl.cli.options import Output
from agentctl.errors import AgentctlError, StoreError, UnsavedError
from agentctl.events.agent import AgentMessage
from agentctl.events.preview import Preview
from agentctl.render.base import Renderer
from agentctl.render.jsonl import JsonlRenderer, json_line
from agentctl.render.layout import stopped
from agentctl.render.look import look_of, size_of
from agentctl.render.plain import PlainRenderer
from agentctl.render.terminal import TerminalRenderer
from agentctl.session.log import Record
from agentctl.session.result import Result
from agentctl.visible import visible


class Drawn:
    """A listener that draws a run where its output goes, and knows what it came to.

    On a terminal everything is drawn on standard output. Where standard output is no terminal it
    gets the agent's last message and nothing else, and what happens goes to standard error.
    """

    def __init__(self, output: Output, *, quiet: bool) -> None:
        self._unshown = Result()
        self._said = ""
        self._output = output
        self._write = forgiving(sys.stdout)
        self._on_terminal = output is Output.TEXT and not quiet and _is_terminal(sys.stdout)
        # With 2>&1 both streams are one place, where the last message stands already.
        self._shown_already = self._on_terminal or (not quiet and _same_file(sys.stdout, sys.stderr))
        self._renderer = _renderer(output, self._write, quiet=quiet, on_terminal=self._on_terminal)

    @property
    def result(self) -> Result:
        """What the run has come to."""
        return self._renderer.result if self._renderer else self._unshown

    def learn(self, record: Record) -> None:
        """Take an event of the past into account."""
        if self._renderer:
            self._renderer.learn(record)
        else:
            self._unshown = self._unshown.after(record.event)

    def record(self, record: Record) -> None:
        """Take an event into account, and show it."""
        if self._renderer:
            self._renderer.record(record)
        else:
            self._unshown = self._unshown.after(record.event)
        if isinstance(record.event, AgentMessage):
            self._said = self.result.text

    def preview(self, preview: Preview) -> None:
        """Show what is being typed."""
        if self._renderer:
            self._renderer.preview(preview)

    def progress(self, line: str) -> None:
        """Show what a long preparation is doing."""
        if self._renderer:
            self._renderer.progress(line)

    def pause(self) -> None:
        """Take everything that moves off the screen."""
        if self._renderer:
            self._renderer.pause()

    def close(self) -> None:
        """Leave the screen as it should be; may be called twice."""
        if self._renderer:
            self._renderer.close()

    def fail(self, error: AgentctlError) -> int:
        """Show why the session stopped where its record cannot say it; return the exit code."""
        self.close()
        complain(error)
        text = error.text if isinstance(error, UnsavedError) and error.text else self._said
        if self._output is not Output.TEXT:
            body = self.result.body() | ({"text": text} if text else {})
            said = {"type": error.type, "message": str(error), "hint": error.hint}
            self._write(json_line(body | {"error": said, "exit_code": error.exit_code}))
        elif isinstance(error, StoreError) and text and not self._on_terminal:
            self._write(visible(text) + "\n")
        return error.exit_code

    def finish(self) -> int:
        """Show what the session came to; return the exit code."""
        if self._renderer:
            self._renderer.finish()
        if self._output is Output.TEXT and not self._shown_already and self.result.text:
            self._write(visible(self.result.text) + "\n")
        if self._output is Output.TEXT and self._renderer is None and self.result.exit_code:
            complain(_failure(self.result))
        return self.result.exit_code


def drive(drawn: Drawn, go: Callable[[], None]) -> int:
    """Run a session, drawing it; return the exit code. Raises AgentctlError where no session was made."""
    with contextlib.closing(drawn):
        try:
            go()
        except AgentctlError as error:
            if drawn.result.session_id is None:
                raise
            return drawn.fail(error)
        return drawn.finish()


def _failure(result: Result) -> AgentctlError:
    """Put into a line why a session did not end well, for whoever is told nothing else."""
    error = result.body()["error"]
    word = stopped(result.stop_reason)[0] if result.signal is None else f"stopped by {result.signal}"
    hint = f"more: agentctl show {result.session_id}"
    return AgentctlError(f"session {result.session_id}: {error['message'] if error else word}", hint=hint)


def forgiving(stream: TextIO | None) -> Callable[[str], None]:
    """Return what writes to a stream until nobody reads it any more.

    A session goes on to its end when its reader has left: what it does is recorded all the same.
    """
    broken = stream is None

    def write(text: str) -> None:
        nonlocal broken
        if broken or stream is None:
            return
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            broken = True
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), stream.fileno())

    return write


def _renderer(output: Output, write: Callable[[str], None], *, quiet: bool, on_terminal: bool) -> Renderer | None:
    if output is not Output.TEXT:
        return JsonlRenderer(write, events=output is Output.JSONL)
    stream = sys.stdout if on_terminal else sys.stderr
    if quiet or stream is None:
        return None
    look, to_stream = look_of(stream), forgiving(stream)
    if look.moves:
        return TerminalRenderer(to_stream, look, lambda: size_of(stream))
    return PlainRenderer(to_stream, look, live=True)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _same_file(one: TextIO | None, other: TextIO | None) -> bool:
    if one is None or other is None:
        return False
    try:
        return os.path.sameopenfile(one.fileno(), other.fileno())
    except (OSError, ValueError):
        return False
