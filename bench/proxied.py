"""What a request over HTTPS costs more from inside a sandbox, through the proxy and into the record, than directly."""

import contextlib
import http.server
import multiprocessing
import multiprocessing.connection
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from agentctl.definitions.environment import Environment
from agentctl.events.local import LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.ids import SystemClock, new_id
from agentctl.launch.network import WayOut
from agentctl.launch.parts import open_log
from agentctl.network.authority import SessionAuthority
from agentctl.paths import Home
from agentctl.sandbox.base import ToolCall
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.store.blobs import Blobs
from bench.programs import IMAGE
from bench.rows import Row

_WARM_UP = 20
_NAME = "bench.test"
_AUTHORITY = SessionAuthority(b"certificates for a benchmark on one machine", "bench")

_CLIENT = """\
import socket, ssl, sys, time
proxied, port, count = sys.argv[1] == "proxied", int(sys.argv[2]), int(sys.argv[3])
context = ssl.create_default_context(cadata=sys.argv[4])
def request():
    with socket.create_connection(("127.0.0.1", 3128 if proxied else port)) as client:
        if proxied:
            client.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\\r\\n\\r\\n".encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(client, server_hostname="bench.test") as tls:
            tls.sendall(b"GET / HTTP/1.1\\r\\nHost: bench.test\\r\\nConnection: close\\r\\n\\r\\n")
            while tls.recv(65536):
                pass
for _ in range(count):
    began = time.perf_counter()
    request()
    print(1000 * (time.perf_counter() - began))
"""


def measure_proxied(folder: Path, requests: int) -> list[Row]:
    """Take the figure of so many requests, of which both ways take turns of fifty."""
    with _server() as port, _sandbox(folder, port) as sandbox:
        added: list[float] = []
        while len(added) < requests:
            direct = _direct(port, 50 + _WARM_UP)
            proxied = _proxied(sandbox, port, 50 + _WARM_UP, len(added))
            added += [one - other for one, other in zip(proxied, direct, strict=True)]
    return [Row("a request over HTTPS through the proxy, recorded: what it adds", "ms", added, most=2.0)]


def _arguments(way: str, port: int, count: int) -> list[str]:
    return ["-c", _CLIENT, way, str(port), str(count), _AUTHORITY.pem.decode()]


def _times(printed: str) -> list[float]:
    return sorted(map(float, printed.split()[_WARM_UP:]))


def _direct(port: int, count: int) -> list[float]:
    run = [sys.executable, *_arguments("direct", port, count)]
    return _times(subprocess.run(run, capture_output=True, text=True, check=True).stdout)


def _proxied(sandbox: DockerSandbox, port: int, count: int, number: int) -> list[float]:
    quoted = " ".join(f"'{argument}'" for argument in _arguments("proxied", port, count))
    call = ToolCall(f"sevt_{number}", "bash", {"command": f"python3 {quoted}"})
    [(_, outcome)] = sandbox.call([call])
    return _times(str(outcome.content[0]["text"]))


@contextlib.contextmanager
def _sandbox(folder: Path, port: int) -> Iterator[DockerSandbox]:
    home, make = Home(folder / "home"), Maker(SystemClock())
    networking = {"type": "limited", "private_hosts": [f"127.0.0.1:{port}"]}
    environment = Environment.model_validate(
        {"name": "bench", "config": {"type": "docker", "image": IMAGE, "networking": networking}}
    )
    session_id = new_id("sesn_", make.clock)
    _begin(home, session_id, make)
    way_out = WayOut(environment, session_id, lambda: open_log(home))
    way_out.settle({})
    sandbox = DockerSandbox(environment, home.builds, gateway=way_out.gateway())
    with contextlib.closing(way_out), contextlib.closing(sandbox):
        sandbox.prepare(lambda _line: None)
        sandbox.start(session_id, [], Blobs(home.blobs), lambda _line: None)
        yield sandbox


def _begin(home: Home, session_id: str, make: Maker) -> None:
    hashes = {"agent_hash": "", "environment_hash": ""}
    created = make(
        LocalSessionCreated,
        session_id=session_id,
        agentctl_version="bench",
        agent={"name": "bench"},
        environment={"name": "bench"},
        model="bench",
        request={},
        sandbox={"kind": "docker"},
        uploads=[],
        limits={},
        **hashes,
    )
    with open_log(home) as log:
        log.append(session_id, [created])


@contextlib.contextmanager
def _server() -> Iterator[int]:
    """Run a server in a process of its own, which shares no time with what is measured."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def _serve(told: multiprocessing.connection.Connection) -> None:
    context = _AUTHORITY.context(_NAME)

    class Server(http.server.ThreadingHTTPServer):
        def finish_request(self, request: socket.socket, _: object) -> None:  # type: ignore[override]
            with contextlib.suppress(OSError), context.wrap_socket(request, server_side=True) as tls:
                tls.recv(1000)
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    with Server(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        told.send(server.server_address[1])
        server.serve_forever()
