"""A run that goes on in the background: whoever starts it gets the session's id, and is free."""

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import typer

from agentctl.cli.complain import write_error
from agentctl.cli.options import Output
from agentctl.cli.output import print_json, standard_output, write_out
from agentctl.events.preview import Preview
from agentctl.paths import Home
from agentctl.session.log import Record
from agentctl.signals import STOPPING, Interrupted, interruptible, name_of

_FIRST_FREE = 3
_IT_IS_THERE = b"!"


class Background:
    """A listener that, when the session is there, tells the process that waits, and turns to the log.

    Until then both have one standard error: what keeps the session from being made is said there.
    """

    def __init__(self, pipe: int, log: Path) -> None:
        self._pipe: int | None = pipe
        self._log = log

    def learn(self, record: Record) -> None:  # noqa: ARG002 - that there is one says it all
        """The session is there, and was before."""
        self._arrive()

    def record(self, record: Record) -> None:  # noqa: ARG002
        """The session is there."""
        self._arrive()

    def preview(self, preview: Preview) -> None:
        """What is being written is in the record soon enough."""

    def _arrive(self) -> None:
        if self._pipe is None:
            return
        _write_to(_opened(self._log))
        with contextlib.suppress(BrokenPipeError):  # nobody waits any more
            os.write(self._pipe, _IT_IS_THERE)
        os.close(self._pipe)
        self._pipe = None


def go_to_background(session_id: str, store: Home, output: Output) -> Background:
    """Go on in a process of the background, in which this returns; its listener must be told first.

    The other process waits until the session is there, prints its id and exits with 0, or exits as
    the one in the background does. Nothing that this process has open is kept open.
    """
    standard_output().flush()
    log = store.logs / f"{session_id}.log"
    hearing, telling = map(_beyond_standard, os.pipe())
    # A signal waits until it can be passed on: between the two it would end this process alone.
    former = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    child = os.fork()
    if child:
        os.close(telling)
        with interruptible():
            _wait(child, hearing, former)
        announce(session_id, log, output)
        raise typer.Exit(0)
    signal.pthread_sigmask(signal.SIG_SETMASK, former)
    _leave_everything(telling, output)
    return Background(telling, log)


def _beyond_standard(descriptor: int) -> int:
    """Move a descriptor to where no standard stream is: one that was closed may have lent it its number."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    os.close(descriptor)
    return moved


def _wait(child: int, hearing: int, heard: Iterable[int]) -> None:
    """Wait until the session is there, with the signals that were ``heard`` before; exits where it never will be."""
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
        if os.read(hearing, 1):
            return
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except Interrupted as told:
        os.kill(child, signal.Signals[told.name])
        os.waitpid(child, 0)
        raise
    if code < 0:
        write_error(f"agentctl: the run was ended by {name_of(-code)} before there was a session")
    raise typer.Exit(code if code >= 0 else 128 - code)


def announce(session_id: str, log: Path | None, output: Output) -> None:
    """Print which session it is, and in which file its output is; None where nothing runs."""
    if output is Output.TEXT:
        write_out(session_id + "\n")
        return
    body = {"type": "detached", "schema": "agentctl.detached/1", "session_id": session_id}
    print_json(body | {"log": None if log is None else str(log)})


def _leave_everything(keep: int, output: Output) -> None:
    os.setsid()
    os.closerange(_FIRST_FREE, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)
    if output is Output.TEXT and sys.stderr is not None:
        os.dup2(2, 1)  # standard output is for the id
    # What is drawn ends in a file, wherever it begins.
    os.environ |= {"TERM": "dumb", "NO_COLOR": "1"}


def _opened(log: Path) -> int:
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError:  # the session goes on, and what happens is in its record
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def _write_to(descriptor: int) -> None:
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
