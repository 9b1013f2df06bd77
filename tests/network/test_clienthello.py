"""The hello of a TLS client is read, however it is cut, or refused."""

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentctl.network.clienthello import MOST_BYTES, BadHelloError, read_hello


def hello_of(name: str | None) -> bytes:
    """Let OpenSSL write a hello."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.set_alpn_protocols(["h2", "http/1.1"])
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(inward, outward, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outward.read()


def made(*extensions: tuple[int, bytes]) -> bytes:
    """Write a hello with these extensions."""
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0"
    listed = b"".join(kind.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data for kind, data in extensions)
    body += len(listed).to_bytes(2, "big") + listed
    return records(b"\x01" + len(body).to_bytes(3, "big") + body)


def records(message: bytes, size: int = 1 << 14) -> bytes:
    pieces = [message[place : place + size] for place in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def named(name: bytes, kind: bytes = b"\0") -> tuple[int, bytes]:
    entry = kind + len(name).to_bytes(2, "big") + name
    return 0, len(entry).to_bytes(2, "big") + entry


def test_the_name_that_openssl_writes_is_read() -> None:
    hello = read_hello(hello_of("a.example"))
    assert hello is not None
    assert (hello.server_name, hello.encrypted) == ("a.example", False)


def test_a_hello_without_a_name_has_none() -> None:
    hello = read_hello(hello_of(None))
    assert hello is not None
    assert hello.server_name is None


def test_an_encrypted_hello_inside_is_seen() -> None:
    hello = read_hello(made(named(b"public.example"), (0xFE0D, b"\0" * 40)))
    assert hello is not None
    assert hello.encrypted


WHOLE = hello_of("a.example")


@given(st.data())
def test_every_beginning_of_a_hello_is_only_a_beginning(data: st.DataObject) -> None:
    whole = WHOLE
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert read_hello(whole[:cut]) is None
    assert read_hello(whole + b"\x17\x03\x03") is not None


@given(st.integers(1, 300))
def test_a_hello_may_come_in_any_number_of_records(size: int) -> None:
    message = made(named(b"a.example"))[5:]
    hello = read_hello(records(message, size))
    assert hello is not None
    assert hello.server_name == "a.example"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"\x80\x2e\x01\x03\x01",
        b"\x16\x02\x00\x00\x05",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        records(b"\x02\x00\x00\x05hello"),
        records(b"\x01\xff\xff\xff"),
        records(b"\x01\x00\x00\x01x"),
        made(named(b"a.example"), named(b"b.example")),
        made(named(b"")),
        made(named("ü.example".encode())),
        made(named(b"a.example", kind=b"\x01")),
        made((0, b"")),
        made((0, b"\x00\x05\x00\x00\x02ab\x00")),
        records(b"\x01\x00\x00\x04ab")[:-2] + b"\x17\x03\x03\x00\x02cd",
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(BadHelloError):
        read_hello(data)


def test_a_hello_without_end_is_refused() -> None:
    with pytest.raises(BadHelloError):
        read_hello(records(b"\x01\x00\xff\xf0" + bytes(MOST_BYTES), 1))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for begun in (data, b"\x16\x03\x01" + data, records(b"\x01" + len(data).to_bytes(3, "big") + data)):
        with contextlib.suppress(BadHelloError):
            read_hello(begun)
