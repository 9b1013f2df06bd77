"""Options that several commands share."""

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer


class Output(StrEnum):
    """How a command writes its result."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


SessionArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="SESSION", help="An id, the beginning of one, @ (the newest) or @~N.")
]

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
