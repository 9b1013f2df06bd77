"""The head of a request is read in one way or not at all."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentctl.network.base import Authority
from agentctl.network.body import Chunked, Sized, body_of
from agentctl.network.requests import BadRequestError, Forward, Tunnel, read_request


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def forwarded(*lines: str) -> Forward:
    asked = read_request(head(*lines))
    assert isinstance(asked, Forward)
    return asked


def test_a_tunnel_is_asked_for_by_host_and_port() -> None:
    assert read_request(head("CONNECT a.example:443 HTTP/1.1", "Host: evil.example")) == Tunnel("a.example", 443)
    assert read_request(head("CONNECT [::1]:443 HTTP/1.0")) == Tunnel("[::1]", 443)


def test_a_request_is_written_anew_with_the_host_that_was_judged() -> None:
    asked = forwarded(
        "GET http://A.example/path?q=1 HTTP/1.1",
        "Host: evil.example",
        "Proxy-Authorization: Basic x",
        "Proxy-Connection: keep-alive",
        "Connection: keep-alive, X-Hop",
        "X-Hop: 1",
        "Upgrade: websocket",
        "Accept: */*",
    )
    sent = asked.head(Authority("a.example", 80)).decode()
    assert sent == "GET /path?q=1 HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nConnection: close\r\n\r\n"


def test_another_port_stands_in_the_host() -> None:
    asked = forwarded("GET http://a.example:8080 HTTP/1.1")
    assert asked.head(Authority("a.example", 8080)).startswith(b"GET / HTTP/1.1\r\nHost: a.example:8080\r\n")
    asked = forwarded("GET http://a.example?q HTTP/1.1")
    assert asked.target == "/?q"


def test_a_name_that_is_not_ascii_is_read_as_text() -> None:  # N5
    asked = read_request("CONNECT bücher.example:443 HTTP/1.1\r\n\r\n".encode())
    assert asked == Tunnel("bücher.example", 443)


@pytest.mark.parametrize(
    "lines",
    [
        ("GET /path HTTP/1.1", "Host: a.example"),
        ("GET https://a.example/ HTTP/1.1",),
        ("GET http://a.example/#part HTTP/1.1",),
        ("GET ftp://a.example/ HTTP/1.1",),
        ("GET http:///path HTTP/1.1",),
        ("GET http://user@a.example:80/ HTTP/1.1", "Content-Length: x"),
        ("GET  http://a.example/ HTTP/1.1",),
        ("GET http://a.example/ HTTP/2.0",),
        ("GET http://a.example/ HTTP/1.1 ",),
        ("GET http://a.example/\x00 HTTP/1.1",),
        ("GET http://a.example/\x85 HTTP/1.1",),
        ("G(T http://a.example/ HTTP/1.1",),
        ("CONNECT a.example HTTP/1.1",),
        ("CONNECT a.example:443/path HTTP/1.1",),
        ("CONNECT http://a.example:443 HTTP/1.1",),
        ("CONNECT user:secret@a.example:443 HTTP/1.1",),
        ("CONNECT a.example:443 HTTP/1.1", "Content-Length: 5"),
        ("CONNECT a.example:443 HTTP/1.1", "Transfer-Encoding: chunked"),
        ("GET http://a.example/ HTTP/1.1", "Host: a.example", "Host: b.example"),
        ("POST http://a.example/ HTTP/1.1", "Content-Length: 5", "Content-Length: 5"),
        ("POST http://a.example/ HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked"),
        ("POST http://a.example/ HTTP/1.1", "Content-Length: +5"),
        ("POST http://a.example/ HTTP/1.1", "Content-Length: 5, 5"),
        ("POST http://a.example/ HTTP/1.1", "Content-Length: -1"),
        ("POST http://a.example/ HTTP/1.1", "Content-Length: ٥"),
        ("POST http://a.example/ HTTP/1.1", "Transfer-Encoding: gzip, chunked"),
        ("POST http://a.example/ HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("POST http://a.example/ HTTP/1.1", "Transfer-Encoding: xchunked"),
        ("POST http://a.example/ HTTP/1.0", "Transfer-Encoding: chunked"),
        ("POST http://a.example/ HTTP/1.1", "Connection: content-length", "Content-Length: 5"),
        ("GET http://a.example/ HTTP/1.1", "X: 1", " folded"),
        ("GET http://a.example/ HTTP/1.1", "X : 1"),
        ("GET http://a.example/ HTTP/1.1", ": 1"),
        ("GET http://a.example/ HTTP/1.1", "no colon"),
        ("GET http://a.example/ HTTP/1.1", "X: a\x00b"),
        ("GET http://a.example/ HTTP/1.1", "X: a\rb"),
        ("GET http://a.example/ HTTP/1.1", "X: a\nHost: evil.example"),
    ],
)
def test_what_may_mean_two_things_is_refused(lines: tuple[str, ...]) -> None:
    data = "\r\n".join([*lines, "", ""]).encode("utf-8" if "٥" in lines[-1] else "latin-1")
    with pytest.raises(BadRequestError):
        read_request(data)


@given(st.binary(max_size=200))
@example(b"\r\n\r\n")
@example(b"CONNECT [:443 HTTP/1.1\r\n\r\n")
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        asked = read_request(data)
    except BadRequestError:
        return
    assert 0 < asked.port < 65_536


@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=20),
    st.lists(
        st.tuples(st.from_regex(r"X-[A-Za-z]{1,8}", fullmatch=True), st.from_regex(r"[ -~]{0,20}", fullmatch=True)),
        max_size=5,
    ),
)
def test_what_goes_upstream_reads_as_what_came(method: str, path: str, fields: list[tuple[str, str]]) -> None:
    asked = forwarded(f"{method} http://a.example/{path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields))
    sent = asked.head(Authority("a.example", 80)).decode("latin-1").split("\r\n")
    assert sent[0] == f"{method} /{path} HTTP/1.1"
    assert sent[1:-2] == ["Host: a.example", *(f"{n}: {v.strip()}" for n, v in fields), "Connection: close"]


def test_nothing_behind_a_sized_body_belongs_to_it() -> None:
    body = Sized(5)
    assert body.take(b"abc") == b"abc"
    assert not body.is_whole
    assert body.take(b"deGET http://evil/ HTTP/1.1") == b"de"
    assert body.is_whole
    assert body.take(b"more") == b""


CHUNKED = b"5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n"


@given(st.lists(st.integers(1, len(CHUNKED) - 1), max_size=6))
def test_a_chunked_body_ends_where_it_ends_however_it_comes(cuts: list[int]) -> None:
    places = sorted({0, len(CHUNKED), *cuts})
    body, taken = body_of(None), b""
    for start, end in itertools.pairwise(places):
        assert not body.is_whole
        taken += body.take(CHUNKED[start:end])
    assert taken == CHUNKED
    assert body.is_whole
    assert body.take(b"GET / HTTP/1.1") == b""


def test_nothing_behind_a_chunked_body_belongs_to_it() -> None:
    body = Chunked()
    assert body.take(CHUNKED + b"GET http://evil/ HTTP/1.1") == CHUNKED
    assert body.is_whole


@pytest.mark.parametrize(
    "data",
    [
        b"-1\r\n",
        b"0x5\r\n",
        b"5\nhello\n",
        b"g\r\n",
        b"\r\n",
        b"5\r\nhello!\r\n",
        b"1" * 17 + b"\r\n",
        b"5;" + b"a" * 5000,
        b"5;\x00\r\n",
    ],
)
def test_a_chunk_that_may_mean_two_things_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequestError):
        Chunked().take(data)
