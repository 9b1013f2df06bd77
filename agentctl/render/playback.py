"""A reel that is played: how long each event is waited for, and what there is to draw meanwhile."""

from datetime import UTC, datetime

from agentctl.render.layout import Layout
from agentctl.render.look import Look
from agentctl.render.player import PlayerState
from agentctl.render.playerscreen import View, rows_wanted, typed_so_far
from agentctl.render.reel import Reel
from agentctl.replay import Pace, Pause, pause_before


class Playback:
    """Says what a player needs to know of a reel.

    ``total`` is how many seconds the whole record took; ``is_live`` says that it is still being written.
    """

    def __init__(self, reel: Reel, pace: Pace, total: float, *, is_live: bool = False) -> None:
        self.total = total
        self.is_live = is_live
        self._reel = reel
        self._pace = pace
        self._look = Look()
        self._pause: tuple[int, int, Pause] | None = None

    def waits(self, at: int) -> tuple[int, float] | None:
        """Say which event follows, and after how many seconds at speed 1. None where none does, or none was read."""
        following = self._reel.next_wanted(at)
        return None if following is None else (following, self._between(at, following).seconds)

    def is_at_end(self, at: int) -> bool:
        """Whether nothing follows, ever."""
        return self._reel.is_whole and self._reel.next_wanted(at) is None

    def view(self, state: PlayerState, look: Look, share: float | None = None) -> View:
        """Return what there is to draw. Raises StoreError."""
        self._look = look
        reel, full = self._reel, state.is_full
        point, start = reel.point(state.at), reel.point(1).at
        following = self._reel.next_wanted(state.at) if state.waited else None
        pause = self._between(state.at, following) if following else Pause(0.0)
        part = min(1.0, state.waited / pause.seconds) if pause.seconds else 0.0
        now = _between(point.at, reel.point(following).at if following else None, part)
        if self.is_live and self.is_at_end(state.at):
            now = datetime.now(UTC)
        elapsed = _seconds(start, now)
        typed = max(0.0, state.waited - pause.still_seconds) / (pause.typing_seconds or 1.0)
        texts = [(preview.kind, preview.text) for preview in pause.texts]
        return View(
            record=reel.record(state.at, look, full=full),
            kinds=point.kinds,
            lines=reel.lines(state.at, rows_wanted(state, look), look, full=full),
            typed=typed_so_far(texts, typed, Layout(look, full)) if texts else (),
            under_way=[(under, _seconds(under.began_at, now)) for under in reel.under_way(state.at, look, full=full)],
            elapsed=elapsed,
            total=max(self.total, elapsed) if self.is_live else self.total,
            cost=point.cost,
            files=point.files,
            share=share,
            is_live=self.is_live,
        )

    def _between(self, at: int, following: int) -> Pause:
        if self._pause is not None and self._pause[:2] == (at, following):
            return self._pause[2]
        gap = _seconds(self._reel.point(at).at, self._reel.point(following).at)
        event = self._reel.record(following, self._look, full=False).event
        pause = pause_before(event, gap, self._pace)
        self._pause = (at, following, pause)
        return pause


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return max(0.0, (end - start).total_seconds()) if start and end else 0.0


def _between(start: datetime | None, end: datetime | None, share: float) -> datetime | None:
    return start + (end - start) * share if start and end and end > start else start
