"""TLS over a connection, read by one thread while another one writes.

``ssl``'s own sockets cannot be used from two threads at a time, and know nothing of connections that
are no sockets; so encryption is done in memory, under a lock, and bytes move outside of it.
"""

import socket
import ssl
import threading
from contextlib import suppress

from agentctl.network.base import Connection

_PIECE = 64 * 1024


class TlsConnection:
    """One end of TLS. Raises TimeoutError and ConnectionError as connections do; ``ssl.SSLError`` is an OSError."""

    def __init__(
        self, raw: Connection, context: ssl.SSLContext, *, server_side: bool, server_name: str | None = None
    ) -> None:
        self._raw = raw
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._in, self._out, server_side=server_side, server_hostname=server_name)
        self._lock = threading.Lock()
        self._sending = threading.Lock()

    def handshake(self, timeout_seconds: float) -> None:
        """Agree on keys; the other side's certificate is verified as the context says. Raises OSError."""
        while True:
            try:
                self._ssl.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush(timeout_seconds)
                self._fill(timeout_seconds)
            except ssl.SSLError:
                with suppress(OSError):
                    self._flush(timeout_seconds)  # the alert that says why
                raise
        self._flush(timeout_seconds)

    def read(self, timeout_seconds: float) -> bytes:
        """Return what has come, waiting if nothing has; no bytes at the end."""
        while True:
            try:
                with self._lock:
                    data = self._ssl.read(_PIECE)
                    is_pending = self._out.pending > 0
                if is_pending:
                    self._flush(timeout_seconds)
                return data
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLWantReadError:
                self._flush(timeout_seconds)
                self._fill(timeout_seconds)

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """Write it all."""
        view = memoryview(data)
        for place in range(0, len(view), _PIECE):
            with self._sending:
                with self._lock:
                    self._ssl.write(view[place : place + _PIECE])
                    sealed = self._out.read()
                self._raw.write(sealed, timeout_seconds)

    def end(self) -> None:
        """Say that nothing more will be written."""
        with suppress(OSError):
            with self._lock, suppress(ssl.SSLError):
                self._ssl.unwrap()
            self._flush(1.0)
            self._raw.end()

    def close(self) -> None:
        """Close the connection below."""
        self._raw.close()

    def _fill(self, timeout_seconds: float) -> None:
        data = self._raw.read(timeout_seconds)
        with self._lock:
            if data:
                self._in.write(data)
            else:
                self._in.write_eof()

    def _flush(self, timeout_seconds: float) -> None:
        with self._sending:
            with self._lock:
                sealed = self._out.read()
            if sealed:
                self._raw.write(sealed, timeout_seconds)


class TlsClient(TlsConnection):
    """The client's end of TLS over a socket, to a server whose certificate is verified for its name.

    Raises OSError where that fails; the socket is closed then.
    """

    def __init__(
        self, opened: socket.socket, context: ssl.SSLContext, server_name: str, timeout_seconds: float
    ) -> None:
        self._socket = SocketConnection(opened)
        super().__init__(self._socket, context, server_side=False, server_name=server_name)
        try:
            self.handshake(timeout_seconds)
        except OSError:
            self.close()
            raise

    def is_stale(self) -> bool:
        """Say whether the server has ended it, or said something that nobody has asked for."""
        return self._in.pending > 0 or not self._socket.is_quiet()


class SocketConnection:
    """A socket as a connection, one thread of which may read while another writes."""

    def __init__(self, opened: socket.socket) -> None:
        self._read, self._write = opened, opened.dup()

    def read(self, timeout_seconds: float) -> bytes:
        """Return what has come; no bytes at the end. Raises TimeoutError, ConnectionError."""
        self._read.settimeout(timeout_seconds)
        return self._read.recv(_PIECE)

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """Write it all. Raises TimeoutError, ConnectionError."""
        self._write.settimeout(timeout_seconds)
        self._write.sendall(data)

    def end(self) -> None:
        """Say that nothing more will be written."""
        with suppress(OSError):
            self._write.shutdown(socket.SHUT_WR)

    def is_quiet(self) -> bool:
        """Say whether it is open, and nothing has come that was not read."""
        try:
            self._read.setblocking(False)
            self._read.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close both ways, waking whoever reads or writes."""
        with suppress(OSError):
            self._read.shutdown(socket.SHUT_RDWR)
        self._read.close()
        self._write.close()
