"""The head of a request to the proxy, read strictly (RFC 9112): what is not sure to mean one thing is refused.

``CONNECT host:port`` asks for a tunnel; any other method comes with an absolute ``http://`` URL. What
goes upstream is written anew from what was understood, so no server can understand it otherwise.
"""

import re
from dataclasses import dataclass

from agentctl.network.base import Authority
from agentctl.network.hosts import BadHostError, read_authority

MOST_BYTES = 64 * 1024
"""How long a head may be."""

END = b"\r\n\r\n"

MOST_SHOWN = 300
"""Characters of a target that is not understood, for the record."""

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIRST = re.compile(rf"({_WORD}) ([^\x00-\x20\x7f-\xa0]+) HTTP/1\.([01])")
_FIELD = re.compile(rf"({_WORD}):([\t\x20-\x7e\x80-\xff]*)")
_URL = re.compile(r"(?i:http)://([^/?#]*)([^#]*)")
_DIGITS = re.compile(r"[0-9]{1,15}")

_ONCE = ("host", "content-length", "transfer-encoding")
_FOR_THE_PROXY = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
    )
)


class BadRequestError(ValueError):
    """What came is no request that the proxy takes; says why. ``asked`` is the host it named, if it can be told."""

    def __init__(self, why: str, asked: str = "") -> None:
        super().__init__(why)
        self.asked = asked


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A request for a tunnel to a host as it was written, and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Forward:
    """A request to be made in the program's place.

    ``target`` is the path and query; ``fields`` the header's, those for the proxy left out. ``length``
    is the body's in bytes, None where it comes in chunks.
    """

    method: str
    host: str
    port: int
    target: str
    fields: tuple[tuple[str, str], ...]
    length: int | None

    def head(self, authority: Authority) -> bytes:
        """Write the head as it goes upstream; ``authority`` is the host in its one spelling."""
        host = str(authority) if authority.port != 80 else str(authority).removesuffix(":80")
        fields = [("Host", host), *self.fields, ("Connection", "close")]
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def read_request(head: bytes) -> Tunnel | Forward:
    """Read a head, its empty line included. Raises BadRequestError."""
    first, *lines = head.removesuffix(END).decode("latin-1").split("\r\n")
    match = _FIRST.fullmatch(_utf8(first))
    if match is None:
        raise BadRequestError("it does not begin with a line of HTTP/1.1", first[:MOST_SHOWN])
    method, target, minor = match.groups()
    try:
        fields = [_field(line) for line in lines]
        return _tunnel(target, fields) if method == "CONNECT" else _forward(method, target, minor, fields)
    except (BadRequestError, BadHostError) as error:
        raise BadRequestError(str(error), target[:MOST_SHOWN]) from None


def _utf8(line: str) -> str:
    # Some programs send the name of a host that is not ASCII as it is, and the name is made ASCII here.
    try:
        return line.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequestError("its first line is not text") from None


def _field(line: str) -> tuple[str, str]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise BadRequestError("a line of its header is not a name, a colon and a value")
    return match[1], match[2].strip(" \t")


def _tunnel(target: str, fields: list[tuple[str, str]]) -> Tunnel:
    framing = _once(fields)
    if framing.get("content-length", "0") != "0" or "transfer-encoding" in framing:
        raise BadRequestError("a request for a tunnel has no body")
    return Tunnel(*read_authority(target))


def _forward(method: str, target: str, minor: str, fields: list[tuple[str, str]]) -> Forward:
    match = _URL.fullmatch(target)
    if match is None:
        raise BadRequestError("the proxy takes CONNECT host:port, and absolute URLs that begin with http://")
    host, port = read_authority(match[1], default_port=80)
    path = match[2] if match[2].startswith("/") else "/" + match[2]
    if not path.isascii():
        raise BadRequestError("its URL is not ASCII")
    length = _length(_once(fields), minor)
    dropped = _dropped(fields)
    kept = [(name, value) for name, value in fields if name.lower() not in dropped]
    return Forward(method, host, port, path, tuple(kept), length)


def _once(fields: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in fields:
        if (lower := name.lower()) in _ONCE:
            if lower in found:
                raise BadRequestError(f"its header has {lower} twice")
            found[lower] = value
    return found


def _length(framing: dict[str, str], minor: str) -> int | None:
    length, coding = framing.get("content-length"), framing.get("transfer-encoding")
    if coding is not None:
        if length is not None or minor == "0" or coding.lower() != "chunked":
            raise BadRequestError("where its body ends is not sure")
        return None
    if length is None:
        return 0
    if not _DIGITS.fullmatch(length):
        raise BadRequestError("its content-length is not a number")
    return int(length)


def _dropped(fields: list[tuple[str, str]]) -> frozenset[str]:
    values = [value for name, value in fields if name.lower() == "connection"]
    named = {option.strip().lower() for value in values for option in value.split(",")}
    if named.intersection(_ONCE):
        raise BadRequestError("its header would take away what says where its body ends")
    return _FOR_THE_PROXY | named | {"host"}
