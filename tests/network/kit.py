"""A gateway behind a TCP port of the loopback, servers for it to reach, and an internet in a table."""

import contextlib
import http.server
import os
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Networking
from agentctl.errors import StoreError
from agentctl.network.authority import SessionAuthority
from agentctl.network.base import Connection, Interceptor
from agentctl.network.dial import DialError, Dialler, connect_now
from agentctl.network.gateway import HttpGateway
from agentctl.network.hosts import Address
from agentctl.network.metering import Caps, Totals
from agentctl.network.rules import rules_of
from agentctl.sandbox.inside.frames import CONNECTIONS, CREDIT, END, RESET, WINDOW, Decoder
from agentctl.sandbox.pipe.channels import Channel

PUBLIC = "93.184.215.14"
"""An address that is public, and where the table leads to a server of the test."""


class SocketConnection:
    """A Connection over a socket: the second kind, beside the channels of a sandbox's pipe."""

    def __init__(self, inner: socket.socket) -> None:
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = inner

    def read(self, timeout_seconds: float) -> bytes:
        return self._timed(timeout_seconds, lambda: self._socket.recv(256 * 1024))

    def write(self, data: bytes, timeout_seconds: float) -> None:
        self._timed(timeout_seconds, lambda: self._socket.sendall(data))

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _timed(self, timeout_seconds: float, work: Callable[[], Any]) -> Any:
        self._socket.settimeout(timeout_seconds)
        try:
            return work()
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionError(str(error)) from error


class FarEnd:
    """The far end of a channel, which is joined to a socket: what a sandbox's relay does, in two threads."""

    def __init__(self, inner: socket.socket) -> None:
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = inner
        self._room = WINDOW
        self._changed = threading.Condition()
        self._decoder = Decoder(WINDOW)
        self._sending = threading.Lock()
        self._has_heard_end = threading.Event()
        self.channel = Channel(CONNECTIONS, self._hear, lambda _number: None)
        threading.Thread(target=self._say, daemon=True).start()

    def _say(self) -> None:
        try:
            while data := self._piece():
                self.channel.take(0, data)
            self.channel.take(END, b"")
        except OSError:
            self.channel.take(RESET, b"")
        self._has_heard_end.wait()
        self._socket.close()

    def _piece(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._room > 0)
            room = min(self._room, 64 << 10)
        data = self._socket.recv(room)
        with self._changed:
            self._room -= len(data)
        return data

    def _hear(self, frames: Iterable[memoryview]) -> None:
        with self._sending, contextlib.suppress(OSError):
            for _, flags, payload in self._decoder.feed(b"".join(frames)):
                if flags == CREDIT:
                    with self._changed:
                        self._room += int.from_bytes(payload, "big")
                        self._changed.notify_all()
                elif flags in (END, RESET):
                    self._has_heard_end.set()
                    self._socket.shutdown(socket.SHUT_WR if flags == END else socket.SHUT_RDWR)
                else:
                    self._socket.sendall(payload)
                    self.channel.take(CREDIT, len(payload).to_bytes(4, "big"))


def over_socket(inner: socket.socket) -> Connection:
    """Make a connection that has to be read."""
    return SocketConnection(inner)


def over_channel(inner: socket.socket) -> Connection:
    """Make a connection that gives what comes, as those of a sandbox do."""
    return FarEnd(inner).channel


connection_of = over_socket
"""Makes the connections that gateways are given."""


class Told:
    """Keeps what is told, and can be made to fail."""

    def __init__(self) -> None:
        self.begun_ones: list[JsonObject] = []
        self.verdicts: list[JsonObject] = []
        self.is_broken = False
        self._changed = threading.Condition()

    def begun(self, asked: JsonObject) -> str:
        if self.is_broken:
            raise StoreError("the disk is full")
        self.begun_ones.append(asked)
        return f"sevt_{len(self.begun_ones)}"

    def ended(self, verdict: JsonObject) -> None:
        with self._changed:
            self.verdicts.append(verdict)
            self._changed.notify_all()

    def wait(self, count: int = 1) -> list[JsonObject]:
        return self.wait_until(lambda verdicts: len(verdicts) >= count)

    def wait_until(self, holds: Callable[[list[JsonObject]], bool]) -> list[JsonObject]:
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self.verdicts), 20), self.verdicts
            return list(self.verdicts)


@dataclass
class Table:
    """Where names lead, and where packets to a public address really go; whatever is asked for is kept."""

    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    places: Mapping[int, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)

    def addresses(self, name: str, timeout_seconds: float) -> Sequence[str]:
        self.asked.append(name)
        if name not in self.names:
            raise DialError("its name could not be resolved")
        return self.names[name]

    def connect(self, address: Address, port: int, timeout_seconds: float) -> socket.socket:
        self.dialled.append((str(address), port))
        if str(address) == PUBLIC:
            return connect_now(ip_address("127.0.0.1"), self.places[port], timeout_seconds)
        return connect_now(address, port, timeout_seconds)


@dataclass
class Site:
    """A server's port, and what it received."""

    port: int
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)


@contextlib.contextmanager
def no_threads() -> Iterator[None]:
    """Have every thread fail to start: no address space has room for its stack."""
    former = threading.stack_size(1 << 48)
    try:
        yield
    finally:
        threading.stack_size(former)


Respond = Callable[[str, str], tuple[int, Mapping[str, str], bytes]]


def hello(method: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
    return 200, {}, f"{method} {path} is here".encode()


@contextlib.contextmanager
def site(respond: Respond = hello, context: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> Iterator[Site]:
    """Run a web server, with TLS if there is a context."""
    found = Site(0)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = self.chunks()
            found.requests.append((self.command, self.path, dict(self.headers), body))
            status, headers, answer = respond(self.command, self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        def chunks(self) -> bytes:
            body = b""
            while size := int(self.line(), 16):
                body += self.rfile.read(size)
                self.line()
            self.line()
            return body

        def line(self) -> bytes:
            if not (line := self.rfile.readline()):
                raise ConnectionResetError
            return line

        do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815 - the names that the library looks for

        def log_message(self, *_: Any) -> None:
            pass

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

        def get_request(self) -> tuple[socket.socket, Any]:
            connection, peer = super().get_request()
            found.connections.append(time.monotonic())
            connection.settimeout(20)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection, peer

        def finish_request(self, request: Any, client_address: Any) -> None:
            with contextlib.suppress(OSError):  # a client that goes in the middle
                if context is None:
                    super().finish_request(request, client_address)
                    return
                with context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)

    with Server((address, 0), Handler) as server:
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Proxy:
    """A gateway, and the port of the loopback where it takes connections."""

    port: int
    gateway: HttpGateway
    told: Told

    @property
    def environment(self) -> dict[str, str]:
        """What a program on this machine needs to use it."""
        plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return plain | {
            name: value.replace(":3128", f":{self.port}") for name, value in self.gateway.environment.items()
        }

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def ask(self, data: bytes) -> bytes:
        """Send bytes, and read to the end."""
        with self.connect() as client:
            client.sendall(data)
            return read_all(client)

    def tunnel(self, authority: str) -> tuple[socket.socket, bytes]:
        """Ask for a tunnel; return the connection, and the answer's head."""
        client = self.connect()
        client.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer and (data := client.recv(1)):  # what comes behind it is the server's
            answer += data
        return client, answer


def read_all(client: socket.socket) -> bytes:
    data = b""
    client.settimeout(15)
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65536):
            data += piece
    return data


@contextlib.contextmanager
def proxy(
    networking: JsonObject,
    table: Table | None = None,
    *,
    caps: Caps | None = None,
    dialler: Dialler | None = None,
    interceptor: Interceptor | None = None,
) -> Iterator[Proxy]:
    """Run a gateway behind a port of the loopback."""
    table = table or Table()
    told, rules = Told(), rules_of(Networking.model_validate(networking))
    dialler = dialler or Dialler(table, table.connect)
    gateway = HttpGateway(lambda: rules, told, dialler, interceptor, Totals(caps or Caps()))
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        thread = threading.Thread(target=_accept, args=(listener, gateway), daemon=True)
        thread.start()
        try:
            yield Proxy(listener.getsockname()[1], gateway, told)
        finally:
            gateway.close()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, gateway: HttpGateway) -> None:
    with contextlib.suppress(OSError):
        while True:
            gateway.take(connection_of(listener.accept()[0]))


AUTHORITY = SessionAuthority(b"a seed for the certificates of tests", "tests")
"""Issues the certificates of the servers."""


def trusting() -> ssl.SSLContext:
    """A client that trusts the servers of the tests."""
    return ssl.create_default_context(cadata=AUTHORITY.pem.decode())
