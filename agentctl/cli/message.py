"""What a person has to say: an argument, a file, or standard input."""

import sys
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import typer

from agentctl.errors import UsageError

MessageArgument: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="[MESSAGE]", help="What to do; - reads it from standard input.")
]
MessageFileOption: TypeAlias = Annotated[
    str | None, typer.Option("--message-file", "-f", metavar="FILE", help="Read the message from a file, or -.")
]

_MOST_MESSAGE_BYTES = 4 << 20


def message_of(given: str | None, file: str | None) -> str:
    """Return the message that was given, once. Raises UsageError."""
    if (given is None) == (file is None):
        raise UsageError("a message is needed, once", hint="agentctl run AGENT 'what to do', or -f FILE, or -")
    if given is not None and given != "-":
        text = in_utf8("the message", given)
    elif file in (None, "-"):
        text = _read_standard_input()
    else:
        text = _read(Path(str(file)))
    if not text.strip():
        raise UsageError("the message is empty")
    return text


Words = TypeVar("Words", bound=str | None)


def in_utf8(what: str, text: Words) -> Words:
    """Return a text from the command line, which may be other bytes. Raises UsageError where it is."""
    try:
        if text is not None:
            text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{what} is not UTF-8 text") from error
    return text


def _read_standard_input() -> str:
    if sys.stdin is None:
        raise UsageError("the message was to come from standard input, which is closed")
    return _text(sys.stdin.buffer.read(_MOST_MESSAGE_BYTES + 1), "standard input")


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as opened:
            return _text(opened.read(_MOST_MESSAGE_BYTES + 1), str(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _text(data: bytes, source: str) -> str:
    if len(data) > _MOST_MESSAGE_BYTES:
        raise UsageError(f"the message in {source} is larger than {_MOST_MESSAGE_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"the message in {source} is not UTF-8 text") from error
