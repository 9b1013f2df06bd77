"""A web server on the loopback that speaks TLS, repeats what it is asked, and remembers it."""

import contextlib
import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator

from agentctl.network.authority import SessionAuthority
from agentctl.network.messages import Incoming, Request, chunk, last_chunk, read_request
from agentctl.network.tls import SocketConnection, TlsConnection

HOST = "api.example.com"

Reply = Callable[[TlsConnection, Request, bytes], bool]
"""Answers a request with its body; says whether the connection goes on."""


class Upstream:
    """A server for one host; ``requests`` holds the head and the body of each request as they came.

    ``connections`` were made, and the server has ``ended`` so many of them.
    """

    def __init__(self, host: str = HOST) -> None:
        self.authority = SessionAuthority(b"upstream" * 8, "upstream")
        self.requests: list[tuple[str, bytes]] = []
        self.connections = self.ended = 0
        self.reply: Reply = echo
        self._context = self.authority.context(host)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority.pem.decode())

    def close(self) -> None:
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                opened, _ = self._listener.accept()
                self._open.append(opened)
                self.connections += 1
                threading.Thread(target=self._serve, args=(opened,), daemon=True).start()

    def _serve(self, opened: socket.socket) -> None:
        tls = TlsConnection(SocketConnection(opened), self._context, server_side=True)
        with contextlib.suppress(OSError), contextlib.closing(tls):
            tls.handshake(5)
            incoming = Incoming(tls, 5)
            while (head := incoming.head()) is not None:
                request = read_request(head)
                if "100-continue" in head.words("expect"):
                    tls.write(b"HTTP/1.1 100 Continue\r\n\r\n", 5)
                body = b"".join(incoming.body(request.framing))
                self.requests.append((head.written().decode("latin-1"), body))
                if not self.reply(tls, request, body):
                    break
            tls.end()
        self.ended += 1


def said(request: Request, body: bytes) -> bytes:
    return request.head.written() + body


def echo(tls: TlsConnection, request: Request, body: bytes) -> bool:
    data = b"" if request.method == "HEAD" else said(request, body)
    echoed = "; ".join(request.head.all("authorization"))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(said(request, body))}\r\nX-Echo: {echoed}\r\n\r\n"
    tls.write(head.encode("latin-1") + data, 5)
    return True


def echo_in_chunks(tls: TlsConnection, request: Request, body: bytes) -> bool:
    """Repeat the request byte by byte, so that every secret in it is cut everywhere."""
    tls.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 5)
    for byte in said(request, body):
        tls.write(chunk(bytes([byte])), 5)
    tls.write(last_chunk((("X-Sum", "; ".join(request.head.all("authorization"))),)), 5)
    return True


def echo_to_the_end(tls: TlsConnection, request: Request, body: bytes) -> bool:
    tls.write(b"HTTP/1.0 200 OK\r\n\r\n" + said(request, body), 5)
    return False


def packed(coding: str) -> Reply:
    def reply(tls: TlsConnection, request: Request, body: bytes) -> bool:
        data = {"deflate": zlib.compress}.get(coding, gzip.compress)(said(request, body))
        tls.write(f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(data)}\r\n\r\n".encode(), 5)
        tls.write(data, 5)
        return True

    return reply


def redirect(tls: TlsConnection, request: Request, body: bytes) -> bool:
    tls.write(b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example.com/\r\nContent-Length: 0\r\n\r\n", 5)
    return True


@contextlib.contextmanager
def upstream(host: str = HOST) -> Iterator[Upstream]:
    server = Upstream(host)
    try:
        yield server
    finally:
        server.close()
