"""Names are resolved once, every address is checked, and what was checked is dialled.

The names of public hosts may only lead to public addresses: whoever owns a name that is allowed, or
answers for it, could otherwise lead a session to this machine or its neighbours. One address that is
not public condemns the name, since nobody can say which one a client would have taken.
"""

import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Protocol, TypeAlias

from agentctl.network.base import Authority
from agentctl.network.hosts import Address, unmapped

RESOLVE_SECONDS = 10.0
CONNECT_SECONDS = 15.0
EACH_ADDRESS_SECONDS = 6.0
"""How long one address may take to answer while there are others."""

MOST_RESOLVING = 32
"""Names that are being resolved at one time; the system's resolver cannot be told to stop."""

_MOST_ADDRESSES = 64
_NAT64 = IPv6Network("64:ff9b::/96")
_NOT_PUBLIC = tuple(
    IPv6Network(network)
    for network in (
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
"""IPv6 that is not for everybody (IANA's registry of special-purpose addresses), also where Python does not know."""


class DialError(OSError):
    """The host cannot be reached; says why."""


class ForbiddenError(DialError):
    """The host may not be where its name leads; says where that is."""


class Resolver(Protocol):
    """Whoever knows where a name leads."""

    def addresses(self, name: str, timeout_seconds: float) -> Sequence[str]:
        """Return every address of a name, in the order in which they are best tried.

        Raises OSError where there is none, or no answer in time.
        """
        ...


class SystemResolver:
    """The resolver of this machine: its files, its DNS servers."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(MOST_RESOLVING)

    def addresses(self, name: str, timeout_seconds: float) -> Sequence[str]:
        """Ask the system, in a thread of its own. Raises OSError."""
        if not self._places.acquire(blocking=False):
            raise DialError("too many names are being resolved")
        answer: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()
        threading.Thread(target=self._ask, args=(name, answer), name="resolve", daemon=True).start()
        try:
            found = answer.get(timeout=timeout_seconds)
        except queue.Empty:
            raise DialError("its name could not be resolved in time") from None
        if isinstance(found, OSError):
            raise found
        return found

    def _ask(self, name: str, answer: "queue.SimpleQueue[list[str] | OSError]") -> None:
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            answer.put([str(entry[4][0]) for entry in found])
        except OSError as error:
            answer.put(error)
        except UnicodeError:  # the codec of the standard library, for a label it does not like
            answer.put(DialError("its name cannot be resolved"))
        finally:
            self._places.release()


Connect: TypeAlias = Callable[[Address, int, float], socket.socket]
"""Connects to an address and a port within some seconds. Raises OSError."""


class Dialler:
    """Connects to hosts, at addresses that were checked; ``connect`` does it."""

    def __init__(
        self,
        resolver: Resolver,
        connect: Connect | None = None,
        *,
        resolve_seconds: float = RESOLVE_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._resolver = resolver
        self._connect = connect or connect_now
        self._resolve_seconds = resolve_seconds
        self._connect_seconds = connect_seconds

    def addresses(self, authority: Authority, *, private: bool) -> list[Address]:
        """Resolve a host, once, and check every address unless it is ``private``.

        Raises ForbiddenError, and DialError for a name that leads nowhere.
        """
        found = _literal(authority.host) or self._resolved(authority.host)
        return found if private else [_checked(address) for address in found]

    def connect(self, addresses: Sequence[Address], port: int) -> tuple[socket.socket, str]:
        """Connect to the first address that answers; return the socket and the address. Raises DialError."""
        deadline = time.monotonic() + self._connect_seconds
        failure: OSError = DialError("there was no answer")
        for address in addresses:
            if (left := deadline - time.monotonic()) <= 0:
                break
            try:
                seconds = left if len(addresses) == 1 else min(left, EACH_ADDRESS_SECONDS)
                return self._connect(address, port, seconds), str(address)
            except OSError as error:
                failure = error
        raise DialError(f"it could not be reached: {_words(failure)}")

    def _resolved(self, name: str) -> list[Address]:
        try:
            texts = self._resolver.addresses(name, self._resolve_seconds)
            found = [unmapped(ip_address(text)) for text in dict.fromkeys(texts)]
        except DialError:
            raise
        except ValueError:
            raise DialError("its name leads to something that is no address") from None
        except OSError as error:
            raise DialError(f"its name could not be resolved: {_words(error)}") from None
        if not 0 < len(found) <= _MOST_ADDRESSES:
            raise DialError("its name leads to no address" if not found else "its name leads to too many addresses")
        return found


def _literal(host: str) -> list[Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        return []


def is_public(address: Address) -> bool:
    """Say whether an address is one that anybody can reach: of the global internet, for one machine."""
    plain = unmapped(address)
    if isinstance(plain, IPv4Address):
        return plain.is_global and not plain.is_multicast and not plain.is_reserved
    if any(plain in network for network in _NOT_PUBLIC) or plain.scope_id is not None:
        return False
    if (inner := _embedded(plain)) is not None:
        return is_public(inner)
    return plain.is_global and not plain.is_multicast and not plain.is_reserved


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to: by NAT64 (RFC 6052), 6to4 (RFC 3056), or of old."""
    if address in _NAT64 or int(address) < 1 << 32:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


def _checked(address: Address) -> Address:
    if not is_public(address):
        raise ForbiddenError(f"it leads to {address}, which is not a public address (private_hosts)")
    if _is_own(address):
        raise ForbiddenError(f"it leads to {address}, which is this machine (private_hosts)")
    return address


def _is_own(address: Address) -> bool:
    """Say whether an address is this machine's: what is sent there would come from there. Sends nothing."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:
            return False  # no way there: connecting will say so
        return bool(probe.getsockname()[0] == str(address))


def connect_now(address: Address, port: int, timeout_seconds: float) -> socket.socket:
    """Connect by TCP; never by way of another proxy, whatever the variables of this process say. Raises OSError."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.settimeout(timeout_seconds)
        made.connect((str(address), port))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        made.close()
        raise
    return made


def _words(error: OSError) -> str:
    return error.strerror or str(error) or "there was no answer"
