"""Results to standard output: JSON with its schema named, and failures in the same form."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from agentctl.canonical import JsonObject
from agentctl.cli.complain import complain
from agentctl.cli.options import Output
from agentctl.errors import AgentctlError
from agentctl.session.result import failed


def print_json(value: JsonObject) -> None:
    """Write one JSON object as one line, whatever it holds."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")).encode(
        "utf-8", "backslashreplace").decode("utf-8") + "\n")
    sys.stdout.flush()


@contextmanager
def reporting(output: Output) -> Iterator[None]:
    """Where JSON was asked for, a failure is also written as the result object, as the last line."""
    try:
        yield
    except AgentctlError as error:
        if output is Output.TEXT:
            raise
        complain(error)
        print_json(failed(error.type, str(error), error.hint, error.exit_code))
        raise typer.Exit(error.exit_code) from None
