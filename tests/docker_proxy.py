"""A Docker daemon that fails as it is told: a unix socket in front of the real one.

From a test::

    with DockerProxy(tmp_path / "docker.sock") as proxy:
        proxy.on("POST /containers/create", Reply(500, {"message": "no"}), times=1)
        ...                       # DOCKER_HOST=proxy.url
        assert not [line for line in proxy.seen if "/archive" in line]

Every request is written down in ``seen`` as ``METHOD /path?query`` without the version of the API, and
passed on to the real daemon unless a rule holds for it. A rule names the beginning of such a line,
with ``*`` for any part of it; the first that fits, and is not used up, decides.
"""

import contextlib
import json
import os
import re
import select
import socket
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

Json = Any

UPSTREAM = "/var/run/docker.sock"
_VERSION = re.compile(r"^/v\d+\.\d+(?=/)")
_HEAD_END = b"\r\n\r\n"
_MOST = 1 << 18


@dataclass(frozen=True)
class Reply:
    """Answer this instead of asking the daemon. ``missing`` bytes of what is promised are never sent."""

    status: int
    body: Json | bytes = b""
    content_type: str = "application/json"
    missing: int = 0

    def bytes(self) -> bytes:
        data = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        head = f"HTTP/1.1 {self.status} X\r\nContent-Type: {self.content_type}\r\nConnection: close\r\n"
        return head.encode() + f"Content-Length: {len(data)}\r\n\r\n".encode() + data[: len(data) - self.missing]


@dataclass(frozen=True)
class Silence:
    """Accept the request and never answer."""


@dataclass(frozen=True)
class HangUp:
    """End the connection; where ``after``, the daemon has done what was asked, and nobody hears of it."""

    after: bool = False
    reset: bool = False


@dataclass(frozen=True)
class Delay:
    """Pass the request on at once, and the answer so many seconds late."""

    after: float


@dataclass(frozen=True)
class Hold:
    """Pass the request on when it is let go, and not before."""

    go: threading.Event


@dataclass(frozen=True)
class Change:
    """Pass on another body, or another answer: both are decoded JSON."""

    request: Callable[[Json], Json] = lambda body: body
    answer: Callable[[Json], Json] = lambda body: body


@dataclass(frozen=True)
class Make:
    """Answer what a function makes of the request's query (a name may come several times) and body."""

    answer: Callable[[dict[str, list[str]], Json], Reply]


Deed: TypeAlias = Reply | Silence | HangUp | Delay | Hold | Change | Make


@dataclass
class Rule:
    """What is done with requests that begin so, and how often still (None: always)."""

    beginning: str
    deed: Deed
    left: int | None = None


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    line: str
    head: bytes
    body: bytes

    @property
    def upgrades(self) -> bool:
        return b"\r\nupgrade:" in self.head.lower()

    @property
    def query(self) -> dict[str, list[str]]:
        return urllib.parse.parse_qs(urllib.parse.urlsplit(self.line.partition(" ")[2]).query)


@dataclass
class DockerProxy:
    """The socket at ``path``. ``seen`` grows while requests come; rules may be added at any time."""

    path: Path
    upstream: str = UPSTREAM
    seen: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_closing = threading.Event()

    @property
    def url(self) -> str:
        """What DOCKER_HOST has to be."""
        return f"unix://{self.path}"

    def on(self, beginning: str, deed: Deed, times: int | None = None) -> None:
        """Add a rule for requests whose line begins so."""
        self.rules.append(Rule(beginning, deed, times))

    def clear(self) -> None:
        """Forget all rules."""
        with self._lock:
            self.rules.clear()

    def asked(self, beginning: str) -> list[str]:
        """Return the requests so far whose line begins so."""
        return [line for line in list(self.seen) if line.startswith(beginning)]

    def hang_up(self) -> None:
        """End every connection that there is, as a daemon does that is killed."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "DockerProxy":
        self._listening.bind(os.fspath(self.path))
        self._listening.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Be there no longer; may be called twice."""
        self._is_closing.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.hang_up()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while not self._is_closing.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        with contextlib.suppress(OSError), connection:
            asked = _read_request(connection)
            if asked is not None:
                self.seen.append(asked.line)
                self._do(self._deed_for(asked.line), asked, connection)
        self._open.discard(connection)

    def _deed_for(self, line: str) -> Deed | None:
        with self._lock:
            for rule in self.rules:
                if rule.left != 0 and fnmatchcase(line, rule.beginning + "*"):
                    rule.left = None if rule.left is None else rule.left - 1
                    return rule.deed
        return None

    def _do(self, deed: Deed | None, asked: Asked, connection: socket.socket) -> None:
        match deed:
            case None:
                self._pass_on(asked, connection)
            case Reply():
                connection.sendall(deed.bytes())
            case Silence():
                self._is_closing.wait()
            case HangUp():
                if deed.after:
                    self._answer(asked)
                if deed.reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Delay():
                answer = self._answer(asked)
                self._is_closing.wait(deed.after)
                connection.sendall(answer)
            case Hold():
                while not deed.go.wait(0.1) and not self._is_closing.is_set():
                    pass
                connection.sendall(self._answer(asked))
            case Change():
                body = json.dumps(deed.request(json.loads(asked.body or b"null"))).encode()
                status, data = _parts(self._answer(asked, body if asked.body else b""))
                connection.sendall(Reply(status, deed.answer(json.loads(data)) if data else b"").bytes())
            case Make():
                connection.sendall(deed.answer(asked.query, json.loads(asked.body or b"null")).bytes())

    def _pass_on(self, asked: Asked, connection: socket.socket) -> None:
        with self._upstream() as daemon:
            daemon.sendall(_for_daemon(asked, asked.body))
            _join(connection, daemon, both=asked.upgrades)
        self._open.discard(daemon)

    def _answer(self, asked: Asked, body: bytes | None = None) -> bytes:
        """Ask the daemon and return the whole of its answer."""
        with self._upstream() as daemon:
            daemon.sendall(_for_daemon(asked, asked.body if body is None else body))
            return b"".join(iter(lambda: daemon.recv(_MOST), b""))

    def _upstream(self) -> socket.socket:
        daemon = socket.socket(socket.AF_UNIX)
        daemon.connect(self.upstream)
        self._open.add(daemon)
        return daemon


def _read_request(connection: socket.socket) -> Asked | None:
    data = b""
    while _HEAD_END not in data:
        piece = connection.recv(_MOST)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(_HEAD_END)
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
    line = f"{method} {_VERSION.sub('', target)}"
    length = re.search(rb"\r\ncontent-length: *(\d+)", head.lower())
    if length:
        body = _filled(connection, body, lambda data: len(data) >= int(length[1]))
    elif b"transfer-encoding: chunked" in head.lower():
        body = _filled(connection, body, lambda data: data.endswith(b"0\r\n\r\n"))
    return Asked(line, head, body)


def _filled(connection: socket.socket, body: bytes, is_whole: Callable[[bytes], bool]) -> bytes:
    while not is_whole(body):
        piece = connection.recv(_MOST)
        if not piece:
            break
        body += piece
    return body


def _for_daemon(asked: Asked, body: bytes) -> bytes:
    """Write the request anew: one for each connection, and with the length of its body."""
    lines = asked.head.split(b"\r\n")
    if not asked.upgrades:
        lines = [line for line in lines if not line.lower().startswith(b"connection:")] + [b"Connection: close"]
    lines = [b"Content-Length: %d" % len(body) if _is_length(line) else line for line in lines]
    return b"\r\n".join(lines) + _HEAD_END + body


def _is_length(line: bytes) -> bool:
    return line.lower().startswith(b"content-length:")


def _parts(answer: bytes) -> tuple[int, bytes]:
    head, _, body = answer.partition(_HEAD_END)
    if b"transfer-encoding: chunked" in head.lower():
        body = b"".join(_chunks(body))
    return int(head.split(b" ", 2)[1]), body


def _chunks(body: bytes) -> Iterable[bytes]:
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        yield rest[:length]
        body = rest[length + 2 :] if length else b""


def _join(client: socket.socket, daemon: socket.socket, *, both: bool) -> None:
    """Carry bytes between the two until the daemon has ended; of the client only where it speaks on."""
    poll = select.poll()
    poll.register(daemon, select.POLLIN)
    poll.register(client, select.POLLIN if both else select.POLLHUP)
    others = {client.fileno(): (client, daemon), daemon.fileno(): (daemon, client)}
    while True:
        for fd, _ in poll.poll():
            source, target = others[fd]
            data = source.recv(_MOST)
            if data:
                target.sendall(data)
            elif source is daemon:
                return
            else:
                poll.unregister(client)
                with contextlib.suppress(OSError):
                    daemon.shutdown(socket.SHUT_WR)
