"""What a session asked of the network, host by host."""

from dataclasses import dataclass, field

from agentctl.canonical import JsonObject
from agentctl.events.base import Event
from agentctl.events.local import LocalEgress, LocalEgressStarted


@dataclass(slots=True)
class HostSum:
    """What came of the connections to one host and port: numbers of them, bytes, why some were refused, or failed."""

    allowed: int = 0
    refused: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    reasons: list[str] = field(default_factory=list)
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    schemes: list[str] = field(default_factory=list)


class EgressSums:
    """A fold over a log into what was asked of the network."""

    def __init__(self) -> None:
        self.hosts: dict[tuple[str, int], HostSum] = {}
        self._open: dict[str, LocalEgressStarted] = {}

    def add(self, event: Event) -> None:
        """Take one more event into account."""
        match event:
            case LocalEgressStarted():
                self._open[event.id] = event
            case LocalEgress():
                self._open.pop(event.started_id or "", None)
                self._add(event)
            case _:
                pass

    @property
    def unfinished(self) -> tuple[LocalEgressStarted, ...]:
        """The connections whose end is not in the record: they are open, or the process was killed."""
        return tuple(self._open.values())

    def total(self) -> HostSum:
        """Sum over all hosts."""
        every = HostSum()
        for host in self.hosts.values():
            every.allowed += host.allowed
            every.refused += host.refused
            every.bytes_sent += host.bytes_sent
            every.bytes_received += host.bytes_received
        every.allowed += len(self._open)
        return every

    def body(self) -> JsonObject | None:
        """Write it as JSON; None where nothing was asked."""
        if not self.hosts and not self._open:
            return None
        total = self.total()
        return {
            "allowed": total.allowed,
            "refused": total.refused,
            "unfinished": len(self._open),
            "bytes_sent": total.bytes_sent,
            "bytes_received": total.bytes_received,
            "hosts": [_body(host, port, found) for (host, port), found in self.hosts.items()],
        }

    def _add(self, event: LocalEgress) -> None:
        host = self.hosts.setdefault((event.host, event.port), HostSum())
        if event.allowed:
            host.allowed += 1
        else:
            host.refused += event.times or 1
        host.bytes_sent += event.bytes_sent
        host.bytes_received += event.bytes_received
        _note(host.schemes, event.scheme)
        for credential in event.credentials or ():
            _note(host.credentials, credential)
        if event.reason and not event.allowed:
            _note(host.reasons, event.reason)
        if event.reason and event.allowed:
            host.failed += 1
            _note(host.failures, event.reason)


def _note(known: list[str], new: str) -> None:
    if new not in known:
        known.append(new)


def _body(host: str, port: int, found: HostSum) -> JsonObject:
    return {
        "host": host,
        "port": port,
        "allowed": found.allowed,
        "refused": found.refused,
        "bytes_sent": found.bytes_sent,
        "bytes_received": found.bytes_received,
        "reasons": found.reasons,
        "credentials": found.credentials,
    }
