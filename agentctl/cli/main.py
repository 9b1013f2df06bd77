"""The program: finds the command, and is the one door through which failures leave.

A command's module is imported when the command is called, not before: ``agentctl --help`` and
``ls`` load neither a model nor a sandbox. ``COMMANDS`` is the whole list, with the line that
``--help`` shows; a test holds it equal to what the commands say of themselves.
"""

import errno
import os
import platform
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from keyword import iskeyword
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from agentctl import __version__
from agentctl.cli.help import explain
from agentctl.cli.nothing import refuse_empty_paths
from agentctl.cli.quick import read_quickly
from agentctl.errors import AgentctlError, UsageError
from agentctl.signals import Interrupted


class Entry(NamedTuple):
    """A command: the section of ``--help`` it stands in, and what it does in a line."""

    section: str
    help: str


COMMANDS = {
    "run": Entry("Run", "Start a session and drive it until it rests."),
    "send": Entry("Run", "Send a message to a session: it works on it now, or next if it is running."),
    "resume": Entry("Run", "Go on with a session that was stopped, has failed, or was answered."),
    "interrupt": Entry("Run", "Stop the turn of a session that is running; it rests then."),
    "approve": Entry("Run", "Allow calls that wait for permission; then `agentctl resume`."),
    "deny": Entry("Run", "Refuse calls that wait for permission; then `agentctl resume`."),
    "fork": Entry("Run", "Make a session with the same past and the same files, free to differ from there."),
    "rerun": Entry("Run", "Do a session again from its record, and say whether it came to the same."),
    "demo": Entry("Run", "Run a scripted session over the examples; needs no key and no Docker."),
    "ls": Entry("Look", "List the sessions."),
    "show": Entry("Look", "Show one session at a glance."),
    "events": Entry("Look", "Print the events of a session."),
    "replay": Entry("Look", "Play the record of a session. Never runs anything."),
    "diff": Entry("Look", "Say where two sessions part: what moved, what followed, what is noise."),
    "files": Entry("Look", "Show what a session did to its files, call by call or as a patch."),
    "outputs": Entry("Look", "List or fetch the files that a session made."),
    "search": Entry("Look", "Find events of all sessions by their words; exit code 1 where there are none."),
    "stats": Entry("Look", "Sum up what all sessions did and cost, by agent, model, tool or day."),
    "du": Entry("Look", "Say what takes how much of the disk."),
    "apply": Entry("Keep", "Bring the changes of a session home into the folder they came from."),
    "export": Entry("Keep", "Write sessions into files, one each, with all that they need."),
    "import": Entry("Keep", "Store sessions from files: exported ones, and transcripts of other programs."),
    "rm": Entry("Keep", "Remove sessions for good: what happened in them, and what only they had a use for."),
    "prune": Entry(
        "Keep", "Remove what nobody needs any more: --checkpoints, --blobs and --logs where no kind is named."
    ),
    "gc": Entry("Keep", "Remove containers and folders that killed runs have left behind."),
    "validate": Entry("Define", "Check files that people write: agents, environments, checks, and rules of diff."),
    "schema": Entry("Define", "Print the JSON Schema of a definition file."),
    "env": Entry("Define", "Build, list and remove the images of environments."),
    "vault": Entry("Define", "Keep credentials that sandboxes may use and never see."),
    "check": Entry("Check", "Hold a session against a file of checks, for CI."),
    "bisect": Entry("Check", "Find the first event after which a check fails."),
    "verify": Entry("Check", "Say whether the record of a session is intact, and whether it is complete."),
    "baseline": Entry("Check", "Give names to the sessions that others are compared with."),
    "doctor": Entry("Check", "Say what this machine has and what is missing."),
}


def module_of(command: str) -> str:
    """Return the name of a command's module; Python keeps some words for itself."""
    return f"agentctl.cli.{command}{'_' if iskeyword(command) else ''}"


@contextmanager
def _read_enough() -> Iterator[None]:
    """End well where whoever reads has read enough; Typer would end with 1."""
    try:
        yield
    except BrokenPipeError:
        raise typer.Exit(0) from None


class Commands(TyperGroup):
    """The commands, each imported when it is asked for."""

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Read the command line; asked for, help and version are written here."""
        with _read_enough():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: Any) -> Any:
        """Call the command."""
        with _read_enough():
            return super().invoke(ctx)

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters of the program itself."""
        return read_quickly(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names in the order of ``--help``."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Import a command. Returns None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(module_of(cmd_name))
        command: TyperCommand = typer.main.get_command(module.app)  # type: ignore[assignment]
        command.name = cmd_name
        refuse_empty_paths(command)
        explain(command, cmd_name)
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the commands in sections, without importing them."""
        for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items() if entry.section == section])


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"agentctl {__version__}")
        raise typer.Exit


@app.callback()
def agentctl(
    version: Annotated[  # noqa: ARG001 - answered by its callback
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """Claude Managed Agents on your own machine, with a record that you can trust.

    SESSION is an id, the beginning of one, @ (the newest) or @~N (the Nth before it).
    """
    if debug:
        os.environ["AGENTCTL_DEBUG"] = "1"


def main() -> None:
    """Run the program and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = 0
    try:
        ended = app(standalone_mode=False)
        code = ended if isinstance(ended, int) else 0
    except TyperException as error:
        code = _explain_misuse(error)
    except AgentctlError as error:
        code = _explain(error)
    except KeyboardInterrupt:
        code = 130
    except Interrupted as stop:
        code = stop.exit_code
    except typer.Abort:
        code = 130
    except Exception as error:  # noqa: BLE001 - the one door: whatever comes here is a bug
        is_output = isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None
        code = _explain(UsageError(f"cannot write: {os.strerror(errno.ENOSPC)}")) if is_output else _report_bug(error)
    _leave(code)


def _explain(error: AgentctlError) -> int:
    from agentctl.cli.complain import complain

    _trace(error)
    complain(error)
    return error.exit_code


def _explain_misuse(error: TyperException) -> int:
    from agentctl.cli.misuse import explain_misuse

    return explain_misuse(error, sys.argv[1:])


def _report_bug(error: Exception) -> int:
    from agentctl.cli.complain import report_bug

    _trace(error)
    report_bug(error, f"agentctl {__version__}, Python {platform.python_version()}, {platform.platform()}")
    return 70


def _trace(error: Exception) -> None:
    from agentctl.cli.complain import write_error

    if os.environ.get("AGENTCTL_DEBUG"):
        write_error("".join(traceback.format_exception(error)).rstrip("\n"))


def _leave(code: int) -> None:
    try:
        sys.stdout.flush()
    except (BrokenPipeError, ValueError, AttributeError):
        # The interpreter would try once more at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)
