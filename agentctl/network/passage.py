"""Bytes are carried both ways, until both sides have ended, one is cut, or nothing passes any more."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

from agentctl.network.base import Connection, Giving
from agentctl.network.direct import Direct
from agentctl.network.workers import Workers

_PIECE = 128 * 1024


class Passage:
    """One connection of a sandbox, joined to a socket; ``carry`` works in two threads, ``cut`` ends it from any.

    ``carry_given`` works in one, and in a second where what the client sends cannot be passed on as it comes.
    """

    def __init__(
        self,
        client: Connection,
        upstream: socket.socket,
        idle_seconds: float,
        linger_seconds: float,
        workers: Workers,
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._idle_seconds = idle_seconds
        self._linger_seconds = linger_seconds
        self._workers = workers
        self._is_sending = False
        self._has_sent = threading.Event()
        self._last = time.monotonic()
        self._server_has_ended = False
        self._failure: Exception | None = None
        upstream.settimeout(idle_seconds)

    def carry(self, outward: Callable[[], Iterator[bytes]], *, tells_end: bool = True) -> None:
        """Carry what ``outward`` yields to the server, and what the server sends to the client, to their ends.

        ``tells_end``: the server is told where ``outward`` ends. Raises OSError for a side that was cut, and
        whatever ``outward`` raises.
        """
        self._workers.begin(lambda: self._send(outward, tells_end))
        self._receive()
        self._has_sent.wait()
        self._raise_failure()

    def carry_given(
        self,
        source: Giving,
        may_begin: Callable[[bytes], bool],
        count: Callable[[int], None],
        outward: Callable[[], Iterator[bytes]],
    ) -> None:
        """Carry as ``carry`` does, but what the client sends is given by ``source`` as it comes (``network.direct``).

        ``outward`` yields all of it, where ``may_begin`` does not let the beginning pass. Raises OSError for a side
        that was cut, and whatever ``outward`` raises.
        """

        def counted(length: int) -> None:
            count(length)
            self._last = time.monotonic()

        def rest() -> Iterator[bytes]:
            if direct.left:
                yield direct.left
            yield from self.rest() if direct.has_begun else outward()

        direct = Direct(self._upstream, may_begin, counted, lambda: self._begin_sending(rest))
        try:
            source.give(direct)
            self._receive()
            source.keep()
            if self._is_sending:
                self._has_sent.wait()
            elif not direct.has_ended:
                self._send(rest, tells_end=True)
        finally:
            source.keep()
            direct.close()
        self._raise_failure()

    def read(self) -> bytes:
        """Read from the client, however long that takes while something passes the other way. Raises OSError."""
        while True:
            try:
                data = self._client.read(min(self._idle_seconds, self._linger_seconds))
            except TimeoutError:
                if self._server_has_ended:
                    return b""
                self._left_seconds()
            else:
                self._last = time.monotonic()
                return data

    def rest(self) -> Iterator[bytes]:
        """Yield what the client sends, to its end. Raises OSError."""
        while data := self.read():
            yield data

    def cut(self) -> None:
        """End both ways at once."""
        with contextlib.suppress(OSError):
            self._upstream.shutdown(socket.SHUT_RDWR)
        self._client.close()

    def _receive(self) -> None:
        with self._cutting():
            while data := self._from_upstream():
                self._client.write(data, self._idle_seconds)
                self._last = time.monotonic()
            self._server_has_ended = True
            self._client.end()

    def _begin_sending(self, outward: Callable[[], Iterator[bytes]]) -> None:
        """Have a thread read what the client sends; called at most once, and by somebody who must not fail."""
        self._is_sending = True
        try:
            self._workers.begin(lambda: self._send(outward, tells_end=True))
        except RuntimeError as error:
            self._failure = self._failure or error
            self._has_sent.set()
            with contextlib.suppress(OSError):
                self._upstream.shutdown(socket.SHUT_RDWR)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _send(self, outward: Callable[[], Iterator[bytes]], tells_end: bool) -> None:
        try:
            with self._cutting():
                for piece in outward():
                    self._upstream.sendall(piece)
                    self._last = time.monotonic()
                if tells_end:
                    with contextlib.suppress(OSError):  # the server may have gone first
                        self._upstream.shutdown(socket.SHUT_WR)
        finally:
            self._has_sent.set()

    def _from_upstream(self) -> bytes:
        while True:
            try:
                return self._upstream.recv(_PIECE)
            except TimeoutError:
                self._wait_for_upstream()

    def _wait_for_upstream(self) -> None:
        """Wait until the server has sent more. Raises TimeoutError as soon as nothing has passed for too long."""
        poll = select.poll()
        try:
            poll.register(self._upstream, select.POLLIN)
        except ValueError:  # it was closed meanwhile, which reading it says
            return
        while not poll.poll(1000 * self._left_seconds()):
            pass

    def _left_seconds(self) -> float:
        """Say for how long nothing may pass yet. Raises TimeoutError."""
        left = self._last + self._idle_seconds - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"nothing has passed for {self._idle_seconds:g} s")
        return left

    @contextlib.contextmanager
    def _cutting(self) -> Iterator[None]:
        """What one direction raises cuts the other; the first of it is kept, for whoever waits for both."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again by carry
            self._failure = self._failure or error
            self.cut()
