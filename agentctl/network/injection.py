"""Stands in for the hosts that credentials are for: what goes out gets the secrets, what comes back loses them.

Programs in the sandbox see a certificate of the session's own authority, which they trust; the host's
own certificate is verified here, as by any other client. HTTP/1.1 is spoken on both sides.
"""

import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import cycle, islice

from agentctl.errors import AgentctlError
from agentctl.network.authority import SessionAuthority
from agentctl.network.base import Authority, Connection, Dial, Served
from agentctl.network.conversation import Conversation
from agentctl.network.hosts import matches
from agentctl.network.tls import TlsClient, TlsConnection
from agentctl.redaction import encodings_of
from agentctl.vault.opened import Credentials, Swap

HTTPS_PORT = 443

_HANDSHAKE_SECONDS = 30.0


class Injection:
    """An Interceptor over the credentials of a session.

    ``ports`` are those on which a host gets its secrets: what listens on another one may be
    somebody else's. ``trust`` makes what upstream certificates are verified with.
    """

    def __init__(
        self,
        credentials: Credentials,
        session_id: str,
        *,
        ports: Collection[int] = (HTTPS_PORT,),
        trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._credentials = credentials
        self._issuer = SessionAuthority(credentials.authority_seed, session_id)
        self._ports = ports
        self._client_context = trust()
        self._client_context.set_alpn_protocols(["http/1.1"])
        self._hidden: tuple[object, Mapping[bytes, bytes]] = ((), {})

    @property
    def environment(self) -> Mapping[str, str]:
        """The placeholders, by the variables that hold them."""
        return self._credentials.placeholders

    @property
    def authorities(self) -> bytes | None:
        """The certificate (PEM) of the authority behind the certificates that programs see."""
        return self._issuer.pem

    def wants(self, authority: Authority) -> bool:
        """Say whether a credential is for that host; where the vaults cannot be read, none can be told from another."""
        if authority.port not in self._ports:
            return False
        try:
            return bool(self._swaps(authority))
        except AgentctlError:
            return True

    def serve(self, client: Connection, authority: Authority, dial: Dial) -> Served:
        """Serve one connection to its end. Raises OSError for a program that does not trust the certificate."""
        program = TlsConnection(client, self._issuer.context(authority.host), server_side=True)
        program.handshake(_HANDSHAKE_SECONDS)
        return Conversation(
            program,
            authority,
            lambda: self._connected(authority, dial()),
            lambda: self._swaps(authority),
            self._taken_out,
        ).hold()

    def _connected(self, authority: Authority, opened: socket.socket) -> TlsClient:
        return TlsClient(opened, self._client_context, authority.host, _HANDSHAKE_SECONDS)

    def _swaps(self, authority: Authority) -> Sequence[Swap]:
        return [swap for swap in self._credentials.swaps() if _is_for(swap, authority.host)]

    def _taken_out(self) -> Mapping[bytes, bytes]:
        """Return what answers may not hold, with something as long in its place: lengths stay true."""
        secrets = self._credentials.secrets()
        known, hidden = self._hidden
        if known != secrets:
            placeholders = self._credentials.placeholders
            hidden = {}
            for name, value in secrets:
                hidden |= {old: _as_long(placeholders.get(name, "*"), old) for old in map(_bytes, encodings_of(value))}
            self._hidden = (secrets, hidden)
        return hidden


def _is_for(swap: Swap, host: str) -> bool:
    return swap.hosts is None or any(matches(pattern, host) for pattern in swap.hosts)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _as_long(filling: str, old: bytes) -> bytes:
    return bytes(islice(cycle(filling.encode("ascii")), len(old)))
