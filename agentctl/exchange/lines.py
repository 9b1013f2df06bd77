"""What another program has written: a JSON document, lines of JSON, or a stream of server-sent events."""

from collections.abc import Iterator
from typing import TypeAlias

from agentctl.canonical import JsonObject
from agentctl.errors import UsageError
from agentctl.exchange.strict import read_value

NumberedLine: TypeAlias = tuple[int, JsonObject]
"""A JSON object, and the number of the line that it began in, from 1."""

_SSE = (b"event:", b"data:", b":", b"id:", b"retry:")


def read_lines(data: bytes) -> tuple[list[NumberedLine], int | None]:
    """Read the objects of a file, and the number of its last line where that was cut off.

    A list, and the pages that the API answers (``{"data": […]}``), are read as what they hold. Raises
    UsageError, with the line.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.lstrip().startswith(_SSE):
        return list(_from_stream(data)), None
    try:
        return list(_flat(1, read_value(data))), None
    except UsageError as error:
        if b"\n" not in data.strip():
            raise UsageError(f"line 1: {error.message}") from None
    return _from_lines(data)


def _from_lines(data: bytes) -> tuple[list[NumberedLine], int | None]:
    found: list[NumberedLine] = []
    raw = data.split(b"\n")
    for number, line in enumerate(raw, start=1):
        if not line.strip():
            continue
        try:
            found += _flat(number, read_value(line))
        except UsageError as error:
            # A program that was killed while it wrote leaves the beginning of a line.
            if number == len(raw) and found:
                return found, number
            raise UsageError(f"line {number}: {error.message}") from None
    return found, None


def _from_stream(data: bytes) -> Iterator[NumberedLine]:
    held: list[bytes] = []
    for number, line in enumerate([*data.splitlines(), b""], start=1):
        if line.startswith(b"data:"):
            held.append(line.removeprefix(b"data:").removeprefix(b" "))
        elif not line.strip() and held:
            try:
                yield from _flat(number - len(held), read_value(b"\n".join(held)))
            except UsageError as error:
                raise UsageError(f"line {number - len(held)}: {error.message}") from None
            held = []


def _flat(number: int, value: object) -> Iterator[NumberedLine]:
    match value:
        case {"data": list(entries)}:
            yield from (each for entry in entries for each in _flat(number, entry))
        case list():
            yield from (each for entry in value for each in _flat(number, entry))
        case dict():
            yield number, value
        case _:
            raise UsageError("it is JSON, but no object")
