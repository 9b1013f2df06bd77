"""What a call comes to, and how it is written."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]


class ToolError(Exception):
    """A call cannot do what it was asked to; the text is for the model."""


def outcome(content: list[Message], facts: Message, *, is_error: bool = False) -> Message:
    """Make what a call comes to: blocks for the model, facts for the record."""
    return {"content": content, "is_error": is_error, "facts": facts}


def failure(text: str, facts: Message | None = None) -> Message:
    """Make the outcome of a call that failed."""
    return outcome([text_block(text)], facts or {}, is_error=True)


def text_block(text: str) -> Message:
    """Make a block of text, never an empty one and always valid UTF-8."""
    return {"type": "text", "text": text.encode("utf-8", "backslashreplace").decode() or "(no output)"}


def result_message(call_id: str, written: bytes, files: bytes = b"") -> bytes:
    """Make the message that carries an outcome, which is already written, as is what is told of files."""
    more = b',"files":%s' % files if files else b""
    return b'{"type":"result","id":%s,"outcome":%s%s}' % (encode(call_id), written, more)


def encode(value: object) -> bytes:
    """Write JSON."""
    return json.dumps(value).encode()


def reason_of(error: BaseException) -> str:
    """Say what is wrong in words that are the same on every machine."""
    if isinstance(error, OSError) and error.strerror:
        named = isinstance(error.filename, (str, bytes))
        return (f"{printable(os.fsdecode(error.filename))}: " if named else "") + error.strerror.lower()
    return str(error)


def printable(path: str) -> str:
    """Write a path on one line, in valid UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace").replace("\n", "\\n")


def utf8(text: str, what: str) -> bytes:
    """Write text as UTF-8, if it can be. Raises ToolError."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ToolError(f"{what} holds a lone surrogate, which UTF-8 cannot carry") from error
