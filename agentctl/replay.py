"""A record at its own pace, or any other: when each thing is shown again, and the clock that goes with it.

Nothing is run, sent or asked for here. The waiting is done by a ``Stopwatch``, so that a test, or a
page in a browser, can be another.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from agentctl.events.base import Event
from agentctl.events.local import LocalModelResponse
from agentctl.events.preview import Preview
from agentctl.ids import time_of
from agentctl.session.log import Listener, Record

_PIECES_PER_SECOND = 30
_SLOWEST_TYPING = 60
"""Characters a second; a model that took longer has thought or waited before."""

_MOST_DEBT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a record is played.

    ``speed`` multiplies the recorded pace; None plays without waiting. A time in which nothing
    happened counts as ``idle_limit_seconds`` at most, before ``speed``. With ``typing`` the text
    of an answer is typed over the time in which it was received, otherwise it appears at its end.
    """

    speed: float | None = 1.0
    idle_limit_seconds: float = 2.0
    typing: bool = True


@dataclass(frozen=True, slots=True)
class Frame:
    """Something that is shown ``wait_seconds`` after what came before it.

    ``at`` is when it happened, None where the record does not say.
    """

    shown: Record | Preview
    wait_seconds: float
    at: datetime | None


class Stopwatch(Protocol):
    """Something that measures time and lets it pass."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let this much time pass."""
        ...


def frames(records: Iterable[Record], pace: Pace) -> Iterator[Frame]:
    """Say when each event, and each piece of text that was typed, is shown again."""
    former: datetime | None = None
    for record in records:
        at = time_of(record.event.processed_at) or former
        gap = max(0.0, (at - former).total_seconds()) if at and former else 0.0
        typed = list(_typed(record, gap, former, pace)) if former else []
        yield from typed
        yield Frame(record, 0.0 if typed else _paced(gap, pace), at)
        former = max(at, former) if at and former else at


@dataclass(frozen=True, slots=True)
class Pause:
    """What stands between an event and the one before it: first nothing happens, then ``texts`` are typed.

    Both are seconds at speed 1; the first is at most the idle limit.
    """

    still_seconds: float
    typing_seconds: float = 0.0
    texts: tuple[Preview, ...] = ()

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.still_seconds + self.typing_seconds


def pause_before(event: Event, gap_seconds: float, pace: Pace) -> Pause:
    """Return what stands before an event that came ``gap_seconds`` after the former one."""
    if not pace.typing or not isinstance(event, LocalModelResponse):
        return Pause(min(gap_seconds, pace.idle_limit_seconds))
    blocks = _texts(event.raw)
    typing = min(gap_seconds, sum(len(preview.text) for preview in blocks) / _SLOWEST_TYPING)
    return Pause(min(gap_seconds - typing, pace.idle_limit_seconds), typing, tuple(blocks))


class Player:
    """Plays frames to a listener, and is the clock of what it plays."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._due = stopwatch.monotonic()
        self._from: tuple[datetime, datetime, float, float] | None = None
        self._at: datetime | None = None

    def play(self, played: Iterable[Frame], listener: Listener) -> None:
        """Show every frame in its time."""
        for frame in played:
            self._wait(frame)
            if isinstance(frame.shown, Preview):
                listener.preview(frame.shown)
            else:
                listener.record(frame.shown)

    def now(self) -> datetime:
        """Return the recorded time that is being played."""
        if self._from is None:
            return self._at or datetime.fromtimestamp(0, UTC)
        start, end, since, wait = self._from
        share = (self._stopwatch.monotonic() - since) / wait
        return start + (end - start) * min(1.0, max(0.0, share))

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring."""
        return self._stopwatch.monotonic()

    def _wait(self, frame: Frame) -> None:
        began = self._stopwatch.monotonic()
        # Counted from when the one before was due, so that the time it takes to draw is not added up.
        self._due = max(self._due, began - _MOST_DEBT_SECONDS) + frame.wait_seconds
        left = self._due - began
        if frame.wait_seconds and left > 0:
            if self._at and frame.at:
                self._from = (self._at, frame.at, began, left)
            self._stopwatch.sleep(left)
        self._from, self._at = None, frame.at or self._at


def _paced(seconds: float, pace: Pace) -> float:
    return 0.0 if pace.speed is None else min(seconds, pace.idle_limit_seconds) / pace.speed


def _typed(record: Record, gap: float, former: datetime, pace: Pace) -> Iterator[Frame]:
    """Spread the text of an answer over the time it took, behind a wait for what took longer than typing."""
    if pace.speed is None or not pace.typing or not isinstance(record.event, LocalModelResponse):
        return
    blocks = _texts(record.event.raw)
    total = sum(len(preview.text) for preview in blocks)
    seconds = min(gap, total / _SLOWEST_TYPING)
    pieces = [piece for block in blocks for piece in _pieces(block, seconds / pace.speed, total)]
    wait = _paced(gap - seconds, pace)
    at = former + timedelta(seconds=gap - seconds)
    for piece in pieces:
        share = seconds * len(piece.text) / total
        at += timedelta(seconds=share)
        yield Frame(piece, wait + share / pace.speed, at)
        wait = 0.0


def _texts(raw: str) -> list[Preview]:
    """Return the blocks of a message as they were typed."""
    found: list[Preview] = []
    for index, block in enumerate(json.loads(raw).get("content") or ()):
        match block:
            case {"type": "text", "text": str(text)}:
                found.append(Preview("text", index, text))
            case {"type": "thinking", "thinking": str(text)}:
                found.append(Preview("thinking", index, text))
            case {"type": "tool_use", "name": name, "input": arguments}:
                found.append(Preview("tool_input", index, json.dumps(arguments), str(name)))
    return [preview for preview in found if preview.text]


def _pieces(preview: Preview, seconds: float, total: int) -> Iterator[Preview]:
    most = max(1, int(seconds * _PIECES_PER_SECOND))
    step = max(1, -(-total // most))
    for place in range(0, len(preview.text), step):
        yield replace(preview, text=preview.text[place : place + step])
