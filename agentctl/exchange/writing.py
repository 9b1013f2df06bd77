"""A session written into one file: its manifest, its events with their hashes, and each content that they name once.

The events of a fork are all of them, its parent's too, so one file is enough to read it anywhere.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import BinaryIO, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.errors import StoreError
from agentctl.events.base import Event
from agentctl.events.codec import encode
from agentctl.events.large import chained, detached, taken_out
from agentctl.events.local import LocalForked
from agentctl.exchange.cleaning import Cleaner
from agentctl.exchange.container import Writer
from agentctl.exchange.manifest import BLOBS, EVENTS, NAME, Manifest
from agentctl.session.files import Contents

Row: TypeAlias = tuple[int, str, str, str]
"""What is stored of an event: its number, its body, what was taken out of that, its hash."""


@dataclass(slots=True)
class Draft:
    """What is known of a session once all its events have been gone through.

    ``head`` is the hash of the last event as it leaves, ``original_head`` as it is stored. ``changed`` are the
    events that secrets were taken out of; ``damage`` says what is wrong with the one behind the last.
    """

    events: int = 0
    head: str = ""
    original_head: str = ""
    changed: list[int] = field(default_factory=list)
    damage: str | None = None


def draft(
    rows: Iterable[Row],
    read: Callable[[Row], Event],
    cleaner: Cleaner,
    lines: BinaryIO,
    *,
    salvage: bool,
) -> Draft:
    """Write the events to ``lines``, and let the cleaner find what they name.

    With ``salvage`` the first event that is damaged ends it; otherwise StoreError is raised for it.
    """
    made = Draft()
    try:
        for row in rows:
            _add(made, row, read(row), cleaner, lines)
    except StoreError as error:
        if not salvage or not made.events:
            raise
        made.damage = error.message
    return made


def write_session(
    made: Draft, session_id: str, version: str, cleaner: Cleaner, lines: BinaryIO, contents: Contents, stream: BinaryIO
) -> Manifest:
    """Write the whole file; ``lines`` is what ``draft`` has written. Raises StoreError, OSError."""
    manifest = Manifest(
        session_id,
        version,
        made.events,
        made.head,
        len(cleaner.sizes),
        _redacted(made, cleaner),
        made.damage,
        sorted(cleaner.missing),
    )
    writer, head = Writer(stream), manifest.as_bytes()
    writer.add(NAME, len(head), [head])
    size = lines.seek(0, 2)
    lines.seek(0)
    writer.add(EVENTS, size, iter(lambda: lines.read(1 << 20), b""))
    for digest in sorted(cleaner.sizes):
        writer.add(BLOBS + digest, cleaner.sizes[digest], contents.open(digest))
    writer.finish()
    return manifest


def _add(made: Draft, row: Row, event: Event, cleaner: Cleaner, lines: BinaryIO) -> None:
    seq, body, taken, row_hash = row
    clean = cleaner.event(event)
    if clean is not event:
        made.changed.append(seq)
    if made.changed:
        clean = _with_place(clean, made.head)
    if clean is not event:
        body, taken = detached(encode(clean), cleaner.keep)
    for digest in taken_out(taken):
        cleaner.take(digest)
    made.events, made.original_head, made.head = seq, row_hash, chained(made.head, body, taken)
    more = f'"blobs":{taken},' if taken else ""
    lines.write(f'{{{more}"event":{body},"hash":"{made.head}","seq":{seq}}}\n'.encode())


def _with_place(event: Event, head: str) -> Event:
    """Let a fork name the event that it was made at by the hash that this has now."""
    return replace(event, at_hash=head) if isinstance(event, LocalForked) else event


def _redacted(made: Draft, cleaner: Cleaner) -> JsonObject | None:
    if not made.changed:
        return None
    return {
        "names": sorted(cleaner.names),
        "events": made.changed,
        "contents": cleaner.changed,
        "original_head": made.original_head,
    }
