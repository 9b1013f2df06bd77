"""The pipe to the harness: frames in and frames out, never blocking."""

from __future__ import annotations

import os
import select
from collections import deque

from agentctl.sandbox.inside.frames import END, HEADER, MARK, Decoder, frames_of
from agentctl.sandbox.inside.loop import read_some
from agentctl.sandbox.inside.outcome import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agentctl.sandbox.inside.loop import Loop
    from agentctl.sandbox.inside.outcome import Message

_MOST_MESSAGE = 256 << 20
_PIECE = 256 << 10


class Pipe:
    """Two descriptors, what is to be written to one, and who takes what is read from the other."""

    def __init__(
        self,
        loop: Loop,
        arriving: int,
        leaving: int,
        take: Callable[[int, int, bytes], None],
        at_end: Callable[[], None],
    ) -> None:
        self.loop, self.arriving, self.leaving = loop, arriving, leaving
        self.take, self.at_end = take, at_end
        self.decoder = Decoder(_MOST_MESSAGE)
        self.unsent: deque[memoryview] = deque()
        self.streams: deque[list[int]] = deque()
        self.ended = False
        os.set_blocking(arriving, False)
        os.set_blocking(leaving, False)
        self.listen()

    def listen(self) -> None:
        """Take frames as they come."""
        if not self.ended:
            self.loop.watch(self.arriving, self.receive)

    def pause(self) -> None:
        """Take no frames for a while."""
        self.loop.forget(self.arriving)

    def receive(self) -> None:
        """Read what has come and hand on the frames that are whole."""
        data = read_some(self.arriving, 1 << 18)
        if data:
            for channel, flags, payload in self.decoder.feed(data):
                self.take(channel, flags, payload)
        elif data == b"":
            self.pause()
            self.ended = True
            self.at_end()

    def say(self, message: Message) -> None:
        """Send a message."""
        self.send(encode(message))

    def send(self, message: bytes) -> None:
        """Send a message that is already written."""
        self.unsent.extend(frames_of(0, message))
        self.flush()

    def stream(self, channel: int, fd: int, size: int) -> None:
        """Send the first ``size`` bytes of a file, piece by piece as the harness takes it, and close it."""
        self.streams.append([channel, fd, size])
        self.flush()

    def flush(self) -> None:
        """Write as much as is taken now, and the rest when it is."""
        while self.unsent or self.refill():
            try:
                written = os.writev(self.leaving, [self.unsent[i] for i in range(min(64, len(self.unsent)))])
            except BlockingIOError:
                self.loop.watch(self.leaving, self.flush, select.POLLOUT)
                return
            except OSError:  # nobody reads: results are kept, and silence will end us
                self.drop_unsent()
                return
            self.advance(written)
        self.loop.forget(self.leaving)

    def advance(self, written: int) -> None:
        """Take ``written`` bytes off the queue."""
        while written:
            first = self.unsent[0]
            if written < len(first):
                self.unsent[0] = first[written:]
                return
            written -= len(first)
            self.unsent.popleft()

    def refill(self) -> bool:
        """Queue the next piece of a file that is being sent; say whether there was one."""
        if not self.streams:
            return False
        channel, fd, left = self.streams[0]
        piece = read_some(fd, min(_PIECE, left)) or b""
        self.streams[0][2] -= len(piece)
        if not piece:
            os.close(fd)
            self.streams.popleft()
        self.unsent.append(memoryview(HEADER.pack(len(piece), channel, 0 if piece else END) + piece))
        return True

    def send_mark(self, mark: bytes) -> None:
        """Show somebody who attached anew where a frame begins."""
        self.unsent.extend(frames_of(MARK, mark))

    def drop_unsent(self) -> None:
        """Forget what was to be sent."""
        self.unsent.clear()
        while self.streams:
            os.close(self.streams.popleft()[1])
        self.loop.forget(self.leaving)
