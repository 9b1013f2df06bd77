"""Pieces of a record, told in lines from any place in it."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime

from agentctl.ids import time_of
from agentctl.render.lines import Line
from agentctl.render.look import Look
from agentctl.render.story import Item, Story
from agentctl.render.teller import Teller
from agentctl.session.log import Record
from agentctl.session.state import OpenCall


@dataclass(frozen=True, slots=True)
class Under:
    """A call that is under way after an event, and when it began."""

    call: OpenCall
    began_at: datetime | None


@dataclass(frozen=True, slots=True)
class Mark:
    """The story after event ``seq``, and what was told last."""

    seq: int
    story: Story
    told: Item | None


@dataclass(slots=True)
class Piece:
    """Some events in a row, told: ``ends`` says how many of the lines stand after each of them.

    ``tails`` are the lines of a result that is told for good, with more that is known of it, one event later.
    """

    after: int
    records: list[Record] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    tails: list[list[Line]] = field(default_factory=list)
    under_way: list[tuple[Under, ...]] = field(default_factory=list)


class PieceTeller(Teller):
    """Tells a story from its middle on, event by event, into a piece."""

    def __init__(self, mark: Mark, look: Look, *, full: bool) -> None:
        super().__init__(look, full=full)
        self.story = deepcopy(mark.story)
        self.piece = Piece(mark.seq)
        self._told = mark.told
        self._untold = {call.id: call for call in self.story.open_calls}

    def put(self, lines: Sequence[Line]) -> None:
        """Keep lines."""
        self.piece.lines += lines

    def take(self, record: Record, *, wanted: bool) -> None:
        """Tell an event, or only learn of it."""
        self.piece.records.append(record)
        if wanted:
            self.record(record)
        else:
            self.learn(record)

    def mark(self, *, is_over: bool) -> None:
        """Say that an event was told. When a session is over, nothing is under way any more."""
        self.piece.ends.append(len(self.piece.lines))
        self.piece.tails.append(self._tail())
        self.piece.under_way.append(() if is_over else self._calls())

    def _tail(self) -> list[Line]:
        """The lines of a result that was not told yet, without what will be known of it."""
        held = self.story.held_back
        return [*self.space_before(held), *self.layout.ended(held)] if held else []

    def _calls(self) -> tuple[Under, ...]:
        """The calls that are under way, and those that wait for somebody's word and were not told yet."""
        began, held = self.story.began_at, self.story.held_back
        ended = held.call.id if held else None
        calls = [
            call for call in self.story.open_calls if call.id != ended and (call.started or call.id in self._untold)
        ]
        return tuple(Under(call, time_of(began.get(call.id))) for call in calls)
