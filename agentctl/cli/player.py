"""The player of ``agentctl replay``: what a person does with the keys, and what they see of it."""

import sys
import time
from dataclasses import replace

from agentctl.cli.draw import forgiving
from agentctl.cli.fullscreen import FullScreen, full_screen
from agentctl.cli.looking import Opened, Selection
from agentctl.ids import time_of
from agentctl.render.look import Look
from agentctl.render.playback import Playback
from agentctl.render.player import PlayerState
from agentctl.render.playerscreen import resized, screen
from agentctl.render.reel import WORKS, Reel
from agentctl.replay import Pace
from agentctl.signals import interruptible

_FRAME_SECONDS = 1 / 25
_SLICE_SECONDS = 0.1
"""How long somebody may wait until a key, or how far a long way has come, is seen."""
_LOOK_SECONDS = 0.5
"""How often a session that is running is looked at again."""


def watch(session: Opened, selection: Selection, pace: Pace, look: Look, state: PlayerState) -> None:
    """Play a session on the terminal until somebody quits; one that is running is followed.

    Raises StoreError for a record that is damaged.
    """
    reel = reel_of(session, selection)
    is_live = selection.last is None and session.status in WORKS
    playback = Playback(reel, pace, _duration(session), is_live=is_live)
    begin = replace(state, last=reel.last, speed=pace.speed or 1.0)
    with interruptible(), full_screen(forgiving(sys.stdout)) as terminal:
        RecordPlayer(terminal, session, reel, playback, look, begin).play(selection.first)
    if reel.trouble is not None:
        raise reel.trouble


def reel_of(session: Opened, selection: Selection) -> Reel:
    """Return a reel of what is asked for of a session; with types of events it shows only these."""
    last = session.row.events if selection.last is None else selection.last
    status = session.status if selection.last is None else None
    return Reel(session.records, last, selection.wants_type, status)


def _duration(session: Opened) -> float:
    began, ended = time_of(session.row.created_at), time_of(session.row.updated_at)
    return (ended - began).total_seconds() if began and ended else 0.0


class RecordPlayer:
    """Plays a reel on a terminal until somebody quits."""

    def __init__(
        self, terminal: FullScreen, session: Opened, reel: Reel, playback: Playback, look: Look, state: PlayerState
    ) -> None:
        self._terminal = terminal
        self._session = session
        self._looked = time.monotonic()
        self._reel = reel
        self._playback = playback
        self._look = look
        self._state = state

    def play(self, start: int) -> None:
        """Begin at an event. Raises StoreError where nothing can be read; what ends the record is told by the reel."""
        self._reel.read_on()
        if self._reel.trouble and not self._reel.seen:
            raise self._reel.trouble
        self._state = self._state.begun(start)
        now = time.monotonic()
        while not self._state.is_over:
            self._go()
            self._draw()
            keys = self._terminal.keys(self._patience())
            if keys is None:
                return
            before, now = now, time.monotonic()
            self._pass(now - before)
            self._look_again(now)
            for key in keys:
                self._state = self._state.key(key)
                self._go()

    def _pass(self, seconds: float) -> None:
        if not self._reel.is_whole:
            self._read_a_while()
        self._state = replace(self._state, last=self._reel.last)
        self._state = self._state.passed(seconds, self._playback.waits)
        if self._state.is_playing and self._playback.is_at_end(self._state.at) and not self._playback.is_live:
            self._state = self._state.ended()

    def _look_again(self, now: float) -> None:
        """Take up what a running session has done since; whoever plays and has seen all of it is shown that at once."""
        if not (self._playback.is_live and self._reel.is_whole) or now - self._looked < _LOOK_SECONDS:
            return
        follows = self._state.is_playing and self._playback.is_at_end(self._state.at)
        self._session, self._looked = self._session.again(), now
        if self._session.status not in WORKS:
            self._session = self._session.again()  # who wrote may have written until it was seen to be gone
        status = self._session.status
        self._playback.is_live, self._playback.total = status in WORKS, _duration(self._session)
        if self._reel.grow(self._session.row.events, status) and follows:
            self._state = self._state.begun(self._reel.last)

    def _read_a_while(self) -> None:
        until = time.monotonic() + _FRAME_SECONDS / 2
        while not self._reel.is_whole and time.monotonic() < until:
            self._reel.read_on()

    def _patience(self) -> float | None:
        if not self._reel.is_whole:
            return 0.0
        if self._playback.is_live and (not self._state.is_playing or self._playback.is_at_end(self._state.at)):
            return _LOOK_SECONDS
        return _FRAME_SECONDS if self._state.is_playing else None

    def _go(self) -> None:
        """Go the way to what is sought, as long as nobody presses a key."""
        seek, began = self._state.seeking, time.monotonic()
        place, is_there = (seek.origin, False) if seek else (None, True)
        while seek is not None and not is_there:
            place, is_there = self._reel.seek(seek, place or 0)
            if not is_there and time.monotonic() - began > _SLICE_SECONDS:
                began = time.monotonic()
                self._draw(self._share(place or 0))
                keys = self._terminal.keys(0)
                if keys is None or keys:
                    self._state = replace(self._state.abandoned(), is_over=keys is None or "q" in keys)
                    return
        if seek is not None:
            self._state = replace(self._state, last=self._reel.last).found(place)

    def _share(self, place: int) -> float:
        seek = self._state.seeking
        if seek is not None and not seek.forward:
            return 1 - place / max(1, seek.origin)
        return max(place, self._reel.seen) / max(1, self._reel.last)

    def _draw(self, share: float | None = None) -> None:
        self._look = resized(self._look, *self._terminal.measured())
        view = self._playback.view(self._state, self._look, share)
        self._terminal.draw(screen(self._state, view, self._look), self._look)
