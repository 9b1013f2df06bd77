"""Byte streams with deadlines: what the pipe to a sandbox is made of on this side."""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Protocol

_MOST_BUFFERS = 64
_MOST_READ = 1 << 18


class ByteStream(Protocol):
    """Bytes to and from a process somewhere. One thread reads; any may write."""

    def read(self, timeout_seconds: float) -> bytes:
        """Return what has come, waiting if nothing has; no bytes at the end. Raises TimeoutError."""
        ...

    def write(self, pieces: Iterable[memoryview], timeout_seconds: float) -> None:
        """Write all pieces, with nothing of another thread's between them. Raises TimeoutError, OSError."""
        ...

    def close(self) -> None:
        """Close both ways; may be called twice."""
        ...


class DescriptorStream:
    """A stream over descriptors, which it owns; they may be one and the same."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._closed = False
        self._writing_now = threading.Lock()
        for fd in (reading, writing):
            os.set_blocking(fd, False)

    def read(self, timeout_seconds: float) -> bytes:
        """Return what has come, waiting if nothing has; no bytes at the end. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_seconds
        while not self._closed:
            try:
                return os.read(self._reading, _MOST_READ)
            except BlockingIOError:
                _wait(self._reading, select.POLLIN, deadline)
            except ConnectionError:
                break
        return b""

    def write(self, pieces: Iterable[memoryview], timeout_seconds: float) -> None:
        """Write all pieces, with nothing of another thread's between them. Raises TimeoutError, OSError."""
        deadline = time.monotonic() + timeout_seconds
        left = deque(pieces)
        with self._writing_now:
            while left:
                if self._closed:
                    raise BrokenPipeError("the stream is closed")
                try:
                    written = os.writev(self._writing, [left[i] for i in range(min(len(left), _MOST_BUFFERS))])
                except BlockingIOError:
                    _wait(self._writing, select.POLLOUT, deadline)
                else:
                    _advance(left, written)

    def close(self) -> None:
        """Close both ways; may be called twice."""
        if not self._closed:
            self._closed = True
            for fd in {self._reading, self._writing}:
                os.close(fd)


def _wait(fd: int, events: int, deadline: float) -> None:
    left = deadline - time.monotonic()
    poll = select.poll()
    poll.register(fd, events)
    if left <= 0 or not poll.poll(left * 1000):
        raise TimeoutError


def _advance(left: deque[memoryview], written: int) -> None:
    while written:
        if written < len(left[0]):
            left[0] = left[0][written:]
            return
        written -= len(left.popleft())
