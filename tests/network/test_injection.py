"""Requests of a sandbox to hosts of credentials: what the host gets, and what comes back."""

import base64
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from agentctl.ids import SystemClock
from agentctl.network.base import Authority, Served
from agentctl.network.injection import Injection
from agentctl.network.tls import SocketConnection
from agentctl.paths import Home
from agentctl.redaction import Redactor, encodings_of
from agentctl.vault.opened import Credentials
from agentctl.vault.store import add_credential, create_vault, path_of, remove_credential, rotate_credential
from tests.network.upstream import (
    HOST,
    Upstream,
    echo,
    echo_in_chunks,
    echo_to_the_end,
    packed,
    redirect,
    upstream,
)

SECRET = "tok_Zq81+mN/0pXw7cRb5Ve2=="
NAME = "EXAMPLE_TOKEN"
SESSION = "sesn_01kaf3m9x8rq2m4n6p8r0t2v4w"


@pytest.fixture
def home(own_home: Path) -> Home:
    home = Home(own_home)
    create_vault(home, "work", SystemClock())
    return home


@pytest.fixture
def server() -> Iterator[Upstream]:
    with upstream() as made:
        yield made


def put(home: Home, secret: str = SECRET, hosts: tuple[str, ...] = (HOST,), name: str = NAME, **more: Any) -> None:
    networking = {"type": "limited", "allowed_hosts": list(hosts)}
    body = {"type": "environment_variable", "secret_name": name, "secret_value": secret, "networking": networking}
    add_credential(home, "work", body | more, SystemClock())


@dataclass
class Sandbox:
    """A program's view: a connection to the interceptor, and the authority that it was told to trust."""

    injection: Injection
    credentials: Credentials
    server: Upstream
    served: list[Served]

    @property
    def placeholder(self) -> str:
        return self.injection.environment[NAME]

    @contextmanager
    def connected(self, host: str = HOST, trusted: bytes | None = None) -> Iterator[ssl.SSLSocket]:
        ours, theirs = socket.socketpair()
        connection = SocketConnection(theirs)

        def serve() -> None:
            try:
                self.served.append(self.injection.serve(connection, Authority(host, 443), self.server.dial))
            except OSError as error:
                self.served.append(Served(reason=str(error)))
            finally:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        context = ssl.create_default_context(cadata=(trusted or self.injection.authorities or b"").decode())
        context.set_alpn_protocols(["h2", "http/1.1"])
        ours.settimeout(10)
        try:
            with context.wrap_socket(ours, server_hostname=host) as tls:
                yield tls
        finally:
            ours.close()
            thread.join(10)
            assert not thread.is_alive()

    @contextmanager
    def client(self, host: str = HOST) -> Iterator[http.client.HTTPConnection]:
        with self.connected(host) as tls:
            client = http.client.HTTPConnection(host)
            client.sock = tls
            client.auto_open = 0
            yield client

    def ask(self, method: str = "POST", path: str = "/", body: Any = None, **headers: str) -> tuple[int, Any, bytes]:
        with self.client() as client:
            client.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()


def sandbox(home: Home, server: Upstream, redactor: Redactor | None = None) -> Sandbox:
    credentials = Credentials(home, ["work"], SESSION, redactor or Redactor())
    return Sandbox(Injection(credentials, SESSION, trust=server.trust), credentials, server, [])


def test_the_host_gets_the_secret_and_the_sandbox_only_ever_sees_its_placeholder(home: Home, server: Upstream) -> None:
    put(home)
    inside = sandbox(home, server)
    assert len(inside.placeholder) == len(SECRET)
    assert inside.placeholder.isalnum()
    body = f"before {inside.placeholder} behind"
    status, headers, answer = inside.ask(body=body, Authorization=f"Bearer {inside.placeholder}", X_Other="kept")
    head, received = server.requests[0]
    assert status == 200
    assert f"Authorization: Bearer {SECRET}" in head
    assert "X-Other: kept" in head
    assert received.decode() == body.replace(inside.placeholder, SECRET)
    assert not any(form.encode() in answer for form in encodings_of(SECRET))  # K5
    assert f"Bearer {inside.placeholder}".encode() in answer
    assert headers["X-Echo"] == f"Bearer {inside.placeholder}"
    assert inside.served == [Served((NAME,), None)]


def test_what_git_and_pip_send_as_basic_authorization_is_looked_into(home: Home, server: Upstream) -> None:
    put(home)
    inside = sandbox(home, server)
    plain = f"x-access-token:{inside.placeholder}".encode()
    _, _, answer = inside.ask(Authorization=f"Basic {base64.b64encode(plain).decode()}")
    assert base64.b64encode(f"x-access-token:{SECRET}".encode()).decode() in server.requests[0][0]
    assert not any(form.encode() in answer for form in encodings_of(SECRET))


@pytest.mark.parametrize(
    ("location", "in_header", "in_body"),
    [({"header": True}, True, False), ({"body": True}, False, True), (None, True, True)],
)
def test_a_placeholder_is_replaced_only_where_the_credential_says(
    home: Home, server: Upstream, location: Any, in_header: bool, in_body: bool
) -> None:
    put(home, **({"injection_location": location} if location else {}))
    inside = sandbox(home, server)
    inside.ask(body=f"k={inside.placeholder}", path=f"/?k={inside.placeholder}", X_Api_Key=inside.placeholder)
    head, body = server.requests[0]
    assert (SECRET in head, SECRET.encode() in body) == (in_header, in_body)
    assert f"/?k={inside.placeholder} " in head  # never in the address, which servers log


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("application/json", 'pa"ss\\wörd&1=2 '.strip()),
        ("application/x-www-form-urlencoded", 'pa"ss\\wörd&1=2 '.strip()),
        ("text/plain", 'pa"ss\\wörd&1=2 '.strip()),
    ],
)
def test_a_secret_with_signs_arrives_as_it_is_whatever_the_body_is_written_in(
    home: Home, server: Upstream, kind: str, written: str
) -> None:
    put(home, secret=written, injection_location={"body": True})
    inside = sandbox(home, server)
    body = json.dumps({"k": inside.placeholder}) if "json" in kind else f"k={inside.placeholder}"
    status, _, answer = inside.ask(body=body, Content_Type=kind)
    received = server.requests[0][1].decode()
    assert status == 200
    if "json" in kind:
        assert json.loads(received) == {"k": written}
    elif "form" in kind:
        assert parse_qs(received) == {"k": [written]}
    else:
        assert received == f"k={written}"
    assert f"content-length: {len(received.encode())}" in server.requests[0][0].lower()
    assert not any(form.encode() in answer for form in encodings_of(written))


def test_a_body_in_chunks_is_passed_on_while_it_comes_wherever_the_placeholder_is_cut(
    home: Home, server: Upstream
) -> None:
    put(home)
    inside = sandbox(home, server)
    data = f"<{inside.placeholder}|{inside.placeholder}>".encode()
    with inside.client() as client:
        pieces = (data[place : place + 1] for place in range(len(data)))
        client.request("PUT", "/", pieces, {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        assert client.getresponse().read()
    assert server.requests[0][1] == f"<{SECRET}|{SECRET}>".encode()


@pytest.mark.parametrize("reply", [echo, echo_in_chunks, echo_to_the_end, packed("gzip"), packed("deflate")])
def test_a_host_that_repeats_the_request_tells_the_sandbox_nothing(
    home: Home, server: Upstream, reply: Any
) -> None:  # K5
    server.reply = reply
    put(home)
    inside = sandbox(home, server)
    status, headers, answer = inside.ask(
        body=" ".join([inside.placeholder] * 3),
        Authorization=f"Bearer {inside.placeholder}",
        Accept_Encoding="gzip, br",
    )
    assert SECRET in server.requests[0][0]
    assert "Accept-Encoding: identity" in server.requests[0][0]
    assert "br" not in server.requests[0][0].lower().split("accept-encoding")[1].split("\r\n")[0]
    assert status == 200
    seen = answer + str(headers).encode()
    assert inside.placeholder.encode() in answer
    assert not any(form.encode() in seen for form in encodings_of(SECRET))


def test_an_answer_in_which_nothing_can_be_found_is_not_passed_on(home: Home, server: Upstream) -> None:
    server.reply = packed("br")
    put(home)
    inside = sandbox(home, server)
    status, _, answer = inside.ask(Authorization=f"Bearer {inside.placeholder}")
    assert status == 502
    assert b"encoded (br)" in answer
    assert "br" in str(inside.served[0].reason)


def test_a_redirect_goes_back_to_the_program_and_nothing_follows_it(home: Home, server: Upstream) -> None:  # K6
    server.reply = redirect
    put(home)
    inside = sandbox(home, server)
    status, headers, _ = inside.ask(Authorization=f"Bearer {inside.placeholder}")
    assert (status, headers["Location"]) == (302, "https://elsewhere.example.com/")
    assert len(server.requests) == 1
    assert not inside.injection.wants(Authority("elsewhere.example.com", 443))


def test_no_other_host_and_no_other_port_is_wanted(home: Home, server: Upstream) -> None:  # K4
    put(home, hosts=(HOST, "*.example.org"))
    injection = sandbox(home, server).injection
    wanted = {"api.example.com", "a.example.org", "a.b.example.org"}
    asked = wanted | {"example.org", "example.com", "xapi.example.com", "api.example.com.evil.org", "aexample.org"}
    assert {host for host in asked if injection.wants(Authority(host, 443))} == wanted
    assert not injection.wants(Authority(HOST, 80))
    assert not injection.wants(Authority(HOST, 8443))


def test_a_placeholder_of_another_host_s_credential_goes_out_as_it_is(home: Home, server: Upstream) -> None:  # K4
    put(home)
    put(home, secret="other_Wm3kQ9xT2vB8", hosts=("other.example.com",), name="OTHER_TOKEN")
    inside = sandbox(home, server)
    other = inside.injection.environment["OTHER_TOKEN"]
    inside.ask(body=other, Authorization=f"Bearer {other}")
    assert f"Bearer {other}" in server.requests[0][0]
    assert server.requests[0][1].decode() == other
    assert inside.served[0].credentials == ()


def test_a_new_secret_is_used_by_the_next_request_of_the_same_connection(home: Home, server: Upstream) -> None:  # K12
    put(home)
    redactor = Redactor()
    inside = sandbox(home, server, redactor)
    with inside.client() as client:
        for secret in (SECRET, "rotated-9Kd7Lw2Qz-and-longer-than-before"):
            if secret != SECRET:
                rotate_credential(home, "work", NAME, secret, SystemClock())
            client.request("POST", "/", inside.placeholder, {"Authorization": f"Bearer {inside.placeholder}"})
            answer = client.getresponse().read()
            assert f"Bearer {secret}" in server.requests[-1][0]
            assert server.requests[-1][1].decode() == secret
            assert secret.encode() not in answer
        remove_credential(home, "work", NAME)
        client.request("GET", "/", headers={"Authorization": f"Bearer {inside.placeholder}"})
        client.getresponse().read()
    assert f"Bearer {inside.placeholder}" in server.requests[-1][0]
    assert server.connections == 1
    assert redactor.text(f"{SECRET} rotated-9Kd7Lw2Qz-and-longer-than-before").count(f"[redacted:{NAME}]") == 2


def test_a_host_whose_certificate_is_not_trusted_gets_nothing(home: Home, server: Upstream) -> None:
    put(home)
    inside = sandbox(home, server)
    inside.injection = Injection(inside.credentials, SESSION)  # the trust of this machine, which the server has not
    status, _, answer = inside.ask(Authorization=f"Bearer {inside.placeholder}")
    assert status == 502
    assert b"certificate is not trusted" in answer
    assert server.requests == []


@pytest.mark.parametrize(
    "raw",
    [
        "GET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\r\nHost: evil.example.com\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com:8443\r\n\r\n",
        "GET https://evil.example.com/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: +3\r\n\r\nabc",
        "GET / HTTP/1.1\r\nHost: api.example.com\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : api.example.com\r\n\r\n",
        "GET / HTTP/1.1\nHost: api.example.com\n\n\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: api.example.com\r\n\r\n",
        "CONNECT evil.example.com:443 HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
        "G\x00T / HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\r\nX: " + "a" * 70_000 + "\r\n\r\n",
    ],
)
def test_a_request_that_could_be_understood_in_two_ways_is_refused(home: Home, server: Upstream, raw: str) -> None:
    put(home)
    inside = sandbox(home, server)
    with inside.connected() as tls:
        tls.sendall(raw.encode("latin-1"))
        answer = tls.recv(65536)
    assert answer.split(b" ")[1] in (b"400", b"421", b"501")
    assert server.requests == []
    assert inside.served[0].reason


def test_requests_one_behind_the_other_are_answered_in_order_and_upstream_is_kept(home: Home, server: Upstream) -> None:
    put(home)
    inside = sandbox(home, server)
    request = "GET /{} HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
    with inside.connected() as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"
        tls.sendall("".join(request.format(number) for number in range(5)).encode())
        data = b""
        while data.count(b"\r\n\r\n") < 10:
            data += tls.recv(65536)
    assert [head.split()[1] for head, _ in server.requests] == [f"/{number}" for number in range(5)]
    assert server.connections == 1


def test_a_server_that_has_closed_between_two_requests_is_connected_to_again(home: Home, server: Upstream) -> None:
    def once(tls: Any, request: Any, body: bytes) -> bool:
        echo(tls, request, body)
        return False  # without having said so

    server.reply = once
    put(home)
    inside = sandbox(home, server)
    with inside.client() as client:
        for number in range(1, 4):
            client.request("GET", "/")
            assert client.getresponse().read()
            deadline = time.monotonic() + 20
            while server.ended < number:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    assert server.connections == 3


def test_an_answer_that_is_cut_off_does_not_look_whole(home: Home, server: Upstream) -> None:
    def cut(tls: Any, request: Any, body: bytes) -> bool:
        tls.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 5)
        return False

    server.reply = cut
    put(home)
    inside = sandbox(home, server)
    with inside.client() as client:
        client.request("GET", "/")
        with pytest.raises((http.client.IncompleteRead, OSError)):
            client.getresponse().read()
    assert "cut off" in str(inside.served[0].reason)


def test_a_server_that_answers_before_the_end_of_a_body_is_heard(home: Home, server: Upstream) -> None:
    put(home)
    inside = sandbox(home, server)
    raw = b"POST / HTTP/1.1\r\nHost: api.example.com\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with inside.connected() as tls:
        tls.sendall(raw)
        assert tls.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        tls.sendall(b"hello")
        assert tls.recv(65536).startswith(b"HTTP/1.1 200")


def test_an_answer_that_is_still_being_written_is_seen_as_it_comes(home: Home, server: Upstream) -> None:
    may_end = threading.Event()

    def stream(tls: Any, request: Any, body: bytes) -> bool:
        tls.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata\n\n\r\n", 5)
        may_end.wait(5)
        tls.write(b"0\r\n\r\n", 5)
        return True

    server.reply = stream
    put(home)
    inside = sandbox(home, server)
    with inside.client() as client:
        client.request("GET", "/")
        answer = client.getresponse()
        assert answer.read1(6) == b"data\n\n"
        may_end.set()
        assert answer.read() == b""


def test_the_placeholder_and_the_authority_are_the_same_when_the_session_is_taken_up_again(
    home: Home, server: Upstream
) -> None:
    put(home)
    first = sandbox(home, server)
    rotate_credential(home, "work", NAME, "another-Secret-71", SystemClock())
    second = sandbox(home, server)
    assert first.placeholder == second.placeholder
    assert Credentials(home, ["work"], "sesn_another", Redactor()).placeholders[NAME] != first.placeholder
    with second.connected(trusted=first.injection.authorities) as tls:
        assert tls.version() == "TLSv1.3"


def test_a_vault_that_is_spoilt_meanwhile_lets_nothing_out_and_the_sandbox_learns_no_path(
    home: Home, server: Upstream
) -> None:  # K9
    put(home)
    inside = sandbox(home, server)
    path_of(home, "work").chmod(0o644)
    path_of(home, "work").write_bytes(b"spoilt")
    assert inside.injection.wants(Authority("anything.example.com", 443))
    status, _, answer = inside.ask(Authorization=f"Bearer {inside.placeholder}")
    assert status == 502
    assert server.requests == []
    assert str(home.root).encode() not in answer
    assert "can be read or written by others" in str(inside.served[0].reason)
