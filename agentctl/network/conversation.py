"""One connection to a host that credentials are for: requests go out with secrets, answers come back without.

Requests are read by the thread that calls ``hold``, answers by another; the next request is sent when
the answer before it is whole. Nothing is followed or repeated: a redirect goes back to the program.
"""

import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Protocol

from agentctl.errors import AgentctlError
from agentctl.network.base import Authority, Connection, Served
from agentctl.network.hosts import BadHostError, read_authority, read_host
from agentctl.network.messages import (
    Answer,
    BadMessageError,
    Framing,
    Head,
    Incoming,
    Request,
    chunk,
    last_chunk,
    read_answer,
    read_request,
)
from agentctl.network.replacing import Replacing
from agentctl.network.swapping import in_body, in_header
from agentctl.network.unpacking import unpacked
from agentctl.vault.opened import Swap

_IDLE_SECONDS = 600.0
_MOST_BUFFERED = 16 << 20
_HTTPS_PORT = 443
_WITHOUT_BODY = (204, 304)
_PHRASES = {400: "Bad Request", 421: "Misdirected Request", 501: "Not Implemented", 502: "Bad Gateway"}


class RefusedError(Exception):
    """A request or an answer that is not passed on; says why, to the program and to the record."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Upstream(Connection, Protocol):
    """A connection to the host, kept between requests."""

    def is_stale(self) -> bool:
        """Say whether the host has ended it, or said something that nobody has asked for."""
        ...


class Conversation:
    """The conversation of a program with one host.

    ``connect`` makes a connection to the host, on which TLS is spoken already; ``placed`` gives what is
    to be put in; ``hidden`` what is to be taken out of answers, and by what it is replaced.
    """

    def __init__(
        self,
        program: Connection,
        authority: Authority,
        connect: Callable[[], Upstream],
        placed: Callable[[], Sequence[Swap]],
        hidden: Callable[[], Mapping[bytes, bytes]],
    ) -> None:
        self._program = program
        self._authority = authority
        self._connect = connect
        self._placed = placed
        self._hidden = hidden
        self._upstream: Upstream | None = None
        self._answers: Incoming | None = None
        self._asked: SimpleQueue[Request | None] = SimpleQueue()
        self._is_answered = threading.Event()
        self._is_answered.set()
        self._is_last = self._is_given_up = self._is_begun = False
        self._used: dict[str, None] = {}
        self._reason: str | None = None

    def hold(self) -> Served:
        """Hold it to its end; the program's connection is not closed, but nothing more is written to it."""
        reader = threading.Thread(target=self._read_answers, name="egress-answers", daemon=True)
        reader.start()
        refused: RefusedError | None = None
        try:
            self._pass_requests()
        except RefusedError as error:
            refused = error
        except BadMessageError as error:
            refused = RefusedError(400, str(error))
        except AgentctlError as error:  # the vaults; what is wrong with them is for the record only
            refused = RefusedError(502, "the credentials for this host could not be read")
            self._reason = error.message
        except OSError as error:
            self._note(error)
        self._give_up()
        self._asked.put(None)
        reader.join()
        if refused is not None:
            self._refuse(refused)
        self._program.end()
        return Served(tuple(self._used), self._reason)

    # --- requests ---

    def _pass_requests(self) -> None:
        incoming = Incoming(self._program, _IDLE_SECONDS)
        while (head := incoming.head()) is not None:
            self._is_answered.wait()
            if self._is_last:
                return
            self._pass(read_request(head), incoming)
        self._is_answered.wait()

    def _pass(self, request: Request, incoming: Incoming) -> None:
        self._check(request)
        placed = self._placed()
        head, used = in_header(request.head, placed)
        pairs = in_body(request.head, placed)
        body = incoming.body(request.framing)
        if _keeps_length(pairs) or not isinstance(request.framing, int):
            framing: Framing = request.framing
        elif request.framing > _MOST_BUFFERED:
            framing, pairs = request.framing, {}
        else:
            head, body, framing = self._measured(head, body, pairs)
        upstream = self._ready()
        self._note_used(used)
        self._is_answered.clear()
        self._asked.put(request)
        try:
            upstream.write(head.having("Accept-Encoding", "identity").written(), _IDLE_SECONDS)
            self._pass_body(upstream, body, framing, pairs, incoming)
        except (BrokenPipeError, ConnectionResetError):
            self._is_last = True  # the server need not wait for the end of a body to answer
            self._is_answered.wait()

    def _pass_body(
        self,
        upstream: Upstream,
        body: Iterator[bytes],
        framing: Framing,
        pairs: Mapping[bytes, tuple[str, bytes]],
        incoming: Incoming,
    ) -> None:
        replacing = Replacing({old: new for old, (_, new) in pairs.items()})
        for piece in _fed(replacing, body):
            upstream.write(chunk(piece) if framing == "chunked" else piece, _IDLE_SECONDS)
        if framing == "chunked":
            upstream.write(last_chunk(incoming.trailers), _IDLE_SECONDS)
        self._note_used([pairs[old][0] for old in replacing.found])

    def _measured(
        self, head: Head, body: Iterator[bytes], pairs: Mapping[bytes, tuple[str, bytes]]
    ) -> tuple[Head, Iterator[bytes], int]:
        """Read a body whole, since how long it will be has to be said before it."""
        if "100-continue" in head.words("expect"):
            self._program.write(b"HTTP/1.1 100 Continue\r\n\r\n", _IDLE_SECONDS)
            head = head.having("Expect", None)
        data = b"".join(body)
        length = len(Replacing({old: new for old, (_, new) in pairs.items()}).whole(data))
        return head.having("Content-Length", str(length)), iter([data]), length

    def _check(self, request: Request) -> None:
        hosts = request.head.all("host")
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            raise RefusedError(421, "the host of its request is not the one that it is connected to")
        if request.head.all("upgrade"):
            raise RefusedError(501, "a connection that carries credentials cannot change to another protocol")

    def _is_own(self, text: str) -> bool:
        try:
            host, port = read_authority(text, default_port=_HTTPS_PORT)
            return Authority(read_host(host).text, port) == self._authority
        except BadHostError:
            return False

    def _ready(self) -> Upstream:
        if self._upstream is not None and not self._upstream.is_stale():
            return self._upstream
        if self._upstream is not None:
            self._upstream.close()
        try:
            self._upstream = self._connect()
        except OSError as error:
            raise RefusedError(502, f"{self._authority} could not be reached: {_words(error)}") from error
        self._answers = Incoming(self._upstream, _IDLE_SECONDS)
        return self._upstream

    def _note_used(self, names: Sequence[str]) -> None:
        self._used |= dict.fromkeys(names)

    # --- answers ---

    def _read_answers(self) -> None:
        while (request := self._asked.get()) is not None:
            try:
                self._answer(request)
            except (OSError, BadMessageError, RefusedError, zlib.error) as error:
                self._fail(error)
            finally:
                self._is_answered.set()

    def _answer(self, request: Request) -> None:
        assert self._answers is not None
        replacing = self._hidden()
        while True:
            head = self._answers.head()
            if head is None:
                raise ConnectionResetError("the server closed the connection without an answer")
            answer = read_answer(_scrubbed(head, replacing))
            if answer.status >= 200:
                break
            if answer.status == 101:
                raise RefusedError(502, "the server changed to another protocol")
            self._program.write(answer.head.written(), _IDLE_SECONDS)
        self._pass_answer(request, answer, self._answers, replacing)

    def _pass_answer(self, request: Request, answer: Answer, incoming: Incoming, hidden: Mapping[bytes, bytes]) -> None:
        has_body = request.method != "HEAD" and answer.status not in _WITHOUT_BODY
        framing: Framing = answer.framing if has_body else 0
        body = incoming.body(framing)
        if has_body and (coding := answer.head.words("content-encoding") - {"identity"}):
            answer, framing, body = unpacked(answer, coding, body, in_chunks=not request.is_http_1_0)
        self._is_last = self._is_last or _is_last(request, answer) or framing == "to the end"
        self._is_begun = True
        self._program.write(answer.head.written(), _IDLE_SECONDS)
        for piece in _fed(Replacing(hidden), body):
            self._program.write(chunk(piece) if framing == "chunked" else piece, _IDLE_SECONDS)
        if framing == "chunked":
            trailers = _scrubbed(Head("", incoming.trailers), hidden).fields
            self._program.write(last_chunk(trailers), _IDLE_SECONDS)
        self._is_begun = False
        if self._is_last:
            self._program.end()

    def _fail(self, error: Exception) -> None:
        self._is_last = True
        if self._is_given_up:
            return
        self._refuse(RefusedError(502, f"the answer of {self._authority} was not passed on: {_words(error)}"))

    # --- the end ---

    def _give_up(self) -> None:
        self._is_given_up = True
        if self._upstream is not None:
            self._upstream.close()

    def _refuse(self, error: RefusedError) -> None:
        self._reason = self._reason or str(error)
        if self._is_begun:  # in the middle of an answer there is no place for another one
            self._program.close()
            return
        body = f"agentctl: {error}\n".encode()
        phrase = f"{error.status} {_PHRASES[error.status]} (agentctl)"
        head = f"HTTP/1.1 {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        with suppress(OSError):
            self._program.write(head.encode() + b"Connection: close\r\n\r\n" + body, _IDLE_SECONDS)
            self._program.end()

    def _note(self, error: Exception) -> None:
        self._reason = self._reason or _words(error)


def _keeps_length(pairs: Mapping[bytes, tuple[str, bytes]]) -> bool:
    return all(len(old) == len(new) for old, (_, new) in pairs.items())


def _fed(replacing: Replacing, body: Iterator[bytes]) -> Iterator[bytes]:
    for piece in body:
        if ready := replacing.feed(piece):
            yield ready
    if ready := replacing.flush():
        yield ready


def _scrubbed(head: Head, hidden: Mapping[bytes, bytes]) -> Head:
    replacing = Replacing(hidden)

    def scrub(text: str) -> str:
        return replacing.whole(text.encode("latin-1")).decode("latin-1")

    return Head(scrub(head.first), tuple((name, scrub(value)) for name, value in head.fields))


def _is_last(request: Request, answer: Answer) -> bool:
    if answer.is_http_1_0 or request.is_http_1_0:
        return "keep-alive" not in answer.head.words("connection")
    return "close" in answer.head.words("connection") | request.head.words("connection")


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, zlib.error):
        return "its body is not encoded as it says"
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
