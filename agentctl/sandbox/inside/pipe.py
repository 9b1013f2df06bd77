"""The pipe to the harness: frames in and frames out, never blocking."""

from __future__ import annotations

import os
import select
from collections import deque

from agentctl.sandbox.inside.frames import MARK, Decoder, frames_of
from agentctl.sandbox.inside.loop import read_some
from agentctl.sandbox.inside.outcome import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from agentctl.sandbox.inside.loop import Loop
    from agentctl.sandbox.inside.outcome import Message

    class Source(Protocol):
        """Somebody who has bytes of a channel to send."""

        def fill(self, unsent: deque[memoryview]) -> bool:
            """Queue frames with one piece, if there is one; say whether there may be more at once."""


PIECE = 64 << 10
"""How much a source sends when it is its turn."""

_MOST_MESSAGE = 256 << 20
_AT_ONCE = 8


class Pipe:
    """Two descriptors, what is to be written to one, and who takes what is read from the other.

    Messages are written first, then a piece of each source in turn. So no message waits for more
    than one piece, and no source for more than one of each other.
    """

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
        self.sources: deque[Source] = deque()
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
            if self.unsent or self.sources:
                self.flush()
        elif data == b"":
            self.pause()
            self.ended = True
            self.at_end()

    def say(self, message: Message) -> None:
        """Send a message."""
        self.send(encode(message))

    def reply(self, message: Message, **answer: Any) -> None:
        """Answer a request."""
        self.say({"type": "reply", "request": message["request"], **answer})

    def send(self, message: bytes) -> None:
        """Send a message that is already written."""
        self.unsent.extend(frames_of(0, message))
        self.flush()

    def tell(self, frame: memoryview) -> None:
        """Send a frame that says something about a channel, with the next flush."""
        self.unsent.append(frame)

    def serve(self, source: Source) -> None:
        """Give a source its turn, again and again while it has more, from the next flush on."""
        self.sources.append(source)

    def flush(self) -> None:
        """Write as much as is taken now, within measure, and the rest when it is."""
        for _ in range(_AT_ONCE):
            if not self.unsent and not self.refill():
                self.loop.forget(self.leaving)
                return
            try:
                written = os.writev(self.leaving, [self.unsent[i] for i in range(min(64, len(self.unsent)))])
            except BlockingIOError:
                break
            except OSError:  # nobody reads: results are kept, and silence will end us
                self.drop_unsent()
                return
            self.advance(written)
        self.loop.watch(self.leaving, self.flush, select.POLLOUT)

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
        """Queue a piece of the source whose turn it is; say whether there was one."""
        while self.sources and not self.unsent:
            source = self.sources.popleft()
            if source.fill(self.unsent):
                self.sources.append(source)
        return bool(self.unsent)

    def send_mark(self, mark: bytes) -> None:
        """Show somebody who attached anew where a frame begins."""
        self.unsent.extend(frames_of(MARK, mark))

    def drop_unsent(self) -> None:
        """Forget what was to be sent."""
        self.unsent.clear()
        self.sources.clear()
        self.loop.forget(self.leaving)
