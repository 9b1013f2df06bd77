"""One connection of a sandbox, from the request to the proxy to its end.

The order is what makes it safe: understood, judged, recorded, resolved, checked, dialled; then, where
the rules are strict, no byte goes to the server before the client's hello has named it.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agentctl.canonical import JsonObject
from agentctl.errors import AgentctlError
from agentctl.network.answers import ACCESS_DENIED, ESTABLISHED, alert, error_answer
from agentctl.network.base import Authority, Connection, Giving, Interceptor, Verdicts
from agentctl.network.body import body_of
from agentctl.network.clienthello import BadHelloError, may_be_tls, read_hello
from agentctl.network.dial import DialError, Dialler, ForbiddenError
from agentctl.network.hosts import Address, BadHostError, Host, read_host
from agentctl.network.metering import Again, Caps, Metered, Totals
from agentctl.network.passage import Passage
from agentctl.network.requests import END, MOST_BYTES, BadRequestError, Forward, Tunnel, read_request
from agentctl.network.rules import HTTPS_PORT, Allowed, Denied, Rules
from agentctl.network.verdict import UNREACHABLE, Facts, RefusedError, Way
from agentctl.network.workers import Workers

_ANSWER_SECONDS = 5.0
_LET_GO_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Room:
    """What the exchanges of a session share. ``rules`` gives the same rules each time."""

    rules: Callable[[], Rules]
    dialler: Dialler
    verdicts: Verdicts
    caps: Caps
    totals: Totals
    workers: Workers
    interceptor: Interceptor | None = None


class Exchange:
    """Serves one connection; ``cut`` ends it from any thread."""

    def __init__(self, client: Connection, room: Room) -> None:
        self._client = client
        self._room = room
        self._facts = Facts()
        self._metered: Metered | None = None
        self._dialled: list[socket.socket] = []
        self._is_cut = False
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Serve it to its end, and tell the verdict; whatever goes wrong, the connection is closed and told."""
        try:
            self._serve()
        except RefusedError as refused:
            self._facts.refuse(refused)
            self._answer(refused)
        except OSError as error:
            self._facts.reason = error.strerror or str(error) or type(error).__name__
        except BadRequestError as error:  # found in the body
            self._facts.reason = str(error)
        except Exception as error:  # noqa: BLE001 - a defect closes the way out, and never opens it
            self._facts.reason = f"it failed inside agentctl ({type(error).__name__})"
        try:
            self._hang_up()
            self._tell()
            self._let_go()
        finally:
            self.cut()

    def refuse(self, reason: str) -> None:
        """Refuse it without having read anything."""
        self._facts.reason = reason
        self.cut()
        self._tell()

    def cut(self) -> None:
        """Close both sides at once."""
        self._is_cut = True
        self._hang_up()
        self._client.close()

    def _hang_up(self) -> None:
        with self._lock:
            dialled, self._dialled = self._dialled, []
        for each in dialled:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self) -> None:
        head, rest = self._head()
        if not head:
            return
        asked = self._asked(head)
        host, allowed = self._judged(asked)
        self._record()
        way = Way(host, Authority(host.text, asked.port), allowed)
        way.addresses = self._addresses(way)
        client = self._metered = Metered(Again(self._client, rest), host.text, self._room.totals)
        if isinstance(asked, Forward):
            self._forward(asked, way, client)
        else:
            self._tunnel(way, client, self._client if isinstance(self._client, Giving) and not rest else None)

    def _head(self) -> tuple[bytes, bytes]:
        """Read the head of the request; return it and what came behind it. Nothing at all is nothing asked."""
        data, deadline = b"", time.monotonic() + self._room.caps.head_seconds
        while END not in data:
            if len(data) > MOST_BYTES:
                raise RefusedError(400, f"the head of its request is longer than {MOST_BYTES:,} bytes")
            try:
                piece = self._client.read(max(0.001, deadline - time.monotonic()))
            except TimeoutError:
                raise RefusedError(400, "the head of its request did not come in time") from None
            if not piece:
                if data:
                    raise RefusedError(400, "the head of its request was cut off")
                return b"", b""
            data += piece
        head, _, rest = data.partition(END)
        return head + END, rest

    def _asked(self, head: bytes) -> Tunnel | Forward:
        try:
            asked = read_request(head)
        except BadRequestError as error:
            self._facts.host = error.asked
            raise RefusedError(400, str(error)) from None
        self._facts.host, self._facts.port = asked.host, asked.port
        self._facts.scheme = "http" if isinstance(asked, Forward) else "https" if asked.port == HTTPS_PORT else "tcp"
        return asked

    def _judged(self, asked: Tunnel | Forward) -> tuple[Host, Allowed]:
        try:
            host = read_host(asked.host)
        except BadHostError as error:
            raise RefusedError(403, str(error)) from None
        self._facts.host = host.text
        verdict = self._room.rules().verdict(host, asked.port, "http" if isinstance(asked, Forward) else "https")
        if isinstance(verdict, Denied):
            raise RefusedError(403, verdict.reason)
        return host, verdict

    def _record(self) -> None:
        """Write down that the connection will be made: what cannot be recorded is not done."""
        facts = self._facts
        asked: JsonObject = {"host": facts.host, "port": facts.port, "scheme": facts.scheme}
        try:
            facts.started_id = self._room.verdicts.begun(asked)
        except AgentctlError as error:
            raise RefusedError(503, f"it could not be recorded: {error.message}") from None
        facts.allowed = True

    def _addresses(self, way: Way) -> list[Address]:
        try:
            return self._room.dialler.addresses(way.authority, private=way.allowed.private)
        except ForbiddenError as error:
            raise RefusedError(403, str(error)) from None
        except DialError as error:
            raise RefusedError(UNREACHABLE, str(error)) from None

    def _dial(self, way: Way) -> socket.socket:
        made, self._facts.address = self._room.dialler.connect(way.addresses, way.authority.port)
        with self._lock:
            if not self._is_cut:
                self._dialled.append(made)
                return made
        made.close()
        raise ConnectionAbortedError("the sandbox was closed")

    def _dial_or_refuse(self, way: Way) -> socket.socket:
        try:
            return self._dial(way)
        except DialError as error:
            raise RefusedError(UNREACHABLE, str(error)) from None

    def _forward(self, asked: Forward, way: Way, client: Metered) -> None:
        upstream = self._dial_or_refuse(way)
        head, body = asked.head(way.authority), body_of(asked.length)
        passage = self._passage(client, upstream)

        def outward() -> Iterator[bytes]:
            while not body.is_whole and (data := passage.read()):
                yield body.take(data)

        client.count(sent=len(head))
        upstream.sendall(head)
        passage.carry(outward, tells_end=False)

    def _tunnel(self, way: Way, client: Metered, source: Giving | None) -> None:
        """Make the tunnel; ``source`` gives what the client sends, where nothing of that has been read."""
        interceptor = self._room.interceptor
        if interceptor is not None and interceptor.wants(way.authority):
            self._client.write(ESTABLISHED, self._room.caps.head_seconds)
            self._intercept(interceptor, way, client)
            return
        upstream = self._dial_or_refuse(way)
        self._client.write(ESTABLISHED, self._room.caps.head_seconds)
        is_judged = way.allowed.strict
        flight = self._first_flight(self._in_time(client), way, must_be_tls=True) if is_judged else b""
        passage = self._passage(client, upstream)
        upstream.sendall(flight)
        outward = passage.rest if is_judged else lambda: self._judging(passage, way)
        if source is None:
            passage.carry(outward)
        else:
            passage.carry_given(
                source,
                lambda data: is_judged or self._may_begin(data, way),
                lambda length: client.count(sent=length),
                outward,
            )

    def _may_begin(self, data: bytes, way: Way) -> bool:
        """Say whether what a tunnel begins with is a whole hello. Raises RefusedError for one that may not pass."""
        hello = read_hello(data) if may_be_tls(data) else None
        if hello is None:
            return False
        way.check(hello)
        self._facts.scheme = "https"
        return True

    def _judging(self, passage: Passage, way: Way) -> Iterator[bytes]:
        """Carry what the client sends, looking at the beginning; a client may wait for the server to begin."""
        yield self._first_flight(passage.read, way, must_be_tls=False)
        yield from passage.rest()

    def _intercept(self, interceptor: Interceptor, way: Way, client: Metered) -> None:
        flight = self._first_flight(self._in_time(client), way, must_be_tls=True)
        served = interceptor.serve(Again(client, flight), way.authority, lambda: self._dial(way))
        self._facts.credentials = list(served.credentials) or None
        self._facts.reason = served.reason

    def _first_flight(self, read: Callable[[], bytes], way: Way, *, must_be_tls: bool) -> bytes:
        """Read a tunnel's first bytes, a whole hello where it is TLS. Raises RefusedError for one that may not pass."""
        data = read()
        if not must_be_tls and not (data and may_be_tls(data)):
            self._facts.scheme = "tcp" if data else self._facts.scheme
            return data
        try:
            while (hello := read_hello(data)) is None:
                data += _or_cut_off(read())
            self._facts.scheme = "https"
            way.check(hello)
        except BadHelloError as error:
            if must_be_tls:
                raise RefusedError(403, str(error), answer=alert(ACCESS_DENIED)) from None
            self._facts.scheme = "tcp"
        return data

    def _in_time(self, client: Connection) -> Callable[[], bytes]:
        deadline = time.monotonic() + self._room.caps.head_seconds
        return lambda: client.read(max(0.001, deadline - time.monotonic()))

    def _passage(self, client: Connection, upstream: socket.socket) -> Passage:
        caps = self._room.caps
        return Passage(client, upstream, caps.idle_seconds, caps.linger_seconds, self._room.workers)

    def _answer(self, refused: RefusedError) -> None:
        host = self._facts.host + (f":{self._facts.port}" if self._facts.port else "")
        with contextlib.suppress(OSError):
            self._client.write(refused.answer or error_answer(refused.status, host, refused.reason), _ANSWER_SECONDS)

    def _let_go(self) -> None:
        """Let the client read what it was sent, and close first; what it still says is not heard."""
        has_ended_well = self._facts.reason is None
        deadline = time.monotonic() + (self._room.caps.linger_seconds if has_ended_well else _LET_GO_SECONDS)
        with contextlib.suppress(OSError):
            self._client.end()
            while (left := deadline - time.monotonic()) > 0 and not self._is_cut and self._client.read(left):
                pass

    def _tell(self) -> None:
        if self._facts.host or self._facts.reason:
            metered = self._metered
            self._room.verdicts.ended(self._facts.as_json(*(metered.passed if metered else (0, 0))))


def _or_cut_off(data: bytes) -> bytes:
    if not data:
        raise BadHelloError("its hello was cut off")
    return data
