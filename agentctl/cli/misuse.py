"""A command line that cannot be read, told as every other failure: in a line, and as JSON where that was asked for."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from typer.exceptions import TyperException

from agentctl.cli.complain import complain, write_error
from agentctl.cli.output import print_json
from agentctl.errors import UsageError
from agentctl.session.result import failed

_OF_PYDANTIC = "Value error, "
_NO_COMMAND = re.compile("no such command '(.*)'")
_NO_OPTION = re.compile(r"no such option: (.*?)(?: \(Possible options: .*\))?")
_GO_ON = ("resume", "send")
_CHOSEN_ONCE = ("--agent", "--environment", "-e", "--model", "--sandbox")
"""What a session has begun with and keeps, and a fork of it may have otherwise."""


def explain_misuse(error: TyperException, arguments: Sequence[str]) -> int:
    """Tell what is wrong with these arguments, and return the exit code."""
    context = getattr(error, "ctx", None)
    if context is not None and error.message == context.get_help():  # a group without a command
        write_error(error.message)
        return UsageError.exit_code
    command = context.command_path if context is not None else "agentctl"
    message = _in_a_line(error.format_message())
    option = _NO_OPTION.fullmatch(message)
    if option is not None and context is not None:
        told = _no_option(option[1], context)
    else:
        told = UsageError(f"{message}{_meant(message, context)}", hint=f"see: {command} --help")
    complain(told)
    if _is_json_asked_for(arguments):
        print_json(failed(told.type, told.message, told.hint, told.exit_code))
    return told.exit_code


def _in_a_line(message: str) -> str:
    line = " ".join(message.replace(_OF_PYDANTIC, "").split()).removesuffix(".")
    return f"{line[:1].lower()}{line[1:]}"


def _meant(message: str, context: Any) -> str:
    """Name the command that was perhaps meant by one that is none."""
    typed = _NO_COMMAND.fullmatch(message)
    near = get_close_matches(typed[1], context.command.list_commands(context), 1) if typed and context else []
    return f"; did you mean {near[0]}?" if near else ""


def _no_option(typed: str, context: Any) -> UsageError:
    """Tell of an option that is none: which was perhaps meant, or which command takes it."""
    if context.info_name in _GO_ON and typed in _CHOSEN_ONCE:
        hint = f"a session keeps what it began with; one that goes on otherwise: agentctl fork SESSION {typed} …"
        return UsageError(f"no such option: {typed}", hint=hint)
    known = {name.lstrip("-"): name for each in context.command.get_params(context) for name in each.opts}
    near = get_close_matches(typed.lstrip("-"), known, 1) if typed.startswith("--") else []
    meant = f"; did you mean {known[near[0]]}?" if near else ""
    return UsageError(f"no such option: {typed}{meant}", hint=f"see: {context.command_path} --help")


def _is_json_asked_for(arguments: Sequence[str]) -> bool:
    """Say whether ``-o json`` is among the arguments, of which nobody knows what they mean."""
    kinds = ("json", "jsonl")
    joined = {f"{name}{kind}" for name in ("-o", "--output=") for kind in kinds}
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return any(one in joined or (one in ("-o", "--output") and other in kinds) for one, other in pairs)
