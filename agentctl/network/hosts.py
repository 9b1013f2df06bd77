"""Hosts in one spelling, so that whatever is compared is what is dialled.

A name becomes lower case, ASCII (IDNA, UTS #46) and loses one trailing dot. Whatever a resolver might
take for an address is one: ``127.1``, ``0x7f.1``, ``2130706433`` and ``[::ffff:7f00:1]`` are 127.0.0.1.
As in the URL standard, a name whose last label is a number is an address or nothing.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TypeAlias

import idna

from agentctl.network.base import Authority

MOST_NAME = 253
"""Characters of a name (RFC 1035, 2.3.4, as text)."""

Address: TypeAlias = IPv4Address | IPv6Address

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[0-9]{1,5}")


class BadHostError(ValueError):
    """What was asked for is no host; says why."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host in its one spelling; ``address`` is None for a name."""

    text: str
    address: Address | None = None


def read_host(text: str) -> Host:
    """Read a host as a program wrote it, an IPv6 address in brackets. Raises BadHostError."""
    if text.startswith("["):
        return _bracketed(text)
    name = _ascii(text).removesuffix(".")
    if not name:
        raise BadHostError("there is no host")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        address = _inet_aton(labels)
        return Host(str(address), address)
    if len(name) > MOST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise BadHostError("it is not the name of a host")
    return Host(name)


def read_authority(text: str, default_port: int | None = None) -> tuple[str, int]:
    """Split ``host:port`` into the host as it was written and the port. Raises BadHostError.

    Nothing else may stand there: no user, no path.
    """
    host, colon, port = _split(text)
    if not host:
        raise BadHostError("there is no host")
    if not colon and default_port is not None:
        return host, default_port
    if not _PORT.fullmatch(port) or not 0 < int(port) < 65_536:
        raise BadHostError("there is no port between 1 and 65535")
    return host, int(port)


def authority_of(text: str) -> Authority:
    """Read ``host:port`` in its one spelling. Raises BadHostError."""
    host, port = read_authority(text)
    return Authority(read_host(host).text, port)


def matches(pattern: str, name: str) -> bool:
    """Compare label by label: ``*.x`` stands for every name below ``x``, and not for ``x``."""
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) and len(name) >= len(pattern)
    return name == pattern


def unmapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv4-mapped IPv6 address is."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _split(text: str) -> tuple[str, str, str]:
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        if rest and not rest.startswith(":"):
            raise BadHostError("it is not host:port")
        return host + bracket, rest[:1], rest[1:]
    host, colon, port = text.partition(":")
    return host, colon, port


def _bracketed(text: str) -> Host:
    inner = text[1:-1]
    if "%" in inner:
        raise BadHostError("it is an address with a zone, which only means something on one machine")
    try:
        address = unmapped(IPv6Address(inner if text.endswith("]") else ""))
    except AddressValueError:
        raise BadHostError("it is not an IPv6 address in brackets") from None
    return Host(str(address), address)


def _ascii(text: str) -> str:
    if len(text) > 4 * MOST_NAME:
        raise BadHostError("it is longer than a name can be")
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise BadHostError("it is not an internationalised name") from None


def _inet_aton(labels: list[str]) -> IPv4Address:
    """Read what inet_aton(3) reads: up to four parts, decimal, octal or hexadecimal, the last filling the rest."""
    try:
        parts = [_number(label) for label in labels]
    except ValueError:
        raise BadHostError("it is neither a name nor an address") from None
    *head, last = parts
    if len(parts) > 4 or any(part > 255 for part in head) or last >= 256 ** (5 - len(parts)):
        raise BadHostError("it is neither a name nor an address")
    return IPv4Address(sum(part << (24 - 8 * place) for place, part in enumerate(head)) + last)


def _number(label: str) -> int:
    if not _NUMBER.fullmatch(label) or len(label) > 16:
        raise ValueError(label)
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    return int(label, 8 if label.startswith("0") and len(label) > 1 else 10)
