"""A record that is looked at back and forth: where its moments are, and what is told up to each event.

It is read once, from its beginning on, as far as somebody wants to see. What is kept of that is a few
numbers for each event and, now and then, the story so far, from which the lines around any event can
be told again.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from agentctl.errors import AgentctlError
from agentctl.events.base import Event
from agentctl.events.local import LocalFilesChanged
from agentctl.ids import time_of
from agentctl.render.lines import Line
from agentctl.render.look import Look
from agentctl.render.moments import Kind, Moments
from agentctl.render.pieces import Mark, Piece, PieceTeller, Under
from agentctl.render.player import Seek
from agentctl.render.searching import holds
from agentctl.render.story import CallBegan, Cut, Item, Story
from agentctl.session.log import Record

WORKS = ("running", "rescheduling")
"""What a session does that has no end yet."""

_PIECE = 256
_MOST_PIECES = 48
_SEARCHED_AT_ONCE = 256


class Reading(Protocol):
    """A way to read the events of one session."""

    def __call__(self, *, after: int, until: int | None) -> Iterator[Record]:
        """Yield the events behind number ``after``, up to ``until``. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class Point:
    """What is known of a session after one event. ``at`` is when that was, ``files`` how many it has touched."""

    at: datetime | None
    kinds: Kind
    is_wanted: bool
    cost: Decimal | None
    files: int


class Reel:
    """The events of a session up to number ``last``, as far as they were read.

    ``wants`` says which events are shown; ``status`` is what the session does, where its end is among them.
    """

    def __init__(self, read: Reading, last: int, wants: Callable[[Event], bool], status: str | None) -> None:
        self.last = last
        self.trouble: AgentctlError | None = None
        self._read = read
        self._source = read(after=0, until=last)
        self._wants = wants
        self._status = status
        self._story = Story()
        self._moments = Moments()
        self._told: Item | None = None
        self._touched: set[str] = set()
        self._points: list[Point] = []
        self._marks = [Mark(0, deepcopy(self._story), None)]
        self._is_whole = False
        self._pieces: OrderedDict[tuple[int, Look, bool], Piece] = OrderedDict()

    @property
    def seen(self) -> int:
        """The number of the last event that was read."""
        return len(self._points)

    @property
    def is_whole(self) -> bool:
        """Whether everything was read that can be; ``last`` and ``trouble`` are final then."""
        return self._is_whole

    def read_on(self, most: int = _PIECE) -> None:
        """Read some more events. What cannot be read ends the record, and is kept as ``trouble``."""
        try:
            for _, record in zip(range(most), self._source, strict=False):
                self._take(record)
        except AgentctlError as error:
            self.trouble = error
            self._end()
        else:
            if self.seen >= self.last:
                self._end()

    def grow(self, last: int, status: str) -> bool:
        """Take up that a session which was read whole goes up to ``last`` now; return whether there is more to read."""
        if not self._is_whole or self.trouble is not None or (last, status) == (self.last, self._status):
            return False
        for key in [key for key in self._pieces if key[0] + 1 == len(self._marks)]:
            del self._pieces[key]  # told with an end that is none any more
        self._status = status
        if last > self.last:
            self._source = self._read(after=self.seen, until=last)
            self.last = last
            self._is_whole = False
        return not self._is_whole

    def point(self, seq: int) -> Point:
        """Return what is known after an event that was read."""
        return self._points[seq - 1]

    def shows(self, seq: int) -> bool:
        """Say whether enough was read to tell an event."""
        return self._is_whole or seq <= self._marks[-1].seq

    def next_wanted(self, seq: int, *, forward: bool = True) -> int | None:
        """Return the event that is shown next. Returns None where there is none, or none was read yet."""
        way = range(seq + 1, self.seen + 1) if forward else range(seq - 1, 0, -1)
        return next((place for place in way if self._points[place - 1].is_wanted and self.shows(place)), None)

    def record(self, seq: int, look: Look, *, full: bool) -> Record:
        """Return an event that can be told. Raises StoreError."""
        piece = self._piece(self._mark_of(seq), look, full=full)
        return piece.records[seq - piece.after - 1]

    def under_way(self, seq: int, look: Look, *, full: bool) -> tuple[Under, ...]:
        """Return the calls that are under way after an event. Raises StoreError."""
        piece = self._piece(self._mark_of(seq), look, full=full)
        return piece.under_way[seq - piece.after - 1]

    def lines(self, seq: int, most: int, look: Look, *, full: bool) -> list[Line]:
        """Return up to ``most`` of the last lines that are told up to an event. Raises StoreError."""
        place = self._mark_of(seq)
        piece = self._piece(place, look, full=full)
        at = seq - piece.after - 1
        lines = [*piece.lines[: piece.ends[at]], *piece.tails[at]]
        while len(lines) < most and place > max(0, self._mark_of(seq) - _MOST_PIECES // 2):
            place -= 1
            lines = [*self._piece(place, look, full=full).lines, *lines]
        return lines[-most:] if most else []

    def seek(self, seek: Seek, place: int) -> tuple[int | None, bool]:
        """Go a part of a way, on from ``place``; return where that led and whether it is the end of the way.

        At its end, None says that there is no such event. Raises StoreError.
        """
        if seek.target is not None:
            target = min(seek.target, self.last)
            if self.shows(target):
                return self._nearest(target), True
            self.read_on()
            return place, False
        if seek.text:
            return self._search(seek, place)
        return self._seek_point(seek, place)

    def _seek_point(self, seek: Seek, place: int) -> tuple[int | None, bool]:
        end = min(self.seen, self._told_until)
        way = range(place + 1, end + 1) if seek.forward else range(place - 1, 0, -1)
        for found in way:
            point = self._points[found - 1]
            if point.is_wanted and (seek.is_step or point.kinds & seek.kinds):
                return found, True
        if not seek.forward or self._is_whole:
            return None, True
        self.read_on()
        return max(place, end), False

    def _search(self, seek: Seek, place: int) -> tuple[int | None, bool]:
        if seek.forward and not self.shows(min(place + _SEARCHED_AT_ONCE, self.last)):
            self.read_on()
            return place, False
        if seek.forward:
            after, until = place, min(place + _SEARCHED_AT_ONCE, self.last)
        else:
            after, until = max(0, place - 1 - _SEARCHED_AT_ONCE), place - 1
        records = list(self._read(after=after, until=until)) if until > after else []
        for record in records if seek.forward else reversed(records):
            if self._wants(record.event) and holds(record.event, seek.text):
                return record.seq, True
        is_end = until >= self.last if seek.forward else after == 0
        return (None, True) if is_end else (until if seek.forward else after + 1, False)

    def _nearest(self, seq: int) -> int | None:
        """Return a shown event: this one, or the last one before it, or the first one behind it."""
        if seq < 1 or self._points[seq - 1].is_wanted:
            return max(1, seq)
        before = self.next_wanted(seq, forward=False)
        return before if before is not None else self.next_wanted(seq)

    @property
    def _told_until(self) -> int:
        return self.last if self._is_whole else self._marks[-1].seq

    def _take(self, record: Record) -> None:
        event = record.event
        items = self._story.after(event, wanted=self._wants(event))
        told = [item for item in items if not isinstance(item, CallBegan | Cut)]
        self._told = told[-1] if told else self._told
        if isinstance(event, LocalFilesChanged):
            self._touched |= {str(change.get("path")) for change in event.changes if change.get("kind") != "folder"}
        cost = self._story.result.usage.cost
        at = time_of(event.processed_at) or (self._points[-1].at if self._points else None)
        kinds = self._moments.after(event, cost)
        self._points.append(Point(at, kinds, self._wants(event), cost, len(self._touched)))
        if record.seq >= self._marks[-1].seq + _PIECE and self._story.held_back is None:
            self._marks.append(Mark(record.seq, deepcopy(self._story), self._told))

    def _end(self) -> None:
        if self.seen < self.last:
            self._status = None
        self.last = self.seen
        self._is_whole = True

    def _mark_of(self, seq: int) -> int:
        return bisect_right(self._marks, seq - 1, key=lambda mark: mark.seq) - 1

    def _piece(self, place: int, look: Look, *, full: bool) -> Piece:
        key = (place, look, full)
        if key in self._pieces:
            self._pieces.move_to_end(key)
            return self._pieces[key]
        is_last = place + 1 == len(self._marks)
        if is_last and not self._is_whole:
            return self._told_piece(place, look, full=full)
        piece = self._pieces[key] = self._told_piece(place, look, full=full)
        while len(self._pieces) > _MOST_PIECES:
            self._pieces.popitem(last=False)
        return piece

    def _told_piece(self, place: int, look: Look, *, full: bool) -> Piece:
        mark = self._marks[place]
        is_last = place + 1 == len(self._marks)
        until = self.seen if is_last else self._marks[place + 1].seq
        teller = PieceTeller(mark, look, full=full)
        for record in self._read(after=mark.seq, until=until) if until > mark.seq else ():
            teller.take(record, wanted=self._wants(record.event))
            is_end = is_last and record.seq == self.last and self._is_whole and self.trouble is None
            if is_end and self._status not in WORKS:
                teller.finish(self._status, whole=self._status is not None)
            teller.mark(is_over=is_end and self._status == "interrupted")
        return teller.piece
