"""What a client sends is passed on as it comes, or left whole to be read; nothing is lost, doubled or out of order."""

import socket
from collections.abc import Iterator

import pytest

from agentctl.network.direct import Direct
from tests.network import kit
from tests.network.kit import Table, no_threads, proxy, read_all
from tests.network.test_clienthello import hello_of
from tests.network.test_gateway import listening


class Counted:
    """Counts bytes, up to a limit."""

    def __init__(self) -> None:
        self.bytes, self.most = 0, 1 << 30

    def __call__(self, length: int) -> None:
        if self.bytes + length > self.most:
            raise ConnectionError("a limit")
        self.bytes += length


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        theirs.settimeout(10)
        yield ours, theirs


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def stops() -> list[None]:
    return []


@pytest.fixture
def direct(pair: tuple[socket.socket, socket.socket], counted: Counted, stops: list[None]) -> Iterator[Direct]:
    made = Direct(pair[0], lambda data: data.startswith(b"h"), counted, lambda: stops.append(None))
    yield made
    made.close()


def test_what_comes_is_passed_on_and_then_the_end(
    direct: Direct, counted: Counted, pair: tuple[socket.socket, socket.socket]
) -> None:
    assert [direct.take(b"hello "), direct.take(b"you"), direct.take(b"")] == [None, None, None]
    assert read_all(pair[1]) == b"hello you"
    assert (counted.bytes, direct.has_begun, direct.has_ended) == (9, True, True)
    pair[1].sendall(b"and you")
    assert pair[0].recv(100) == b"and you"


def test_a_beginning_that_may_not_pass_is_left_to_be_read_and_none_of_it_sent(
    direct: Direct, counted: Counted, pair: tuple[socket.socket, socket.socket]
) -> None:
    assert direct.take(b"something else") == b"something else"
    pair[0].shutdown(socket.SHUT_WR)
    assert read_all(pair[1]) == b""
    assert (counted.bytes, direct.has_begun) == (0, False)


def test_what_a_limit_forbids_is_left_to_be_read(
    direct: Direct, counted: Counted, pair: tuple[socket.socket, socket.socket]
) -> None:
    counted.most = 7
    assert [direct.take(b"hello"), direct.take(b"you")] == [None, b"you"]
    assert (counted.bytes, direct.has_begun, direct.left) == (5, True, b"")
    assert pair[1].recv(100) == b"hello"


def test_no_more_than_64_kib_are_passed_on(direct: Direct) -> None:
    assert direct.take(b"h" * 40_000) is None
    assert direct.take(b"x" * 40_000) == b"x" * 40_000


def test_what_a_server_does_not_take_at_once_is_kept(
    direct: Direct, counted: Counted, pair: tuple[socket.socket, socket.socket]
) -> None:
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    pieces = [b"h%05d" % number * 1_000 for number in range(10)]
    taken = []
    for piece in pieces:
        taken.append(piece)
        if direct.take(piece) is not None:
            break
    assert direct.left
    assert counted.bytes == len(b"".join(taken))
    pair[0].shutdown(socket.SHUT_WR)
    assert read_all(pair[1]) + direct.left == b"".join(taken)


def test_a_server_that_is_gone_is_found_out_by_who_reads(
    direct: Direct, pair: tuple[socket.socket, socket.socket]
) -> None:
    pair[1].close()
    assert direct.take(b"hello") == b""
    assert direct.left == b"hello"
    direct.take(b"")
    assert direct.has_ended


def test_what_begins_directly_goes_on_in_order_when_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "connection_of", kit.over_channel)
    data = hello_of("a.example") + b"".join(b"%07d\n" % number for number in range(60_000))

    def gather(connection: socket.socket) -> None:
        with connection:
            connection.sendall(read_all(connection))

    with (
        listening(gather) as port,
        proxy({"type": "limited", "private_hosts": [f"127.0.0.1:{port}"]}, Table()) as found,
    ):
        client, _ = found.tunnel(f"127.0.0.1:{port}")
        with client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == data
        [told] = found.told.wait()
    assert (told["bytes_sent"], told["bytes_received"], told["scheme"]) == (len(data), len(data), "https")


def test_where_no_thread_can_be_started_to_read_the_connection_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "connection_of", kit.over_channel)

    def wait(connection: socket.socket) -> None:
        with connection:
            read_all(connection)

    with listening(wait) as port, proxy({"type": "limited", "private_hosts": [f"127.0.0.1:{port}"]}, Table()) as found:
        client, _ = found.tunnel(f"127.0.0.1:{port}")
        with client, no_threads():
            client.sendall(b"no hello")
            assert read_all(client) == b""
            [told] = found.told.wait()
    assert "RuntimeError" in told["reason"]
