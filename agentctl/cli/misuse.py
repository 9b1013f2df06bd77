"""A command line that cannot be read, told as every other failure: in a line, and as JSON where that was asked for."""

import re
from collections.abc import Sequence
from typing import Any

from typer.exceptions import TyperException

from agentctl.cli.complain import complain, write_error
from agentctl.cli.output import print_json
from agentctl.errors import UsageError
from agentctl.session.result import failed
from agentctl.spelling import did_you_mean

_OF_PYDANTIC = "Value error, "
_NO_COMMAND = re.compile(r"no such command '(.*?)'(?:\. Did you mean .*)?")
_NO_OPTION = re.compile(r"no such option: (.*?)(?: \(Possible options: .*\))?")
_TOO_MUCH = "got unexpected extra argument"
_GO_ON = ("resume", "send")
_CHOSEN_ONCE = ("--agent", "--environment", "-e", "--model", "--sandbox")
"""What a session has begun with and keeps, and a fork of it may have otherwise."""


def explain_misuse(error: TyperException, arguments: Sequence[str]) -> int:
    """Tell what is wrong with these arguments, and return the exit code."""
    context = getattr(error, "ctx", None)
    if context is not None and error.message == context.get_help():  # a group without a command
        write_error(error.message)
        return UsageError.exit_code
    message = _in_a_line(error.format_message())
    told = _told(message, context) if context is not None else UsageError(message, hint=_help_of(arguments))
    complain(told)
    if _is_json_asked_for(arguments):
        print_json(failed(told.type, told.message, told.hint, told.exit_code))
    return told.exit_code


def _in_a_line(message: str) -> str:
    line = " ".join(message.replace(_OF_PYDANTIC, "").split()).removesuffix(".")
    return f"{line[:1].lower()}{line[1:]}"


def _help_of(arguments: Sequence[str]) -> str:
    """Name the help of the command that these arguments are for, where the error does not know it."""
    command = [each for each in arguments[:1] if not each.startswith("-")]
    return f"see: {' '.join(('agentctl', *command, '--help'))}"


def _told(message: str, context: Any) -> UsageError:
    """Say what was perhaps meant by a command or an option that is none, or which command takes it."""
    hint = f"see: {context.command_path} --help"
    if command := _NO_COMMAND.fullmatch(message):
        message = f"no such command '{command[1]}'{did_you_mean(command[1], context.command.list_commands(context))}"
    elif option := _NO_OPTION.fullmatch(message):
        typed = option[1]
        message = f"no such option: {typed}"
        if context.info_name in _GO_ON and typed in _CHOSEN_ONCE:
            hint = f"a session keeps what it began with; one that goes on otherwise: agentctl fork SESSION {typed} …"
        elif typed.startswith("--"):
            message += did_you_mean(typed, [name for each in context.command.get_params(context) for name in each.opts])
    elif context.info_name == "resume" and message.startswith(_TOO_MUCH):
        hint = "to say something: agentctl send SESSION MESSAGE"
    return UsageError(message, hint=hint)


def _is_json_asked_for(arguments: Sequence[str]) -> bool:
    """Say whether ``-o json`` is among the arguments, of which nobody knows what they mean."""
    kinds = ("json", "jsonl")
    joined = {f"{name}{kind}" for name in ("-o", "--output=") for kind in kinds}
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return any(one in joined or (one in ("-o", "--output") and other in kinds) for one, other in pairs)
