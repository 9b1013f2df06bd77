"""What a sandbox and its way out ask of each other.

Nothing inside a sandbox has a network. A program there connects to a proxy on its own loopback; the
bytes cross the pipe and come out here as a Connection, which a Gateway takes.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from agentctl.canonical import JsonObject


class Connection(Protocol):
    """One connection that a program in a sandbox has opened to the proxy; one thread reads, one writes."""

    def read(self, timeout_seconds: float) -> bytes:
        """Return what has come, at most 256 KiB, waiting if nothing has; no bytes at the end.

        Raises TimeoutError, and ConnectionError for a connection that was reset or a sandbox that is gone.
        """
        ...

    def write(self, data: bytes, timeout_seconds: float) -> None:
        """Write it all, waiting while the program does not read. Raises TimeoutError, ConnectionError."""
        ...

    def end(self) -> None:
        """Say that nothing more will be written; reading goes on."""
        ...

    def close(self) -> None:
        """Close both ways, at once; may be called twice, never raises."""
        ...


class Taker(Protocol):
    """Whoever takes what comes on a connection at once; never waits and never raises."""

    def take(self, data: bytes) -> bytes | None:
        """Take what has come, no bytes at the end; returns what is to be read instead, and then no more is taken."""
        ...

    def stopped(self) -> None:
        """Hear that what comes is to be read from now on: something was not taken, or the connection is cut."""
        ...


@runtime_checkable
class Giving(Connection, Protocol):
    """A connection that gives what comes to who takes it, in the thread that brings it, so nobody waits to read."""

    def give(self, taker: Taker) -> None:
        """Give what has come and what comes to ``taker``, until it takes no more."""
        ...

    def keep(self) -> None:
        """Give nothing more: what comes is read. Whoever took it is not told."""
        ...


class Gateway(Protocol):
    """Whoever takes the connections of one session."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that programs in the sandbox need: the proxy's, and placeholders of credentials."""
        ...

    @property
    def authorities(self) -> bytes | None:
        """Certificate authorities (PEM) that the sandbox has to trust beside its own, if there are any."""
        ...

    def take(self, connection: Connection) -> None:
        """Take a connection over; returns at once and never raises."""
        ...

    def close(self) -> None:
        """Cut every connection and take no more; may be called twice, never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Authority:
    """A host in its one spelling (lower case, ASCII, no trailing dot; addresses without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Dial: TypeAlias = Callable[[], socket.socket]
"""Connects to the host that was allowed, at an address that was checked. Raises OSError; may be called again."""


@dataclass(frozen=True, slots=True)
class Served:
    """What became of an intercepted connection: names of the credentials that were put in, and what went wrong."""

    credentials: Sequence[str] = ()
    reason: str | None = None


class Interceptor(Protocol):
    """Whoever stands in for hosts that a credential is for, and speaks TLS with both sides.

    It is asked after the rules have allowed the host and the name in the client's hello was found to
    be the host's. Bytes and time are counted and limited by the gateway.
    """

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that programs in the sandbox need: placeholders of credentials."""
        ...

    @property
    def authorities(self) -> bytes | None:
        """The certificate authority (PEM) that stands behind the certificates it shows."""
        ...

    def wants(self, authority: Authority) -> bool:
        """Say whether a credential is for that host, so that its connections are to be served."""
        ...

    def serve(self, client: Connection, authority: Authority, dial: Dial) -> Served:
        """Serve one connection to its end; ``client.read`` begins with the client's hello.

        The gateway closes ``client`` afterwards; sockets that were dialled are closed here. Whatever
        is raised cuts the connection.
        """
        ...


PROXY_PORT = 3128
"""Where the proxy listens on the loopback inside a sandbox."""


class Verdicts(Protocol):
    """Whoever is told what was decided; called from threads of the gateway."""

    def begun(self, asked: JsonObject) -> str:
        """Record that a connection is allowed and about to be made, in the members of ``local.egress_started``.

        Returns what names it. Raises AgentctlError where that cannot be recorded: then it is not made.
        """
        ...

    def ended(self, verdict: JsonObject) -> None:
        """Take what was decided and what became of it, in the members of ``local.egress``; never waits or raises."""
        ...
