"""Verdicts on connections become events at once, beside whatever else the session writes.

That a connection will be made is durable before it is made. How it ended is written by a thread of
its own, within a moment; what the store does not take waits, and as long as it waits nothing more
goes out.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from agentctl.canonical import JsonObject
from agentctl.errors import AgentctlError, StoreError
from agentctl.events.base import Event
from agentctl.events.local import LocalEgress, LocalEgressStarted
from agentctl.events.make import Maker
from agentctl.network.folding import Refusals
from agentctl.session.log import EventLog

FOLD_SECONDS = 10.0
"""How long refusals that are only counted wait to be told."""

GATHER_SECONDS = 0.03
"""How long the end of a connection waits for others, or for the next one to begin, to be written together."""

_MOST_WAITING = 10_000
_PAUSE_SECONDS = 1.0


class EgressLog:
    """Verdicts in the log of one session; opens the log when there is something to write."""

    def __init__(self, session_id: str, open_log: Callable[[], AbstractContextManager[EventLog]], make: Maker) -> None:
        self._session_id = session_id
        self._open_log = open_log
        self._make = make
        self._opened = contextlib.ExitStack()
        self._log: EventLog | None = None
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._waiting: list[Event] = []
        self._writes = 0
        self._refusals = Refusals()
        self._closed = threading.Event()
        self._is_released = False
        self._writer: threading.Thread | None = None

    def begun(self, asked: JsonObject) -> str:
        """Record that a connection will be made; return the event's id. Raises AgentctlError, and then it is not."""
        event = self._make(LocalEgressStarted, **asked)
        self._write(event)
        return event.id

    def ended(self, verdict: JsonObject) -> None:
        """Take what became of a connection; it is written within a moment."""
        with self._changed:
            told = verdict if verdict["allowed"] else self._refusals.take(verdict)
            if told is not None and len(self._waiting) < _MOST_WAITING:
                self._waiting.append(self._make(LocalEgress, **told))
            if self._writer is None and not self._closed.is_set():
                self._writer = self._started_writer()
            self._changed.notify_all()

    def flush(self) -> None:
        """Write what waits, refusals that were only counted too. The store's trouble is left to whoever writes next."""
        self._unfold()
        with contextlib.suppress(AgentctlError):
            self._write()

    def close(self) -> None:
        """Write what waits, and close the log; what is told later is lost. May be called twice, never raises."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()
        self.flush()
        with self._turn, contextlib.suppress(AgentctlError):
            self._log, self._is_released = None, True
            self._opened.close()

    def _write(self, *events: Event) -> None:
        """Append what waits, and ``events`` behind it: all or none. Raises AgentctlError."""
        with self._turn:
            with self._changed:
                waiting, self._waiting = self._waiting, []
            if not waiting and not events:
                return
            try:
                self._ready().append(self._session_id, [*waiting, *events])
            except BaseException:
                with self._changed:
                    self._waiting[:0] = waiting
                raise
            self._writes += 1

    def _ready(self) -> EventLog:
        if self._log is None and self._is_released:
            raise StoreError("the session's record is closed")
        if self._log is None:
            self._log = self._opened.enter_context(self._open_log())
        return self._log

    def _started_writer(self) -> threading.Thread | None:
        """Start to write; where this machine has no room for a thread, whoever tells something next tries again."""
        writer = threading.Thread(target=self._write_on, name="egress-log", daemon=True)
        try:
            writer.start()
        except RuntimeError:
            return None
        return writer

    def _write_on(self) -> None:
        due = time.monotonic() + FOLD_SECONDS
        while not self._closed.is_set():
            with self._changed:
                has_work = self._changed.wait_for(self._has_work, max(0.0, due - time.monotonic()))
            former = self._writes
            if has_work:
                self._closed.wait(GATHER_SECONDS)  # which no connection that ends meanwhile disturbs
            if time.monotonic() >= due:
                self._unfold()
                due = time.monotonic() + FOLD_SECONDS
            elif self._writes != former:
                continue  # what waits now came behind what was written, and has not waited so long
            try:
                self._write()
            except AgentctlError:
                self._closed.wait(_PAUSE_SECONDS)

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._closed.is_set()

    def _unfold(self) -> None:
        with self._changed:
            self._waiting += [self._make(LocalEgress, **folded) for folded in self._refusals.drain()]
