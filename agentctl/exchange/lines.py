"""What another program has written: a JSON document, lines of JSON, or a stream of server-sent events.

A line that cannot be read is no reason to refuse the others: a program that was killed while it wrote, and
was taken up again, leaves one in the middle. It is kept as text; whoever reads the lines says what he makes
of it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.errors import UsageError
from agentctl.exchange.strict import LONGEST_LINE, read_value

NumberedLine: TypeAlias = tuple[int, JsonObject]
"""A JSON object, and the number of the line that it began in, from 1."""


class Damaged(dict[str, Any]):
    """What stands for a line that cannot be read: its text (``unreadable``), and the reason (``why``).

    Bytes that are no UTF-8 are ``\\udc80`` to ``\\udcff`` in it.
    """

    def __init__(self, line: bytes, why: str) -> None:
        super().__init__(unreadable=line.decode("utf-8", "surrogateescape"), why=why)


_SSE = (b"event:", b"data:", b":", b"id:", b"retry:")


def read_lines(data: bytes) -> tuple[list[NumberedLine], int | None]:
    """Read the objects of a file, and the number of its last line where that was cut off.

    A list, and the pages that the API answers (``{"data": […]}``), are read as what they hold. Lines that cannot
    be read are Damaged; raises UsageError, with the line, where no line can.
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
    cut = None
    for number, line in enumerate(raw, start=1):
        if not line.strip():
            continue
        try:
            found += list(_flat(number, read_value(line)))
        except UsageError as error:
            if len(line) > LONGEST_LINE:
                raise UsageError(f"line {number}: {error.message}") from None
            found.append((number, Damaged(line, error.message)))
            cut = number if number == len(raw) else None
    if all(isinstance(body, Damaged) for _, body in found):
        refuse_damaged(found)
    return found, cut


def refuse_damaged(lines: Iterable[NumberedLine]) -> None:
    """Raise UsageError for the first line that cannot be read."""
    for number, body in lines:
        if isinstance(body, Damaged):
            raise UsageError(f"line {number}: {body['why']}")


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
