"""Listeners for what must not come: servers wherever a sandbox might reach, and every packet that passes by."""

import contextlib
import fcntl
import json
import secrets
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

BASE = "agentctl-base:bookworm"
_ETH_P_ALL = 3
_ANSWERING = (
    "import socket, threading, time\n"
    "server = socket.create_server(('0.0.0.0', {port}))\n"
    "while True:\n"
    "    client, _ = server.accept()\n"
    "    client.sendall(b'here')\n"
    "    client.close()\n"
)


@dataclass
class Surroundings:
    """What is around a sandbox: a port that answers everywhere, and what came."""

    mark: str
    port: int
    targets: list[str]
    came: list[str] = field(default_factory=list)

    def plan(self, targets: list[str] | None = None) -> str:
        names = [f"{self.mark}.evil.test", "host.docker.internal", "gateway.docker.internal"]
        return json.dumps({"mark": self.mark, "port": self.port, "targets": targets or self.targets, "names": names})


@contextlib.contextmanager
def surroundings(*, with_neighbour: bool) -> Iterator[Surroundings]:
    """Answer on every address of this machine, and of a container beside, and listen to all links."""
    with contextlib.ExitStack() as held:
        both = held.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))
        port = both.getsockname()[1]
        bridge = _bridge()
        targets = ["127.0.0.1", "::1", bridge, "169.254.169.254", "93.184.215.14", "2606:4700::1111", *_own()]
        if with_neighbour:
            targets.append(held.enter_context(_neighbour(port)))
        around = Surroundings(f"mark{secrets.token_hex(8)}", port, list(dict.fromkeys(targets)))
        datagrams = held.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        datagrams.bind(("::", port))
        hidden = held.enter_context(socket.socket(socket.AF_UNIX))
        hidden.bind("\0" + around.mark)
        hidden.listen()
        sniffed = held.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL)))
        for listener in (both, hidden):
            held.enter_context(_working(listener, lambda each=listener: _greet(each, around)))
        held.enter_context(_working(datagrams, lambda: _answer(datagrams, around)))
        held.enter_context(_working(sniffed, lambda: _sniff(sniffed, around)))
        yield around


@contextlib.contextmanager
def _working(source: socket.socket, work: object) -> Iterator[None]:
    is_over = threading.Event()
    source.settimeout(0.05)

    def go_on() -> None:
        while not is_over.is_set():
            with contextlib.suppress(TimeoutError):
                work()  # type: ignore[operator]

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _greet(listener: socket.socket, around: Surroundings) -> None:
    client, peer = listener.accept()
    with client:
        around.came.append(f"a connection from {peer}")
        client.sendall(b"here")


def _answer(datagrams: socket.socket, around: Surroundings) -> None:
    data, peer = datagrams.recvfrom(2048)
    around.came.append(f"a datagram from {peer}: {data!r}")
    datagrams.sendto(b"here", peer)


def _sniff(sniffed: socket.socket, around: Surroundings) -> None:
    """Keep what carries the mark, or goes to the port that only the test knows."""
    data, (interface, *_) = sniffed.recvfrom(1 << 16)
    if around.mark.encode() in data or _port_of(data) == around.port:
        around.came.append(f"a packet on {interface}: {data[:80].hex()}")


def _port_of(packet: bytes) -> int | None:
    """Return the port that a packet of TCP or UDP goes to."""
    if packet[:1] and packet[0] >> 4 == 4 and len(packet) > 24:
        header, protocol = (packet[0] & 15) * 4, packet[9]
    elif packet[:1] and packet[0] >> 4 == 6 and len(packet) > 44:
        header, protocol = 40, packet[6]
    else:
        return None
    return int.from_bytes(packet[header + 2 : header + 4], "big") if protocol in (6, 17) else None


def _bridge() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            return socket.inet_ntoa(fcntl.ioctl(sock, 0x8915, struct.pack("256s", b"docker0"))[20:24])
        except OSError:
            return "172.17.0.1"


def _own() -> list[str]:
    """Return the address that this machine sends from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        sock.connect(("192.0.2.77", 9))
        return [str(sock.getsockname()[0])]
    return []


@contextlib.contextmanager
def _neighbour(port: int) -> Iterator[str]:
    """Run a second container on the daemon's bridge, that answers on the port; yield its address."""
    program = ["python3", "-c", _ANSWERING.format(port=port)]
    made = subprocess.run(
        ["docker", "run", "--detach", "--rm", "--init", BASE, *program], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        address = subprocess.run(
            ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", made],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        assert _answers(address, port), "the neighbour does not answer even to this machine"
        yield address
    finally:
        subprocess.run(["docker", "rm", "--force", made], check=True, capture_output=True)


def _answers(address: str, port: int) -> bool:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection((address, port), 0.2) as client:
            return client.recv(10) == b"here"
        threading.Event().wait(0.05)
    return False
