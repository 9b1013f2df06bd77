"""Transcripts of other programs: whose it is, and the session that it tells of."""

import hashlib
from collections.abc import Sequence
from typing import BinaryIO

from agentctl.errors import UsageError
from agentctl.events.codec import encode
from agentctl.exchange.claude_code import FORMAT as CLAUDE_CODE
from agentctl.exchange.claude_code import is_claude_code, read_claude_code
from agentctl.exchange.codex import FORMAT as CODEX
from agentctl.exchange.codex import is_codex, read_codex
from agentctl.exchange.hosted import FORMAT as HOSTED
from agentctl.exchange.hosted import is_hosted, read_hosted
from agentctl.exchange.lines import Damaged, NumberedLine, read_lines, refuse_damaged
from agentctl.exchange.members import read_event
from agentctl.exchange.origin import Foreign, Origin
from agentctl.session.summary import Summary

LARGEST = 512 << 20
"""Bytes of a transcript, which is held in memory."""

_MOST_TOLD = 3

_FORMATS = (
    (CODEX, is_codex, read_codex),
    (CLAUDE_CODE, is_claude_code, read_claude_code),
    (HOSTED, is_hosted, read_hosted),
)


def read_foreign(file: BinaryIO, name: str) -> Foreign:
    """Read a transcript. Raises UsageError for one that is of no known program, or not sound."""
    data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise UsageError(f"it is larger than {LARGEST >> 20} MiB")
    lines, cut = read_lines(data)
    for form, is_one, read in _FORMATS:
        if is_one(lines):
            origin = Origin(form, name, hashlib.sha256(data).hexdigest(), {} if cut is None else {"cut_at_line": cut})
            origin.gaps += _damage(lines, cut)
            made = read(lines, origin)
            _check(made)
            return made
    refuse_damaged(lines)
    raise UsageError(
        "it is nothing that is known here",
        hint=f"known are sessions of agentctl (export), and transcripts: {', '.join(form for form, _, _ in _FORMATS)}",
    )


def _damage(lines: Sequence[NumberedLine], cut: int | None) -> list[str]:
    """Say which lines could not be read; what else there is of them is kept as text."""
    numbers = [number for number, body in lines if isinstance(body, Damaged) and number != cut]
    told = [f"line {number} is no whole line of JSON, and only kept as text" for number in numbers[:_MOST_TOLD]]
    if len(numbers) > _MOST_TOLD:
        told.append(f"nor are {len(numbers) - _MOST_TOLD:,} more lines")
    return told + ([] if cut is None else [f"line {cut}, the last one, was cut off, and is only kept as text"])


def _check(made: Foreign) -> None:
    """Hold the session against what any other must be. Raises UsageError."""
    summary, ids = Summary(), set[str]()
    for event in made.events:
        body = encode(event)
        read_event(body)
        if event.id in ids:
            raise UsageError(f"the id {event.id} is that of two events")
        ids.add(event.id)
        try:
            summary.add(event)
        except Exception as error:  # noqa: BLE001 - whatever a reader of records stumbles over is wrong with the file
            raise UsageError(f"{body['type']} {event.id} cannot be read as what it says: {error!r:.200}") from None
