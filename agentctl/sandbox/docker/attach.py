"""The streams of a container, as the daemon gives them to one who attaches."""

import os
import socket
import time
from collections.abc import Iterable, Iterator

from docker.api import APIClient

from agentctl.errors import SandboxError
from agentctl.sandbox.pipe.streams import DescriptorStream
from agentctl.visible import visible_line

_STDERR, _MOST_SAID = 2, 4_096


class AttachStream:
    """The streams of a container, attached: its standard output is read, its standard error kept aside."""

    def __init__(self, client: APIClient, container: str) -> None:
        raw = client.attach_socket(container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 0})
        plain = getattr(raw, "_sock", None)
        if not isinstance(plain, socket.socket) or type(plain) is not socket.socket:
            raw.close()
            raise SandboxError(
                "agentctl reaches a Docker daemon through a local socket or plain TCP only",
                hint="set DOCKER_HOST to unix:// and the path of the daemon's socket",
            )
        fd = os.dup(plain.fileno())
        raw.close()
        plain.close()
        self._bytes = DescriptorStream(fd, fd)
        self._header = bytearray()
        self._kind = self._left = 0
        self._said = bytearray()

    def read(self, timeout_seconds: float) -> bytes:
        """Return what came on standard output; no bytes at the end. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            data = self._bytes.read(max(deadline - time.monotonic(), 0.0))
            if not data:
                return b""
            output = b"".join(self._parts(data))
            if output:
                return output

    def write(self, pieces: Iterable[memoryview], timeout_seconds: float) -> None:
        """Write to standard input. Raises TimeoutError, OSError."""
        self._bytes.write(pieces, timeout_seconds)

    def close(self) -> None:
        """Close both ways; may be called twice."""
        self._bytes.close()

    def said(self) -> str:
        """Return the end of what came on standard error, on one line."""
        return visible_line(self._said.decode("utf-8", "backslashreplace").strip())[-500:]

    def _parts(self, data: bytes) -> Iterator[bytes]:
        """Take Docker's frames apart: one byte that names the stream, three of nothing, four of length."""
        at = 0
        while at < len(data):
            if not self._left:
                taken = data[at : at + 8 - len(self._header)]
                self._header += taken
                at += len(taken)
                if len(self._header) == 8:
                    self._kind, self._left = self._header[0], int.from_bytes(self._header[4:], "big")
                    self._header.clear()
                continue
            part = data[at : at + self._left]
            at += len(part)
            self._left -= len(part)
            if self._kind == _STDERR:
                self._said += part
                del self._said[:-_MOST_SAID]
            else:
                yield part
