"""Results to standard output: JSON with its schema named, and failures in the same form."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.complain import complain
from agentctl.cli.options import Output
from agentctl.errors import AgentctlError, UsageError
from agentctl.render.jsonl import json_line
from agentctl.session.result import failed


class OutputError(UsageError):
    """Standard output cannot be written, so nothing about it can be said there either."""

    type = "output_error"


def standard_output() -> TextIO:
    """Return standard output. Raises OutputError where it is closed."""
    if sys.stdout is None:
        raise OutputError("standard output is closed", hint="to throw results away, write them to /dev/null")
    return sys.stdout


def write_out(text: str, *, flush: bool = True) -> None:
    """Write to standard output. Raises OutputError; a reader who has read enough ends the command with 0."""
    stream = standard_output()
    with _explained(stream):
        stream.write(text)
        if flush:
            stream.flush()


def write_out_bytes(pieces: Iterable[bytes]) -> None:
    """Write bytes to standard output as they are, as ``write_out`` writes text."""
    stream = standard_output()
    write_out("")
    for piece in pieces:
        with _explained(stream):
            stream.buffer.write(piece)
    with _explained(stream):
        stream.buffer.flush()


def write_out_later(text: str) -> None:
    """Write to standard output as ``write_out``, but let small pieces wait for each other until ``flush_out``."""
    write_out(text, flush=False)


def flush_out() -> None:
    """Write what still waits. To be called at the end of whatever calls ``write_out_later``."""
    write_out("")


def print_json(value: JsonObject) -> None:
    """Write one JSON object as one line, whatever it holds."""
    write_out(json_line(value))


@contextmanager
def reporting(output: Output) -> Iterator[None]:
    """Where JSON was asked for, a failure is also written as the result object, as the last line."""
    try:
        yield
    except OutputError:
        raise
    except AgentctlError as error:
        if output is Output.TEXT:
            raise
        complain(error)
        print_json(failed(error.type, str(error), error.hint, error.exit_code))
        raise typer.Exit(error.exit_code) from None


@contextmanager
def _explained(stream: TextIO) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        _abandon(stream)
        raise typer.Exit(0) from None
    except OSError as error:
        _abandon(stream)
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def _abandon(stream: TextIO) -> None:
    # What is left in the buffer would be tried once more at the interpreter's end, which would complain.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
