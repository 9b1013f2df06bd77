"""What a session may reach: a frozen value, made once from its environment, and a verdict for each question.

=============  =============================================================================
none           nothing
limited        ``allowed_hosts`` on port 443, with TLS, and on port 80 without where ``allow_http`` is
               written; the hosts of package indexes where they say; ``private_hosts``
unrestricted   every public host, on any port
learn          the same, to find out what is needed
=============  =============================================================================

Where a name may lead is said in ``network.dial``: only to public addresses, but for ``private_hosts``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from agentctl.definitions.environment import Networking
from agentctl.network.base import Authority
from agentctl.network.hosts import Host, authority_of, matches, read_host

Scheme: TypeAlias = Literal["https", "http"]
"""How it is asked for: a tunnel, or a request to be made in the program's place."""

HTTPS_PORT = 443
HTTP_PORT = 80


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may be reached, at public addresses only unless ``private``.

    ``strict``: what passes through a tunnel must be TLS, for this host by name.
    """

    private: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Denied:
    """It may not be reached: ``reason`` says which rule forbids it, in words that a model can act on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What one session may reach. Hosts are in their one spelling, patterns begin with ``*.``."""

    type: Literal["none", "limited", "unrestricted", "learn"]
    hosts: tuple[str, ...] = ()
    packages: frozenset[Authority] = frozenset()
    private: frozenset[Authority] = frozenset()
    allow_http: bool = False

    def verdict(self, host: Host, port: int, scheme: Scheme) -> Allowed | Denied:
        """Decide about one connection."""
        asked = Authority(host.text, port)
        if self.type == "none":
            return Denied("this session has no network")
        if asked in self.private:
            return Allowed(private=True)
        if self.type != "limited":
            return Allowed()
        if asked in self.packages:
            return Allowed(strict=True)
        return self._of_limited(host, port, scheme)

    def _of_limited(self, host: Host, port: int, scheme: Scheme) -> Allowed | Denied:
        if host.address is not None:
            return Denied("addresses cannot be reached, only hosts by name; private_hosts does not list this one")
        if not any(matches(pattern, host.text) for pattern in self.hosts):
            return Denied("it is not among the hosts that this session may reach (allowed_hosts)")
        if scheme == "https":
            return Allowed(strict=True) if port == HTTPS_PORT else Denied(_only_port(HTTPS_PORT, port))
        if not self.allow_http:
            return Denied("http:// is not allowed in this session (allow_http), use https://")
        return Allowed() if port == HTTP_PORT else Denied(_only_port(HTTP_PORT, port))


def rules_of(networking: Networking, package_hosts: Iterable[Authority] = ()) -> Rules:
    """Make the rules of an environment; ``package_hosts`` are those of ``allow_package_managers``."""
    return Rules(
        networking.type,
        tuple(_pattern(host) for host in networking.allowed_hosts),
        frozenset(package_hosts if networking.allow_package_managers else ()),
        frozenset(authority_of(host) for host in networking.private_hosts),
        networking.allow_http,
    )


def _pattern(host: str) -> str:
    star = "*." if host.startswith("*.") else ""
    return star + read_host(host.removeprefix("*.")).text


def _only_port(allowed: int, asked: int) -> str:
    return f"only its port {allowed} can be reached, not {asked}; private_hosts lists other ports"
