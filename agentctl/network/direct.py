"""What a client sends is passed on by whoever brings it, as long as nobody has to wait for that.

Most of what goes through a tunnel is a hello and a short request, and to wake a thread for each takes longer than
to send it. Whatever is not so simple is left to be read by a thread of its own, which may wait: the beginning where
it is not a whole hello that may pass, what a limit forbids, what the server does not take at once, and all that
comes behind the first 64 KiB.
"""

import contextlib
import socket
from collections.abc import Callable

_MOST_BYTES = 64 << 10


class Direct:
    """Takes what a client sends, and sends it to ``upstream``.

    ``may_begin`` says whether what came first may pass; ``count`` counts bytes before they pass. What either raises
    is raised again where they are asked by the thread that reads. ``at_stop`` begins that thread.
    """

    def __init__(
        self,
        upstream: socket.socket,
        may_begin: Callable[[bytes], bool],
        count: Callable[[int], None],
        at_stop: Callable[[], None],
    ) -> None:
        self._upstream = upstream.dup()  # of which no call ever waits
        self._upstream.setblocking(False)
        self._may_begin = may_begin
        self._count = count
        self._at_stop = at_stop
        self._passed = 0
        self.has_begun = self.has_ended = False
        self.left = b""
        """What was counted, and not taken by the server."""

    def take(self, data: bytes) -> bytes | None:
        """Take what has come, no bytes at the end; returns what is to be read instead, and then no more is taken."""
        try:
            if not data:
                self.has_ended = True
                self._upstream.shutdown(socket.SHUT_WR)
                return None
            if self._passed + len(data) > _MOST_BYTES or not (self.has_begun or self._may_begin(data)):
                return data
            self._count(len(data))
        except Exception:  # noqa: BLE001 - the thread that reads comes to the same, and says so
            return data
        self.has_begun = True
        self._passed += len(data)
        self.left = data[self._sent(data) :]
        return b"" if self.left else None

    def stopped(self) -> None:
        """Hear that what comes is to be read from now on."""
        self._at_stop()

    def close(self) -> None:
        """Be done; nothing more may be given to it."""
        self._upstream.close()

    def _sent(self, data: bytes) -> int:
        with contextlib.suppress(OSError):  # what fails now fails again when it is sent by the thread that reads
            return self._upstream.send(data)
        return 0
