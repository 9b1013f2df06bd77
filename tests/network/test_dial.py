"""A name is resolved once, every address of it is checked, and what was checked is dialled."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentctl.network.base import Authority
from agentctl.network.dial import DialError, Dialler, ForbiddenError, SystemResolver, is_public
from tests.network.kit import PUBLIC, Table


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.80",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "3fff::1",
        "5f00::1",
        "100::1",
    ],
)
def test_addresses_that_not_everybody_reaches_are_not_public(address: str) -> None:  # N4
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700::1111", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_is_as_public_as_the_one_inside_it(address: object) -> None:
    for form in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert is_public(ip_address(form)) == is_public(ip_address(str(address)))


class DnsServer:
    """A real DNS server of the loopback, whose answers are a function of the name and of how often it was asked."""

    def __init__(self, answer: Callable[[str, int, int], Sequence[tuple[str, str]] | int | None]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, int]] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))

    def serve(self) -> None:
        while True:
            try:
                query, peer = self.socket.recvfrom(2048)
            except OSError:
                return
            if not query:
                return
            name, place = name_in(query, 12)
            kind = struct.unpack_from("!H", query, place)[0]
            times = self.asked.count((name, kind))
            self.asked.append((name, kind))
            found = self.answer(name, kind, times)
            if found is not None:
                self.socket.sendto(reply(query, place + 4, found), peer)


def name_in(message: bytes, place: int) -> tuple[str, int]:
    labels = []
    while size := message[place]:
        labels.append(message[place + 1 : place + 1 + size].decode())
        place += 1 + size
    return ".".join(labels), place + 1


def name_of(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def reply(query: bytes, end: int, found: Sequence[tuple[str, str]] | int) -> bytes:
    code = found if isinstance(found, int) else 0
    records = [] if isinstance(found, int) else found
    body = b""
    for kind, value in records:
        number = {"A": 1, "CNAME": 5, "AAAA": 28}[kind]
        owner = name_of("hidden.test") if records[0][0] == "CNAME" and kind != "CNAME" else b"\xc0\x0c"
        data = name_of(value) if kind == "CNAME" else ip_address(value).packed
        body += owner + struct.pack("!HHIH", number, 1, 0, len(data)) + data
    return query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0) + query[12:end] + body


class DnsResolver:
    """A Resolver that asks one DNS server: the second kind, beside the system's."""

    def __init__(self, port: int) -> None:
        self.port = port

    def addresses(self, name: str, timeout_seconds: float) -> Sequence[str]:
        found: list[str] = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(timeout_seconds)
            for kind in (1, 28):
                asking.sendto(
                    struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + name_of(name) + struct.pack("!HH", kind, 1),
                    ("127.0.0.1", self.port),
                )
                found += self._read(asking.recv(4096))
        return found

    def _read(self, answer: bytes) -> list[str]:
        if answer[3] & 15:
            raise OSError(f"the server answered with code {answer[3] & 15}")
        _, place = name_in(answer, 12)
        place += 4
        found = []
        for _ in range(struct.unpack_from("!H", answer, 6)[0]):
            place = place + 2 if answer[place] >= 192 else name_in(answer, place)[1]
            kind, _, _, size = struct.unpack_from("!HHIH", answer, place)
            data = answer[place + 10 : place + 10 + size]
            place += 10 + size
            if kind in (1, 28):
                found.append(str(ip_address(data)))
        return found


@contextmanager
def dns(
    answer: Callable[[str, int, int], Sequence[tuple[str, str]] | int | None], resolve_seconds: float = 20
) -> Iterator[tuple[DnsServer, Dialler]]:
    server = DnsServer(answer)
    port = server.socket.getsockname()[1]
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server, Dialler(DnsResolver(port), Table().connect, resolve_seconds=resolve_seconds)
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        thread.join()
        server.socket.close()


def only(*records: tuple[str, str]) -> Callable[[str, int, int], Sequence[tuple[str, str]]]:
    """Answer each question with the records of its kind, and those that lead to them."""

    def answer(name: str, kind: int, times: int) -> Sequence[tuple[str, str]]:
        wanted = {1: "A", 28: "AAAA"}[kind]
        found = [record for record in records if record[0] in (wanted, "CNAME")]
        return found if any(record[0] == wanted for record in found) else []

    return answer


AUTHORITY = Authority("rebound.test", 443)


def test_a_name_that_leads_to_the_internet_may_be_dialled() -> None:  # N7
    with dns(only(("A", PUBLIC), ("AAAA", "2606:4700::1111"))) as (server, dialler):
        assert [str(found) for found in dialler.addresses(AUTHORITY, private=False)] == [PUBLIC, "2606:4700::1111"]
        assert server.asked == [("rebound.test", 1), ("rebound.test", 28)]


@pytest.mark.parametrize(
    "records",
    [
        [("A", "127.0.0.1")],
        [("A", PUBLIC), ("A", "127.0.0.1")],
        [("A", PUBLIC), ("A", "169.254.169.254")],
        [("AAAA", "::1")],
        [("AAAA", "fd00::1")],
        [("A", PUBLIC), ("AAAA", "::ffff:10.0.0.1")],
        [("CNAME", "hidden.test"), ("A", "10.0.0.1")],
    ],
)
def test_one_address_that_is_not_public_condemns_the_name(records: list[tuple[str, str]]) -> None:  # N7
    with dns(only(*records)) as (_, dialler), pytest.raises(ForbiddenError, match="not a public address"):
        dialler.addresses(AUTHORITY, private=False)


def test_a_name_that_leads_elsewhere_the_next_time_leads_nowhere_then() -> None:  # N7
    def rebinding(name: str, kind: int, times: int) -> Sequence[tuple[str, str]]:
        return [] if kind == 28 else [("A", PUBLIC if times == 0 else "127.0.0.1")]

    with dns(rebinding) as (server, dialler):
        checked = dialler.addresses(AUTHORITY, private=False)
        assert [str(found) for found in checked] == [PUBLIC]
        assert server.asked.count(("rebound.test", 1)) == 1  # and what was checked is what is dialled
        with pytest.raises(ForbiddenError):
            dialler.addresses(AUTHORITY, private=False)


@pytest.mark.parametrize("answer", [2, 3, None, []], ids=["SERVFAIL", "NXDOMAIN", "silence", "nothing"])
def test_a_name_without_an_answer_leads_nowhere(answer: Sequence[tuple[str, str]] | int | None) -> None:  # N7
    with dns(lambda *_: answer, 0.4) as (_, dialler), pytest.raises(DialError) as caught:
        dialler.addresses(AUTHORITY, private=False)
    assert not isinstance(caught.value, ForbiddenError)


def test_this_machines_own_address_is_refused_though_it_were_public() -> None:  # N12
    table = Table({"me.test": [own_address()]})
    with pytest.raises(ForbiddenError):
        Dialler(table).addresses(Authority("me.test", 443), private=False)


def own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.77", 9))
        return str(probe.getsockname()[0])


def test_an_address_that_does_not_answer_gives_way_to_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as closed:
        closed.bind(("127.0.0.2", listener.getsockname()[1]))
        dialler = Dialler(Table({"two.test": ["127.0.0.2", "127.0.0.1"]}))
        addresses = dialler.addresses(Authority("two.test", 1), private=True)
        made, address = dialler.connect(addresses, listener.getsockname()[1])
        made.close()
        assert address == "127.0.0.1"
        with pytest.raises(DialError, match="refused"):
            dialler.connect(addresses[:1], listener.getsockname()[1])


class Asleep(SystemResolver):
    """A system whose resolver takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.may_wake = threading.Event()

    def _ask(self, name: str, answer: object) -> None:
        self.may_wake.wait(60)
        self._places.release()


def test_a_resolver_that_hangs_is_not_waited_for_and_not_asked_for_ever() -> None:  # N7
    resolver = Asleep()
    begun = time.monotonic()
    for _ in range(32):
        with pytest.raises(DialError, match="in time"):
            resolver.addresses("slow.test", 0.001)
    with pytest.raises(DialError, match="too many"):
        resolver.addresses("slow.test", 0.001)
    assert time.monotonic() - begun < 30
    resolver.may_wake.set()


def test_the_system_resolves_names() -> None:
    assert set(SystemResolver().addresses("localhost", 5)) <= {"127.0.0.1", "::1"}
