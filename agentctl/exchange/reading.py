"""An exported session read back: all of it is checked, and nothing of it is believed before that.

The file is gone through once for its members, whose hashes are compared with their names, and once for
its events: each line is bounded JSON, each event of the types that it must have, each hash that of the
chain, each content that is named is there. What is read later is read from the same open file and
hashed again where it is stored.
"""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from agentctl.canonical import canonical_json
from agentctl.errors import AgentctlError, StoreError, UsageError
from agentctl.events.base import Event
from agentctl.events.codec import encode
from agentctl.events.large import chained, put_back, taken_out
from agentctl.events.local import LocalFilesUploaded, LocalForked, LocalSessionCreated
from agentctl.exchange.container import members
from agentctl.exchange.manifest import BLOBS, EVENTS, NAME, Manifest, read_manifest_file
from agentctl.exchange.members import check_file, read_event
from agentctl.exchange.strict import LONGEST_LINE, read_object
from agentctl.session.contents import is_digest, named_contents
from agentctl.session.summary import Summary

_LARGEST_MANIFEST = 16 << 20
_MOST_TAKEN_OUT = 256 << 20
_PIECE = 1 << 20


class Line(NamedTuple):
    """An event of an exported session, and what is stored of it."""

    seq: int
    event: Event
    body: str
    taken: str
    hash: str


class Package:
    """An exported session in an open file, checked.

    ``blobs`` are the SHA-256 of the contents in it that are named; ``forks`` counts how often it was forked.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Check the whole file. Raises UsageError that says what is wrong, and with which event."""
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}
        self._index()
        self.manifest = self._read_manifest()
        self.blobs: list[str] = []
        self.forks = 0
        self._check()

    def lines(self) -> Iterator[Line]:
        """Yield the events. Raises UsageError."""
        former = ""
        for seq, raw in enumerate(self._raw_lines(), start=1):
            try:
                line = self._line(seq, raw, former)
            except AgentctlError as error:
                raise UsageError(f"event #{seq}: {error.message}") from None
            yield line
            former = line.hash

    def renamed(self, session_id: str) -> Iterator[Line]:
        """Yield the events as those of a session of another id; from the first that names it, hashes are others."""
        former, old = "", self.manifest.session_id
        for line in self.lines():
            event, body, taken = line.event, line.body, line.taken
            if isinstance(event, LocalSessionCreated | LocalForked) and event.session_id == old:
                # What was taken out of it stays out: it is put back with the same hashes.
                value = read_object(body)
                value["session_id"] = session_id
                body = canonical_json(value)
                event = self._event(body, taken)
            line = Line(line.seq, event, body, taken, chained(former, body, taken))
            yield line
            former = line.hash

    def open(self, digest: str) -> Iterator[bytes]:
        """Yield a content in pieces. Raises StoreError where the file does not have it."""
        if BLOBS + digest not in self._places:
            raise StoreError(f"blob {digest} is not in the file")
        yield from self._pieces(BLOBS + digest)

    def _index(self) -> None:
        """Note where each member begins; hash the contents."""
        for member in members(self._file):
            if member.name in self._places:
                raise UsageError(f"{member.name} is in the archive twice")
            is_blob = member.name.startswith(BLOBS) and is_digest(member.name.removeprefix(BLOBS))
            if not is_blob and member.name not in (NAME, EVENTS):
                raise UsageError(f"{member.name!r:.120} has no place in an exported session")
            self._places[member.name] = (self._file.tell(), member.size)
            if is_blob:
                hashed = hashlib.sha256()
                for piece in member.pieces:
                    hashed.update(piece)
                if BLOBS + hashed.hexdigest() != member.name:
                    raise UsageError(f"{member.name} is not what its name says")
        for name in (NAME, EVENTS):
            if name not in self._places:
                raise UsageError(f"there is no {name} in it")

    def _read_manifest(self) -> Manifest:
        if self._places[NAME][1] > _LARGEST_MANIFEST:
            raise UsageError(f"{NAME} is too large")
        return read_manifest_file(read_object(b"".join(self._pieces(NAME))))

    def _check(self) -> None:
        """Go through all events once: do they chain, is what they name there, can they be read as a session."""
        summary, ids, named = Summary(), set[str](), dict[str, None]()
        last: Line | None = None
        for line in self.lines():
            if line.event.id in ids:
                raise UsageError(f"event #{line.seq}: its id is that of another one")
            ids.add(line.event.id)
            self._check_place(line, last)
            named |= dict.fromkeys((*taken_out(line.taken), *self._named(line)))
            self._fold(summary, line)
            self.forks += isinstance(line.event, LocalForked)
            last = line
        if last is None or (last.seq, last.hash) != (self.manifest.events, self.manifest.head):
            raise UsageError("it does not end with the event that its manifest names: it was cut off, or changed")
        if summary.result.session_id != self.manifest.session_id:
            raise UsageError("its events are those of another session than its manifest says")
        self.blobs = [digest for digest in named if BLOBS + digest in self._places]

    @staticmethod
    def _check_place(line: Line, former: Line | None) -> None:
        if isinstance(line.event, LocalSessionCreated) != (line.seq == 1):
            raise UsageError(f"event #{line.seq}: a session begins with local.session_created, and once")
        place = former and (former.seq, former.hash)
        if isinstance(line.event, LocalForked) and (line.event.at, line.event.at_hash) != place:
            raise UsageError(f"event #{line.seq}: it was forked elsewhere")

    @staticmethod
    def _fold(summary: Summary, line: Line) -> None:
        try:
            summary.add(line.event)
        except Exception as error:  # noqa: BLE001 - whatever a reader of records stumbles over is wrong with the file
            raise UsageError(f"event #{line.seq} cannot be read as what it says: {error!r:.200}") from None

    def _named(self, line: Line) -> list[str]:
        """Return the contents that an event names. Raises UsageError for one that is not there and not said to be."""
        event = line.event
        if isinstance(event, LocalFilesUploaded) and event.manifest in self.manifest.missing:
            return []
        try:
            if isinstance(event, LocalFilesUploaded):
                for text in b"".join(self.open(event.manifest)).splitlines():
                    check_file(read_object(text))
            named = list(named_contents(event, self))
        except AgentctlError as error:
            raise UsageError(f"event #{line.seq}: {error.message}") from None
        for digest in named:
            if BLOBS + digest not in self._places and digest not in self.manifest.missing:
                raise UsageError(f"event #{line.seq}: the content {digest} is not in the file")
        return named

    def _line(self, seq: int, raw: bytes, former: str) -> Line:
        value = read_object(raw)
        if value.keys() - {"blobs"} != {"event", "hash", "seq"} or value["seq"] != seq or value["seq"] is True:
            raise UsageError("it is not the next event")
        blobs, given = value.get("blobs", {}), value["event"]
        sound = isinstance(blobs, dict) and all(map(is_digest, blobs.values())) and isinstance(given, dict)
        if not sound or (blobs == {} and "blobs" in value):
            raise UsageError("it is no event")
        body, taken = canonical_json(given), canonical_json(blobs) if blobs else ""
        if chained(former, body, taken) != value["hash"]:
            raise UsageError("its hash is not that of the chain: it, or one before it, was changed")
        return Line(seq, self._event(body, taken), body, taken, str(value["hash"]))

    def _event(self, body: str, taken: str) -> Event:
        value = read_object(body)
        if taken:
            if sum(self._places.get(BLOBS + digest, (0, 0))[1] for digest in taken_out(taken)) > _MOST_TAKEN_OUT:
                raise UsageError(f"it holds more than {_MOST_TAKEN_OUT >> 20} MiB of text")
            try:
                put_back(value, taken, lambda digest: b"".join(self.open(digest)))
            except (ValueError, KeyError, IndexError, TypeError, AttributeError):
                raise UsageError("its large strings do not fit into it") from None
        event = read_event(value)
        if encode(event) != value:
            raise UsageError("it cannot be written as it was read")
        return event

    def _raw_lines(self) -> Iterator[bytes]:
        held = b""
        for piece in self._pieces(EVENTS):
            *whole, held = (held + piece).split(b"\n")
            yield from whole
            if len(held) > LONGEST_LINE:
                raise UsageError(f"a line of {EVENTS} is longer than {LONGEST_LINE >> 20} MiB")
        if held:
            raise UsageError(f"{EVENTS} does not end with a whole line")

    def _pieces(self, name: str) -> Iterator[bytes]:
        place, left = self._places[name]
        while left:
            # Others read from the same file meanwhile.
            self._file.seek(place)
            piece = self._file.read(min(left, _PIECE))
            if not piece:
                raise UsageError("the file was cut off while it was read")
            place, left = place + len(piece), left - len(piece)
            yield piece
