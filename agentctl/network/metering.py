"""How much a session may send and receive: every byte that passes is counted, and stopped at a limit."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from agentctl.network.base import Connection

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of a gateway.

    ``connections`` hold at one time, ``all_connections`` in a session. A request's head, and a client's
    hello, must be there within ``head_seconds``; nothing may pass for ``idle_seconds``, or
    ``linger_seconds`` once the server has ended. ``connection_bytes`` and ``session_bytes`` count both
    ways, ``sent_bytes`` what is sent to one host in a session.
    """

    connections: int = 256
    all_connections: int = 100_000
    head_seconds: float = 20.0
    idle_seconds: float = 600.0
    linger_seconds: float = 30.0
    connection_bytes: int = 16 * _GIB
    session_bytes: int = 128 * _GIB
    sent_bytes: int = 2 * _GIB


class CapError(ConnectionError):
    """A limit on bytes was met; says which."""


@dataclass(slots=True)
class Totals:
    """What has passed in a session; any thread may add to it."""

    caps: Caps
    _connections: int = 0
    _passed: int = 0
    _sent: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Count a connection. Raises CapError for one too many."""
        with self._lock:
            if self._connections >= self.caps.all_connections:
                raise CapError(f"the session has made its limit of {self.caps.all_connections:,} connections")
            self._connections += 1

    def add(self, host: str, sent: int, received: int) -> None:
        """Count before it passes. Raises CapError for what would be too much."""
        with self._lock:
            if self._passed + sent + received > self.caps.session_bytes:
                raise CapError(f"the session has passed its limit of {self.caps.session_bytes:,} bytes")
            if self._sent[host] + sent > self.caps.sent_bytes:
                raise CapError(f"the session has sent this host its limit of {self.caps.sent_bytes:,} bytes")
            self._passed += sent + received
            self._sent[host] += sent


class Metered:
    """A connection whose bytes are counted against the limits."""

    def __init__(self, inner: Connection, host: str, totals: Totals) -> None:
        self._inner = inner
        self._host = host
        self._totals = totals
        self._sent = 0
        self._received = 0
        self._lock = threading.Lock()

    @property
    def passed(self) -> tuple[int, int]:
        """The bytes that were sent, and those that were received."""
        return self._sent, self._received

    def read(self, timeout_seconds: float) -> bytes:
        """As ``Connection.read``. Raises CapError for more than may be sent."""
        data = self._inner.read(timeout_seconds)
        self.count(sent=len(data))
        return data

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """As ``Connection.write``. Raises CapError for more than may be received."""
        self.count(received=len(data))
        self._inner.write(data, timeout_seconds)

    def end(self) -> None:
        """As ``Connection.end``."""
        self._inner.end()

    def close(self) -> None:
        """As ``Connection.close``."""
        self._inner.close()

    def count(self, sent: int = 0, received: int = 0) -> None:
        """Count bytes. Raises CapError."""
        most = self._totals.caps.connection_bytes
        with self._lock:  # both ways are counted, each by a thread of its own
            if self._sent + self._received + sent + received > most:
                raise CapError(f"the connection has passed its limit of {most:,} bytes")
            self._totals.add(self._host, sent, received)
            self._sent += sent
            self._received += received


class Again:
    """A connection whose first bytes, which were read already, are read again."""

    def __init__(self, inner: Connection, before: bytes) -> None:
        self._inner = inner
        self._before = before

    def read(self, timeout_seconds: float) -> bytes:
        """As ``Connection.read``."""
        before, self._before = self._before, b""
        return before or self._inner.read(timeout_seconds)

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """As ``Connection.write``."""
        self._inner.write(data, timeout_seconds)

    def end(self) -> None:
        """As ``Connection.end``."""
        self._inner.end()

    def close(self) -> None:
        """As ``Connection.close``."""
        self._inner.close()
