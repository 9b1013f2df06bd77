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
    """Bytes to and from a process somewhere. One thread reads; any may write, and any may close."""

    def read(self, timeout_seconds: float) -> bytes:
        """Return what has come, waiting if nothing has; no bytes at the end. Raises TimeoutError."""
        ...

    def write(self, pieces: Iterable[memoryview], timeout_seconds: float) -> None:
        """Write all pieces, with nothing of another thread's between them. Raises TimeoutError, OSError."""
        ...

    def close(self) -> None:
        """Close both ways, waking whoever reads or writes; may be called twice."""
        ...


class DescriptorStream:
    """A stream over descriptors, which it owns; they may be one and the same."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._awake, self._wake = os.pipe()
        self._closed = False
        self._reading_now, self._writing_now, self._closing_now = (threading.Lock() for _ in range(3))
        for fd in (reading, writing):
            os.set_blocking(fd, False)
        self._readable, self._writable = self._poll(reading, select.POLLIN), self._poll(writing, select.POLLOUT)

    def read(self, timeout_seconds: float) -> bytes:
        """Return what has come, waiting if nothing has; no bytes at the end. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_seconds
        with self._reading_now:
            while not self._closed:
                # Not tried before: mostly nothing more has come yet, and to find that out would keep whoever was
                # just given something from beginning with it.
                _wait(self._readable, deadline)
                try:
                    return os.read(self._reading, _MOST_READ)
                except BlockingIOError:
                    continue
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
                    _wait(self._writable, deadline)
                else:
                    _advance(left, written)

    def close(self) -> None:
        """Close both ways, waking whoever reads or writes; may be called twice."""
        with self._closing_now:
            if self._closed:
                return
            self._closed = True
            os.write(self._wake, b"!")
            with self._reading_now, self._writing_now:  # a number in use must not become another file's
                for fd in {self._reading, self._writing, self._awake, self._wake}:
                    os.close(fd)

    def _poll(self, fd: int, events: int) -> select.poll:
        poll = select.poll()
        poll.register(fd, events)
        poll.register(self._awake, select.POLLIN)
        return poll


def _wait(poll: select.poll, deadline: float) -> None:
    if not poll.poll(max(deadline - time.monotonic(), 0.0) * 1000):
        raise TimeoutError


def _advance(left: deque[memoryview], written: int) -> None:
    while written:
        if written < len(left[0]):
            left[0] = left[0][written:]
            return
        written -= len(left.popleft())
