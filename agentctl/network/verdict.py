"""What is known of one connection while it is judged: where it may go, and what will be told of it."""

import time
from dataclasses import dataclass, field

from agentctl.canonical import JsonObject
from agentctl.network.answers import UNRECOGNIZED_NAME, alert
from agentctl.network.base import Authority
from agentctl.network.clienthello import Hello
from agentctl.network.hosts import Address, BadHostError, Host, read_host
from agentctl.network.rules import Allowed

UNREACHABLE = 502
"""The status that says: it may be reached, and could not be. Any other one is a refusal."""


class RefusedError(Exception):
    """The connection is not made: ``status`` and ``reason`` are the answer, ``answer`` what is sent in its place."""

    def __init__(self, status: int, reason: str, *, answer: bytes | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.answer = answer


def _without_user(host: str) -> str:
    """Leave out the name and the password that a program wrote before a host: they are no part of it, and secret."""
    return host.rpartition("@")[2]


@dataclass(slots=True)
class Facts:
    """What is known so far, in the members of ``local.egress``; ``begun`` is when it began, by ``time.monotonic``."""

    host: str = ""
    port: int = 0
    allowed: bool = False
    scheme: str = "tcp"
    reason: str | None = None
    address: str | None = None
    credentials: list[str] | None = None
    started_id: str | None = None
    begun: float = field(default_factory=time.monotonic)

    def refuse(self, refused: RefusedError) -> None:
        """Take why the connection was not made, or not kept."""
        self.reason = refused.reason
        self.allowed = self.allowed and refused.status == UNREACHABLE

    def as_json(self, sent: int, received: int) -> JsonObject:
        """Write it down, with the bytes that passed."""
        body: JsonObject = {
            "host": _without_user(self.host),
            "port": self.port,
            "allowed": self.allowed,
            "scheme": self.scheme,
            "duration_seconds": round(time.monotonic() - self.begun, 6),
            "bytes_sent": sent,
            "bytes_received": received,
        }
        others = {
            "reason": self.reason,
            "address": self.address,
            "credentials": self.credentials,
            "started_id": self.started_id,
        }
        return body | {name: value for name, value in others.items() if value is not None}


@dataclass(slots=True)
class Way:
    """A host that may be reached, and where it is."""

    host: Host
    authority: Authority
    allowed: Allowed
    addresses: list[Address] = field(default_factory=list)

    def check(self, hello: Hello) -> None:
        """Refuse a client that greets another server than the one that was allowed. Raises RefusedError."""
        if self.allowed.private or self.host.address is not None:
            return
        if hello.server_name is None and not self.allowed.strict:
            return
        if hello.server_name is None:
            raise _unnamed("its TLS does not say which server it is for (SNI)")
        if _canonical(hello.server_name) != self.host.text:
            raise _unnamed(f"its TLS is for another server, {hello.server_name} (SNI)")
        if hello.encrypted and self.allowed.strict:
            raise _unnamed("its TLS hides which server it is for (ECH)")


def _unnamed(reason: str) -> RefusedError:
    return RefusedError(403, reason, answer=alert(UNRECOGNIZED_NAME))


def _canonical(name: str) -> str | None:
    try:
        return read_host(name).text
    except BadHostError:
        return None
