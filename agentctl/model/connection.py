"""The connections to a model's API: ending one from another thread, and why one failed, in words."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import httpx2

from agentctl.errors import CredentialsError, ModelError
from agentctl.model.failure import without_secrets

_OPENED = (".connect_tcp.complete", ".start_tls.complete")


class Connections:
    """The sockets that an HTTP client has opened.

    What reads from one of them cannot be stopped by a timeout as long as bytes keep coming;
    ``hang_up`` stops it from another thread. To be called with each request before it is sent.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.is_hung_up = False

    def __call__(self, request: httpx2.Request) -> None:
        """Learn of the connections that this request will open."""
        request.extensions["trace"] = self._on_event

    def hang_up(self) -> None:
        """End all connections, and those that are being made as soon as they are."""
        self.is_hung_up = True
        for connection in list(self._sockets):
            # Not close(): that does not wake the thread that reads. And the plain socket's
            # method, for the TLS one's forgets its state while the other thread still uses it.
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def pick_up(self) -> None:
        """Let connections be made again."""
        self.is_hung_up = False

    def _on_event(self, name: str, info: Mapping[str, Any]) -> None:
        if name.endswith(_OPENED):
            opened = info["return_value"].get_extra_info("socket")
            self._sockets = [each for each in self._sockets if each.fileno() >= 0] + [opened]
            if self.is_hung_up:
                self.hang_up()


def unreachable(error: BaseException, host: str) -> ModelError:
    """Explain why no connection was made, or why it ended before an answer began."""
    causes = tuple(causes_of(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ModelError(
                f"the certificate of {host} is not trusted: {cause.verify_message}",
                kind="connection_error",
                hint="if your network inspects traffic, name its authority in SSL_CERT_FILE",
                unbilled=True,
            )
    if isinstance(error, (httpx2.UnsupportedProtocol, httpx2.InvalidURL)):
        return no_address()
    if isinstance(error, (httpx2.LocalProtocolError, UnicodeError)):
        return unsendable()
    return ModelError(
        f"the model's API at {host} cannot be reached: {_reason(error, causes)}",
        kind="timeout_error" if isinstance(error, httpx2.ReadTimeout) else "connection_error",
        retryable=True,
        hint="is there a network, and is ANTHROPIC_BASE_URL right?",
        # Once the request is out, the answer may be in the making although none of it came.
        unbilled=isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)),
    )


def unreadable(error: BaseException, host: str) -> ModelError:
    """Explain a stream that broke, or that does not hold what it must."""
    match error:
        case httpx2.ReadTimeout():
            return ModelError("the model fell silent", kind="timeout_error", retryable=True)
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            return no_address()
        case httpx2.LocalProtocolError() | UnicodeEncodeError():
            return unsendable()
        case httpx2.HTTPError() | httpx2.StreamError():
            return ModelError(
                f"the connection to {host} broke in the middle of an answer",
                kind="stream_cut_error",
                retryable=True,
            )
        case RecursionError():
            return ModelError("the model's answer is nested too deeply", kind="protocol_error")
    return ModelError("the model's answer is garbled", kind="protocol_error", retryable=True)


def no_address() -> ModelError:
    """Explain an address that is none."""
    return ModelError(
        "the address of the model's API, or of a proxy, is not one",
        kind="connection_error",
        hint="see ANTHROPIC_BASE_URL, HTTPS_PROXY and ALL_PROXY; each begins with http:// or https://",
        unbilled=True,
    )


def unsendable() -> CredentialsError:
    """Explain a header that cannot be sent, without a word of it: it may be the key's."""
    return CredentialsError(
        "the key for the model's API, or a header, holds characters that cannot be sent",
        hint="see ANTHROPIC_API_KEY and ANTHROPIC_CUSTOM_HEADERS",
    )


def host_of(url: httpx2.URL) -> str:
    """Name a server without the rest of its address, which may hold a password."""
    return url.host if url.port is None else f"{url.host}:{url.port}"


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error, what caused it, what caused that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException, causes: tuple[BaseException, ...]) -> str:
    system = next((e for e in causes if isinstance(e, OSError) and e.strerror), None)
    match error:
        case _ if isinstance(system, socket.gaierror):
            return "its name is not known"
        case httpx2.ConnectTimeout():
            return "it does not answer"
        case httpx2.TimeoutException():
            return "it fell silent"
        case httpx2.ProxyError():
            return f"the proxy refused: {without_secrets(str(error))}"
        case _ if system is not None:
            return str(system.strerror).lower()
    return without_secrets(str(error)).lower() or "the connection failed"
