"""Channels: streams of bytes beside the messages, each no further ahead of its reader than its window.

The far end is not trusted. It sends no more than it may, on channels that are open, or it is an
error; so no sandbox fills the memory of this process, whatever it does and whoever does not read.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeAlias

from agentctl.network.base import Gateway, Taker
from agentctl.sandbox.inside.frames import (
    CONNECTIONS,
    CREDIT,
    END,
    MARK,
    MOST_CONNECTIONS,
    OPEN,
    RESET,
    WINDOW,
    FrameError,
    control,
    credit,
    frames_of,
)

_PIECE = 64 << 10

Send: TypeAlias = Callable[[Iterable[memoryview]], None]
"""Sends frames, waiting if it must. Raises ConnectionError when the sandbox is gone."""


class Channel:
    """One channel; what a gateway takes as a Connection, and what a file comes out of.

    ``only_reads`` is for a channel on which nothing is written.
    """

    def __init__(self, number: int, send: Send, forget: Callable[[int], None], *, only_reads: bool = False) -> None:
        self.number = number
        self._send, self._forget = send, forget
        self._changed = threading.Condition()
        self._arrived = bytearray()
        self._may_arrive = self._may_send = WINDOW
        self._taken = 0
        self._has_ended = self._was_reset = False
        self._is_ended = only_reads
        self._is_closed = False
        self._taker: Taker | None = None

    def read(self, timeout_seconds: float) -> bytes:
        """Return what has come, at most 256 KiB, waiting if nothing has; no bytes at the end.

        Raises TimeoutError, and ConnectionError for a channel that was reset or closed, or whose
        sandbox is gone.
        """
        with self._changed:
            if not self._changed.wait_for(self._may_read, timeout_seconds):
                raise TimeoutError("nothing came in time")
            if self._is_closed:
                raise ConnectionAbortedError("the connection was closed")
            if not self._arrived:
                if self._was_reset:
                    raise ConnectionResetError("the connection was reset")
                return b""
            data = bytes(self._arrived)
            self._arrived.clear()
            granted = self._grant(len(data))
        if granted:
            with contextlib.suppress(ConnectionError):  # whoever reads on is told
                self._send([credit(self.number, granted)])
        return data

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """Write it all, waiting while the program does not read. Raises TimeoutError, ConnectionError."""
        deadline = time.monotonic() + timeout_seconds
        left = memoryview(data)
        while left:
            piece = left[: self._room(min(len(left), _PIECE), deadline)]
            self._send(frames_of(self.number, piece))
            left = left[len(piece) :]

    def give(self, taker: Taker) -> None:
        """Give what has come and what comes to ``taker``, until it takes no more."""
        with self._changed:
            self._taker, arrived = taker, bytes(self._arrived)
            self._arrived.clear()
            self._offer(arrived)
            if self._is_closed or self._was_reset:
                self._stop_giving()

    def keep(self) -> None:
        """Give nothing more: what comes is read. Whoever took it is not told."""
        with self._changed:
            self._taker = None

    def end(self) -> None:
        """Say that nothing more will be written; reading goes on."""
        with self._changed:
            was_ended, self._is_ended = self._is_ended, True
            is_gone = self._has_ended
        if not was_ended:
            self._say(END, is_gone=is_gone)

    def close(self) -> None:
        """Close both ways, at once; may be called twice, never raises."""
        with self._changed:
            if self._is_closed:
                return
            needs_saying = not (self._is_ended and self._has_ended)
            self._is_closed = self._is_ended = True
            self._arrived.clear()
            self._stop_giving()
            self._changed.notify_all()
            is_gone = self._has_ended
        if needs_saying:
            self._say(RESET, is_gone=is_gone)

    def take(self, flags: int, payload: bytes) -> None:
        """Take a frame that came. Raises FrameError for one that must not come."""
        with self._changed:
            if flags in (0, END):
                self._take_bytes(payload, is_last=flags == END)
            elif flags == CREDIT:
                self._take_credit(payload)
            elif flags == RESET:
                self._has_ended = self._was_reset = True
                self._stop_giving()
            else:
                raise FrameError(f"a frame with flags {flags} on a channel")
            self._changed.notify_all()
            is_gone = self._has_ended and self._is_ended
        if is_gone:
            self._forget(self.number)

    def cut(self) -> None:
        """Let everybody know who waits that the sandbox is gone."""
        with self._changed:
            self._has_ended = self._was_reset = True
            self._stop_giving()
            self._changed.notify_all()

    def _may_read(self) -> bool:
        return bool(self._arrived) or self._has_ended or self._is_closed

    def _may_write(self) -> bool:
        return self._may_send > 0 or self._was_reset or self._is_ended

    def _room(self, wanted: int, deadline: float) -> int:
        """Wait for room to send, and take of it."""
        with self._changed:
            if not self._changed.wait_for(self._may_write, max(deadline - time.monotonic(), 0.0)):
                raise TimeoutError("the program did not read in time")
            if self._was_reset:
                raise ConnectionResetError("the connection was reset")
            if self._is_ended:
                raise BrokenPipeError("the connection was ended")
            room = min(wanted, self._may_send)
            self._may_send -= room
            return room

    def _grant(self, count: int) -> int:
        """Say how much more may come, now that so much was taken: nothing, until it is worth a frame."""
        self._taken += count
        if self._taken < WINDOW // 2 or self._has_ended:
            return 0
        granted, self._taken = self._taken, 0
        self._may_arrive += granted
        return granted

    def _take_bytes(self, payload: bytes, *, is_last: bool) -> None:
        if self._has_ended:
            raise FrameError("bytes after the end of a channel")
        self._may_arrive -= len(payload)
        if self._may_arrive < 0:
            raise FrameError("more bytes on a channel than it may carry")
        self._has_ended = is_last
        if not self._is_closed:
            self._offer(payload)

    def _offer(self, data: bytes) -> None:
        """Give bytes, and the end behind them, to whoever takes them; keep for a reader what is not taken."""
        if self._taker is not None and data:
            left = self._taker.take(data)
            self._taken += len(data) - len(left or b"")
            if left is not None:
                self._arrived += left
                self._stop_giving()
        else:
            self._arrived += data
        if self._taker is not None and self._has_ended and not self._was_reset:
            self._taker.take(b"")

    def _stop_giving(self) -> None:
        taker, self._taker = self._taker, None
        if taker is not None:
            taker.stopped()

    def _take_credit(self, payload: bytes) -> None:
        self._may_send += int.from_bytes(payload, "big")
        if len(payload) != 4 or self._may_send > WINDOW:
            raise FrameError("credit on a channel that nobody can have")

    def _say(self, flag: int, *, is_gone: bool) -> None:
        if is_gone:  # before the far end knows: it may open another in its place
            self._forget(self.number)
        with contextlib.suppress(ConnectionError):
            self._send([control(self.number, flag)])


class Channels:
    """The channels that are open: connections, which the far end opens, and files that are fetched."""

    def __init__(self, send: Send, gateway: Gateway | None) -> None:
        self._send = send
        self._gateway = gateway
        self._turn = threading.Lock()
        self._connections: dict[int, Channel] = {}
        self._files: dict[int, Channel] = {}
        self._newest = CONNECTIONS - 1

    def open_file(self, number: int) -> Channel:
        """Open a channel that a file will come on."""
        channel = self._files[number] = Channel(number, self._in_turn, self.forget, only_reads=True)
        return channel

    def forget(self, number: int) -> None:
        """Know a channel no longer."""
        (self._files if number < CONNECTIONS else self._connections).pop(number, None)

    def take(self, number: int, flags: int, payload: bytes) -> None:
        """Take a frame that came on a channel. Raises FrameError for one that must not come."""
        channel = (self._files if number < CONNECTIONS else self._connections).get(number)
        if channel is not None:
            channel.take(flags, payload)
        elif flags == OPEN:
            self._take_connection(number)
        elif flags not in (CREDIT, RESET) or self._newest < number:
            raise FrameError(f"a frame on channel {number}, which is not open")

    def cut(self) -> None:
        """Let everybody know who waits that the sandbox is gone."""
        for channel in [*self._connections.values(), *self._files.values()]:
            channel.cut()

    def _take_connection(self, number: int) -> None:
        if self._gateway is None or not self._newest < number < MARK:
            raise FrameError(f"a connection on channel {number}, which is not there to be opened")
        if len(self._connections) >= MOST_CONNECTIONS:
            raise FrameError(f"more than {MOST_CONNECTIONS} connections at a time")
        self._newest = number
        channel = self._connections[number] = Channel(number, self._in_turn, self.forget)
        self._gateway.take(channel)

    def _in_turn(self, frames: Iterable[memoryview]) -> None:
        """Send for one channel at a time: a message then waits for one of them, never for all."""
        with self._turn:
            self._send(frames)
