"""Frames: how messages and bytes share one pipe. Both ends use this module.

A frame is four bytes of payload length (1 MiB at most), four of channel, one of flags, all
big-endian, and the payload. Channel 0 carries messages, JSON objects with a ``type``; one that is
longer than a frame goes in several, all but the last marked MORE. Every other channel carries the
bytes of one stream each way: files that are copied in, files that are fetched, and connections, which
the sandbox begins with a frame marked OPEN and numbers from CONNECTIONS on, each higher than the last.

The bytes of a channel come with frames of no flag or of END, which says that no more will come.
RESET says the same, and that what is under way the other way is of no use. A channel is gone when
both ends have said one of the two. What is fetched, and what a connection carries, goes no further
ahead of its reader than WINDOW; CREDIT, with four bytes of number, lets so many bytes more come.
Neither end ever waits with reading, so no channel holds up another, or a message.

Somebody who attaches anew does not know where frames begin: whoever was there before may have died
in the middle of one, and what was sent while nobody was attached is lost. So both ends have a mark,
a text of bytes that occurs nowhere else. The newcomer begins with it, and finds it at the end of a
frame of the channel MARK in what the other end sends.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 2
"""Of the conversation as a whole; told in ``hello`` and ``ready``."""

HEADER = struct.Struct(">IIB")
MOST_PAYLOAD = 1 << 20
MORE, END, OPEN, CREDIT, RESET = 1, 2, 4, 8, 16
MARK = 0xFFFFFFFF

WINDOW = 256 << 10
"""Bytes of a channel that may be on their way, or wait for their reader."""

CONNECTIONS = 1 << 31
"""The first number of a connection's channel."""

MOST_CONNECTIONS = 256
"""Connections at one time."""


class FrameError(ValueError):
    """What came is not a frame, or would be too long a message."""


def frames_of(channel: int, payload: bytes | memoryview, *, end: bool = False) -> Iterator[memoryview]:
    """Yield the bytes of the frames that carry ``payload``, without copying it."""
    view = memoryview(payload)
    for start in range(0, max(len(payload), 1), MOST_PAYLOAD):
        piece = view[start : start + MOST_PAYLOAD]
        last = start + MOST_PAYLOAD >= len(payload)
        yield memoryview(HEADER.pack(len(piece), channel, (END if end else 0) if last else MORE))
        if piece:
            yield piece


def control(channel: int, flag: int) -> memoryview:
    """Return a frame that says OPEN, END or RESET and carries nothing."""
    return memoryview(HEADER.pack(0, channel, flag))


def credit(channel: int, count: int) -> memoryview:
    """Return a frame that lets ``count`` bytes more come."""
    return memoryview(HEADER.pack(4, channel, CREDIT) + count.to_bytes(4, "big"))


class Decoder:
    """Takes bytes as they come and gives the frames that are whole, messages put together.

    Everything up to ``mark``, where there is one, is thrown away.
    """

    def __init__(self, most_message: int) -> None:
        self.most_message = most_message
        self.mark = b""
        self.buffer = bytearray()
        self.parts: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield channel, flags and payload of each frame that ``data`` completes. Raises FrameError."""
        searched = max(0, len(self.buffer) - len(self.mark))
        self.buffer += data
        if self.mark:
            self.skip_to_mark(searched)
        while len(self.buffer) >= HEADER.size:
            length, channel, flags = HEADER.unpack_from(self.buffer)
            if length > MOST_PAYLOAD:
                raise FrameError(f"a frame of {length} bytes")
            end = HEADER.size + length
            if len(self.buffer) < end:
                return
            payload = bytes(memoryview(self.buffer)[HEADER.size : end])
            del self.buffer[:end]
            if channel == 0:
                self.parts.append(payload)
                self.check_message()
                if flags & MORE:
                    continue
                payload, self.parts = b"".join(self.parts), []
            yield channel, flags, payload

    def skip_to_mark(self, searched: int) -> bool:
        """Throw away everything up to the mark, if it has come; say whether it has."""
        at = self.buffer.find(self.mark, searched)
        if at < 0:
            return False
        del self.buffer[: at + len(self.mark)]
        self.parts = []
        return True

    def check_message(self) -> None:
        """Refuse a message that grows without end."""
        if len(self.parts) * MOST_PAYLOAD > self.most_message and sum(map(len, self.parts)) > self.most_message:
            raise FrameError(f"a message of more than {self.most_message} bytes")
