"""The story on a terminal: colours, text as it is typed, and a line at the bottom that says what is going on."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from agentctl.events.base import Event
from agentctl.events.preview import Preview
from agentctl.events.span import SpanModelRequestStart
from agentctl.ids import Clock, SystemClock, time_of, timestamp
from agentctl.render.layout import Layout, tokens_in
from agentctl.render.lines import EMPTY, Line, Span, shown
from agentctl.render.look import Look
from agentctl.render.numbers import count, duration, money
from agentctl.render.screen import Screen
from agentctl.render.story import CallBegan, Cut, Item, Said, Thought
from agentctl.render.teller import Teller
from agentctl.render.typing import Typing
from agentctl.session.log import Record
from agentctl.session.state import OpenCall

_BEAT_SECONDS = 0.125
_SHOWS_SECONDS_FROM = 1.0
_MOST_CALLS = 6


class TerminalRenderer(Teller):
    """Draws what stays, and below it what moves.

    ``clock`` is the time of what is shown: the machine's for a session that runs, the recorded one
    for a session that is played. Without ``lively`` nothing moves. ``measure`` tells the terminal's
    columns and rows, which may change.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        look: Look,
        measure: Callable[[], tuple[int, int]],
        clock: Clock | None = None,
        *,
        lively: bool = True,
        full: bool = False,
    ) -> None:
        super().__init__(look, full=full)
        self._look = look
        self._full = full
        self._clock = clock or SystemClock()
        self._lively = lively
        self._screen = Screen(write, look, measure)
        self._typing: Typing | None = None
        self._typed: list[Typing] = []
        self._doing: str | None = None
        self._prepared = (-1, 0)
        self._beats = 0
        self._heart: threading.Thread | None = None
        self._stopped = threading.Event()

    def record(self, record: Record) -> None:
        """Draw what an event tells."""
        with self.lock:
            self._hear(record.event)
            super().record(record)
            self._draw()

    def preview(self, preview: Preview) -> None:
        """Draw a piece of text that is being typed."""
        with self.lock:
            self._resize()
            if preview.kind == "tool_input":
                self._end_typing()
                self._prepare(preview)
            else:
                self._type(preview)
            self._draw()

    def progress(self, line: str) -> None:
        """Show what a preparation is doing, until something else happens."""
        with self.lock:
            self._doing = line
            self._draw()

    def pause(self) -> None:
        """Take everything that moves off the screen, until there is more to show."""
        with self.lock:
            self._end_typing()
            super().pause()
            self._stop()
            self._screen.clear()

    def finish(self, status: str | None = None, *, whole: bool = True) -> None:
        """Draw what was held back and how it ended, and leave."""
        with self.lock:
            super().finish(status, whole=whole)
            self.close()

    def close(self) -> None:
        """Leave the screen with nothing on it that moves, and nothing lost of what was typed or called."""
        self._stop()
        with self.lock:
            self._end_typing()
            self.settle(self._untold)
            self._screen.clear()

    def tick(self) -> None:
        """Draw what moves as it is now."""
        with self.lock:
            self._beats += 1
            self._resize()
            self._draw()

    def tell(self, item: Item) -> None:
        """Show one item; text that was typed already is not shown again."""
        if isinstance(item, Said | Thought) and self._was_typed(item):
            self._told = item
        elif isinstance(item, Cut):
            self._tell_cut(item)
        else:
            self._end_typing()
            super().tell(item)

    def put(self, lines: Sequence[Line]) -> None:
        """Write lines that stay."""
        self._screen.show(lines, ())

    def _hear(self, event: Event) -> None:
        self._resize()
        self._doing = None
        if isinstance(event, SpanModelRequestStart):
            self._typed, self._prepared = [], (-1, 0)

    def _resize(self) -> None:
        columns, rows = self._screen.measured()
        if (columns, rows) != (self._look.columns, self._look.rows):
            self._look = replace(self._look, columns=columns, rows=rows)
            self.layout = Layout(self._look, self._full)

    def _type(self, preview: Preview) -> None:
        self._doing = "thinking" if preview.kind == "thinking" else "writing"
        if self._typing is None or not self._typing.takes(preview):
            self._end_typing()
            self._typing = Typing(preview, self.layout)
            self._typed.append(self._typing)
        typing = self._typing
        typing.layout = self.layout
        had_begun = typing.has_begun
        lines = typing.add(preview)
        if lines:
            self.put([*([] if had_begun else self._space_before_text()), *lines])

    def _prepare(self, preview: Preview) -> None:
        """Count what is typed of a call; it is shown when it is whole."""
        index, length = self._prepared
        self._prepared = (preview.index, len(preview.text) + (length if preview.index == index else 0))
        self._doing = f"preparing {preview.name or 'a call'} ({count(self._prepared[1])} characters)"

    def _end_typing(self) -> None:
        typing, self._typing = self._typing, None
        if typing is None:
            return
        had_begun = typing.has_begun
        lines = typing.end()
        if lines:
            self.put([*([] if had_begun else self._space_before_text()), *lines])
        if typing.has_begun:
            self._told = Thought("") if typing.is_thought else Said("agent", "")

    def _space_before_text(self) -> list[Line]:
        return self.space_before(Said("agent", ""))

    def _was_typed(self, item: Said | Thought) -> bool:
        same = [typing for typing in self._typed if typing.is_all_of(item)]
        if same:
            self._typed.remove(same[0])
            self._end_typing()
        return bool(same)

    def _tell_cut(self, item: Cut) -> None:
        was_typed = any(typing.has_begun or typing.row() for typing in self._typed)
        self._end_typing()
        self._typed = []
        if was_typed:
            self.say(item, self.layout.lines(item))

    def _draw(self) -> None:
        if not self._lively:
            return
        moving = self._moving()
        self._screen.show((), moving)
        if moving and self._heart is None:
            self._stopped = threading.Event()
            self._heart = threading.Thread(target=self._beat, args=(self._stopped,), name="status-line", daemon=True)
            self._heart.start()

    def _beat(self, stopped: threading.Event) -> None:
        while not stopped.wait(_BEAT_SECONDS):
            with self.lock:
                if not stopped.is_set():
                    self.tick()

    def _stop(self) -> None:
        self._stopped.set()
        self._heart = None

    def _moving(self) -> list[Line]:
        doing = self._activity()
        if not doing:
            return []
        typing = self._typing
        row = typing.row() if typing else []
        space = self._space_before_text() if typing and row and not typing.has_begun else []
        calls = self.under_way[-_MOST_CALLS:]
        if calls:
            space += self.space_before(CallBegan(calls[0]))
        return [*space, *row, *map(self._running, calls), EMPTY, self._status(doing)]

    def _running(self, call: OpenCall) -> Line:
        began = time_of(self.story.began_at.get(call.id))
        seconds = (self._clock.now() - began).total_seconds() if began else 0.0
        told = duration(seconds) if seconds >= _SHOWS_SECONDS_FROM else ""
        return self.layout.call(call, "accent", told, mark=self._spinner())

    def _activity(self) -> str:
        if self._doing is not None:
            return self._doing
        state = self.story.state
        running = [call for call in state.calls if call.started]
        if state.status == "rescheduling":
            return self._wait(time_of(state.retry_at))
        if state.status != "running":
            return ""
        if running:
            return f"running {running[0].name}" if len(running) == 1 else f"running {len(running)} calls"
        if any(not call.waits for call in state.calls):
            return "waiting for the sandbox"
        return "waiting for the model" if state.open_request else "working"

    def _wait(self, until: datetime | None) -> str:
        left = (until - self._clock.now()).total_seconds() if until else 0.0
        return f"trying again in {duration(left)}" if left > 0 else "trying again"

    def _status(self, doing: str) -> Line:
        usage = self.story.result.usage.until(timestamp(self._clock.now()))
        parts = [doing, duration(usage.active_seconds)] if usage.running_since else [doing]
        if usage.requests:
            parts += [money(usage.cost), f"{count(tokens_in(usage) + usage.output_tokens)} tokens"]
        text = f" {self._look.symbols.dot} ".join(shown(part, self._look) for part in parts)
        return (Span(self._spinner() + " ", "accent"), Span(text, "dim"))

    def _spinner(self) -> str:
        frames = self._look.symbols.spinner
        return frames[self._beats % len(frames)]
