"""Options that several commands share."""

import re
from enum import StrEnum
from typing import Annotated, TypeAlias

import typer

from agentctl.errors import UsageError

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Output(StrEnum):
    """How a command writes its result."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


SESSION_HELP = "An id, the beginning of one, @ (the newest), @~N or =BASELINE."

SessionArgument: TypeAlias = Annotated[str, typer.Argument(metavar="SESSION", help=SESSION_HELP)]

OutputOption: TypeAlias = Annotated[
    Output, typer.Option("--output", "-o", help="text, json (one object), or jsonl (a line for each event).")
]

QuietOption: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")]

RebuildOption: TypeAlias = Annotated[
    bool, typer.Option("--rebuild", help="Make the session's image anew where it is gone.")
]


class Approval(StrEnum):
    """What becomes of calls that ask."""

    ASK = "ask"
    ALLOW = "allow"
    DENY = "deny"


ApproveOption: TypeAlias = Annotated[Approval, typer.Option(help="What becomes of calls that ask for permission.")]


class SandboxName(StrEnum):
    """Kinds of sandbox that can be asked for."""

    DOCKER = "docker"
    BUBBLEWRAP = "bubblewrap"
    NONE = "none"


def own_id(text: str | None) -> str | None:
    """Check the id that a person wants a session to have. Raises UsageError."""
    if text is not None and not _ID.fullmatch(text):
        raise UsageError("--session takes 1 to 64 of a-z, 0-9, - and _, the first a letter or a digit")
    return text
