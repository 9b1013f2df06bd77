"""The gateway over real connections: what may pass passes, and nothing else leaves."""

import contextlib
import io
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agentctl.network.base import Authority, Connection, Dial, Served
from agentctl.network.metering import Caps
from agentctl.network.rules import Rules
from tests.network import kit
from tests.network.kit import AUTHORITY, PUBLIC, Proxy, Site, Table, proxy, read_all, site, trusting

NAME = "api.allowed.test"
LIMITED = {"type": "limited", "allowed_hosts": [NAME], "allow_http": True}


@pytest.fixture(autouse=True, params=[kit.over_channel, kit.over_socket])
def joined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have connections that give what comes, and ones that have to be read."""
    monkeypatch.setattr(kit, "connection_of", request.param)


@pytest.fixture(scope="module")
def secure() -> Iterator[Site]:
    with site(context=AUTHORITY.context(NAME)) as found:
        yield found


@pytest.fixture(scope="module")
def plain() -> Iterator[Site]:
    with site() as found:
        yield found


@pytest.fixture
def table(secure: Site, plain: Site) -> Table:
    return Table({NAME: [PUBLIC]}, {443: secure.port, 80: plain.port})


@pytest.fixture
def limited(table: Table) -> Iterator[Proxy]:
    with proxy(LIMITED, table) as found:
        yield found


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Give the first connection to a port of the loopback to ``serve``, in a thread; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: serve(listener.accept()[0]), daemon=True).start()
        yield listener.getsockname()[1]


def refused(proxy: Proxy, asked: str) -> str:
    """Ask for what is refused: return the reason that is recorded, which the answer says too."""
    before = len(proxy.told.verdicts)
    answer = proxy.ask(asked.encode() if "\r\n" in asked else f"CONNECT {asked} HTTP/1.1\r\n\r\n".encode())
    verdict = proxy.told.wait(before + 1)[-1]
    assert not verdict["allowed"]
    assert re.match(rb"HTTP/1\.1 40[03] ", answer), answer
    reason = str(verdict["reason"])
    assert reason in answer.decode()
    return reason


def test_tls_passes_to_a_host_that_is_allowed(limited: Proxy, table: Table) -> None:
    client, answer = limited.tunnel(f"{NAME}:443")
    assert answer.startswith(b"HTTP/1.1 200 ")
    with trusting().wrap_socket(client, server_hostname=NAME) as tls:
        tls.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert read_all(tls).endswith(b"GET /x is here")
    verdict = limited.told.wait()[0]
    assert verdict["allowed"]
    assert {name: verdict[name] for name in ("host", "port", "scheme", "address")} == {
        "host": NAME,
        "port": 443,
        "scheme": "https",
        "address": PUBLIC,
    }
    assert verdict["bytes_sent"] > 200
    assert verdict["bytes_received"] > 500
    assert verdict["started_id"] == "sevt_1"
    assert limited.told.begun_ones == [{"host": NAME, "port": 443, "scheme": "https"}]
    assert table.dialled == [(PUBLIC, 443)]


def test_a_plain_request_is_made_in_the_programs_place(limited: Proxy, plain: Site) -> None:
    answer = limited.ask(
        f"POST http://{NAME.upper()}./in?q HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 4\r\n\r\nbody"
        "GET http://evil.test/ HTTP/1.1\r\n\r\n".encode()
    )
    assert answer.endswith(b"POST /in?q is here")
    method, path, headers, body = plain.requests[-1]
    assert (method, path, body) == ("POST", "/in?q", b"body")
    assert headers["Host"] == NAME
    assert headers["Connection"] == "close"
    assert [verdict["scheme"] for verdict in limited.told.wait()] == ["http"]


def test_a_body_in_chunks_passes_and_ends_where_it_ends(limited: Proxy, plain: Site) -> None:
    head = f"POST http://{NAME}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    limited.ask(head + b"3\r\nabc\r\n0\r\n\r\nGET http://evil.test/ HTTP/1.1\r\n\r\n")
    assert plain.requests[-1][3] == b"abc"
    before = len(plain.requests)
    limited.ask(head + b"3\r\nabcd\r\n0\r\n\r\n")
    assert limited.told.wait(2)[-1]["reason"] == "a chunk of its body is longer than it says"
    assert len(plain.requests) == before


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "127.0.0.1",
        "0",
        "127.1",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "[::ffff:7f00:1]",
        "[fe80::1%eth0]",
        "10.1.2.3",
        "100.64.1.2",
        "192.168.1.1",
        "172.17.0.1",
        PUBLIC,
    ],
)
def test_addresses_are_refused_however_they_are_written(limited: Proxy, table: Table, host: str) -> None:  # N4
    refused(limited, f"{host}:443")
    refused(limited, f"GET http://{host}/ HTTP/1.1\r\n\r\n")
    assert table.dialled == []
    assert limited.told.begun_ones == []


@pytest.mark.parametrize(
    "authority",
    [
        f"evil-{NAME}:443",
        f"{NAME}.evil:443",
        f"evil.{NAME}:443",
        "allowed.test:443",
        f"evil\0.{NAME}:443",
        f"{NAME}@evil:443",
        f"{NAME}:443@evil:443",
        f"%2e{NAME}:443",
        f"{NAME} :443",
        f"{NAME}:8443",
        f"{NAME}:80",
        f"{NAME}:0443x",
        NAME,
    ],
)
def test_only_the_very_name_and_port_are_allowed(limited: Proxy, table: Table, authority: str) -> None:  # N5
    refused(limited, authority)
    assert table.asked == []


@pytest.mark.parametrize("spelling", [NAME.upper(), f"{NAME}.", "api.allowed。test"])
def test_one_name_in_other_spellings_is_the_same_name(limited: Proxy, spelling: str) -> None:  # N5
    client, answer = limited.tunnel(f"{spelling}:443")
    client.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert limited.told.wait()[0]["host"] == NAME


def test_patterns_allow_what_is_below_and_http_is_only_allowed_where_that_is_written(table: Table) -> None:
    with proxy({"type": "limited", "allowed_hosts": ["*.allowed.test"]}, table) as found:
        client, answer = found.tunnel(f"{NAME}:443")
        client.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        found.told.wait()
        assert "allowed_hosts" in refused(found, "allowed.test:443")
        assert "allow_http" in refused(found, f"GET http://{NAME}/ HTTP/1.1\r\n\r\n")


def hello_for(name: str | None) -> bytes:
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(inward, outward, server_hostname=name).do_handshake()
    return outward.read()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (hello_for("evil.test"), "another server, evil.test"),
        (hello_for(None), "does not say which server"),
        (b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", "does not speak TLS"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak TLS"),
        (hello_for(NAME)[:-20], "cut off"),
    ],
)
def test_a_tunnel_carries_tls_for_its_own_host_and_nothing_else(  # N17
    limited: Proxy, secure: Site, said: bytes, reason: str
) -> None:
    client, _ = limited.tunnel(f"{NAME}:443")
    with client:
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client)[:3] == b"\x15\x03\x03"  # an alert
    verdict = limited.told.wait()[0]
    assert not verdict["allowed"]
    assert reason in verdict["reason"]
    assert verdict["bytes_received"] == 0


def test_a_hello_in_many_pieces_passes(limited: Proxy) -> None:
    client, _ = limited.tunnel(f"{NAME}:443")
    with client:
        for byte in hello_for(NAME):
            client.sendall(bytes([byte]))
        client.settimeout(10)
        assert client.recv(1) == b"\x16"


def test_a_redirect_is_the_clients_to_follow_and_is_judged_anew(table: Table) -> None:  # N8
    def elsewhere(method: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
        return 302, {"Location": "http://denied.test/secret"}, b""

    with site(elsewhere) as redirecting, proxy(LIMITED, Table({NAME: [PUBLIC]}, {80: redirecting.port})) as found:
        answer = found.ask(f"GET http://{NAME}/ HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 302 ")
        assert len(redirecting.requests) == 1
        found.told.wait()
        assert "allowed_hosts" in refused(found, "GET http://denied.test/secret HTTP/1.1\r\n\r\n")
        assert len(redirecting.requests) == 1


def test_a_proxy_in_front_changes_nothing(limited: Proxy) -> None:  # N9
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def forward() -> None:
            inner, _ = listener.accept()
            with inner, limited.connect() as outer:
                outer.sendall(inner.recv(65536))
                inner.sendall(read_all(outer))

        relay = threading.Thread(target=forward)
        relay.start()
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"CONNECT evil.test:443 HTTP/1.1\r\n\r\n")
            assert read_all(client).startswith(b"HTTP/1.1 403 ")
        relay.join()


def test_private_hosts_may_lead_anywhere_and_speak_anything(plain: Site, secure: Site) -> None:
    def greet(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"220 I speak first\r\n")
            connection.sendall(connection.recv(100))

    with listening(greet) as port:
        hosts = [f"127.0.0.1:{port}", f"db.internal.test:{plain.port}"]
        with proxy({"type": "limited", "private_hosts": hosts}, Table({"db.internal.test": ["127.0.0.1"]})) as found:
            client, _ = found.tunnel(f"127.0.0.1:{port}")
            with client:
                assert client.recv(100) == b"220 I speak first\r\n"
                client.sendall(b"HELO")
                assert read_all(client) == b"HELO"
            found.told.wait()
            answer = found.ask(f"GET http://db.internal.test:{plain.port}/ HTTP/1.1\r\n\r\n".encode())
            assert answer.endswith(b"GET / is here")
            found.told.wait(2)
            refused(found, f"127.0.0.1:{plain.port}")
            refused(found, f"db.internal.test:{secure.port}")
        assert [(v["scheme"], v["allowed"]) for v in found.told.wait(4)[:2]] == [("tcp", True), ("http", True)]


@pytest.mark.parametrize("kind", ["unrestricted", "learn"])
def test_without_restrictions_every_public_host_is_reached_and_no_other(kind: str, secure: Site) -> None:
    table = Table({"any.test": [PUBLIC], "inner.test": ["10.0.0.1"]}, {8443: secure.port})
    with proxy({"type": kind}, table) as found:
        client, answer = found.tunnel("any.test:8443")
        client.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        found.told.wait()
        assert "not a public address" in refused(found, "inner.test:443")
        assert "not a public address" in refused(found, "127.0.0.1:443")
        assert "not a public address" in refused(found, "[::1]:443")
        client, _ = found.tunnel("any.test:8443")
        with client:
            client.sendall(hello_for("evil.test"))
            assert read_all(client) == b""
        assert "another server" in found.told.wait(5)[-1]["reason"]


def test_what_cannot_be_recorded_does_not_go_out(limited: Proxy, table: Table) -> None:  # H14
    limited.told.is_broken = True
    answer = limited.ask(f"CONNECT {NAME}:443 HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"it could not be recorded: the disk is full" in answer
    assert (table.asked, table.dialled) == ([], [])


def test_a_defect_closes_the_way_out(table: Table) -> None:  # H14
    def broken() -> Rules:
        raise ZeroDivisionError

    with proxy(LIMITED, table) as found:
        found.gateway._room = replace(found.gateway._room, rules=broken)
        assert found.ask(f"CONNECT {NAME}:443 HTTP/1.1\r\n\r\n".encode()) == b""
        assert found.told.wait()[0]["reason"] == "it failed inside agentctl (ZeroDivisionError)"
        assert not found.told.wait()[0]["allowed"]
    assert table.dialled == []


def test_a_closed_gateway_takes_nothing_and_cuts_what_is_open(  # N15, H14
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentctl.network.gateway.CLOSE_SECONDS", 60)
    with proxy(LIMITED, table, caps=Caps(head_seconds=120)) as found:
        client, _ = found.tunnel(f"{NAME}:443")
        begun = time.monotonic()
        found.gateway.close()
        assert time.monotonic() - begun < 30
        with client:
            assert read_all(client) == b""
        assert len(found.told.verdicts) == 1
        assert found.ask(f"CONNECT {NAME}:443 HTTP/1.1\r\n\r\n".encode()) == b""
        assert found.told.wait(2)[1]["reason"] == "the session's network is closed"


@pytest.mark.parametrize(
    ("sent", "caps", "reason"),
    [
        (b"GET http://a.test/ HTTP/1.1\r\nX: " + b"a" * (1 << 20), Caps(), "longer than"),
        (b"GET http://a.test/ HTTP/1.1\r\n", Caps(head_seconds=0.3), "did not come in time"),
    ],
    ids=["too long", "too slow"],
)
def test_a_head_that_is_too_long_or_too_slow_is_refused(  # N15
    table: Table, sent: bytes, caps: Caps, reason: str
) -> None:
    with proxy(LIMITED, table, caps=caps) as found, found.connect() as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(sent)
        found.told.wait()
        assert reason in found.told.verdicts[0]["reason"]


def test_a_hello_that_does_not_come_is_not_waited_for(table: Table) -> None:  # N15
    with proxy(LIMITED, table, caps=Caps(head_seconds=2)) as found:  # the head has to come in this time too
        client, answer = found.tunnel(f"{NAME}:443")
        assert answer.startswith(b"HTTP/1.1 200 ")
        with client:
            client.sendall(hello_for(NAME)[:40])
            assert read_all(client) == b""
        assert found.told.wait()[0]["bytes_received"] == 0


def test_an_idle_tunnel_is_cut_and_one_that_is_busy_one_way_is_not() -> None:
    idle_is_cut = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            while not idle_is_cut.wait(0.1):
                connection.sendall(b".")
            connection.sendall(b"the end")

    def say_one_thing(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b".")
            read_all(connection)

    with listening(drip) as busy, listening(say_one_thing) as idle:
        caps = Caps(idle_seconds=3)  # far longer than a thread of a busy machine waits for its turn
        hosts = [f"127.0.0.1:{busy}", f"127.0.0.1:{idle}"]
        with proxy({"type": "limited", "private_hosts": hosts}, caps=caps) as found:
            dripping, _ = found.tunnel(f"127.0.0.1:{busy}")  # open for longer than the one that is cut
            quiet, _ = found.tunnel(f"127.0.0.1:{idle}")
            with dripping, quiet:
                assert read_all(quiet) == b"."
                assert [verdict["port"] for verdict in found.told.wait()] == [idle]
                idle_is_cut.set()
                assert re.fullmatch(rb"\.+the end", read_all(dripping))
            cut, ended = found.told.wait(2)
            assert cut["reason"] == "nothing has passed for 3 s"
            assert "reason" not in ended


@pytest.mark.parametrize("joined", [kit.over_channel], indirect=True)
def test_a_tunnel_is_cut_when_nothing_has_passed_for_as_long_as_is_said_and_not_for_twice_as_long() -> None:
    def hear(server: socket.socket) -> None:
        with server:
            read_all(server)

    caps = Caps(idle_seconds=4)
    with listening(hear) as port, proxy(LIMITED, Table({NAME: [PUBLIC]}, {443: port}), caps=caps) as found:
        client, _ = found.tunnel(f"{NAME}:443")
        with client:
            client.sendall(hello_for(NAME))
            time.sleep(0.5)
            client.sendall(b".")
            began = time.monotonic()
            assert read_all(client) == b""
            assert 3.9 < time.monotonic() - began < 7
        assert found.told.wait()[0]["reason"] == "nothing has passed for 4 s"


@pytest.mark.parametrize(
    ("caps", "reason"),
    [
        (Caps(connection_bytes=100_000), "the connection has passed its limit"),
        (Caps(session_bytes=100_000), "the session has passed its limit"),
        (Caps(sent_bytes=100_000), "the session has sent this host its limit"),
    ],
)
def test_what_is_sent_is_counted_and_ends_at_a_limit(caps: Caps, reason: str) -> None:  # N15, N16
    def sink(connection: socket.socket) -> None:
        with connection:
            read_all(connection)

    with (
        listening(sink) as port,
        proxy({"type": "limited", "private_hosts": [f"127.0.0.1:{port}"]}, caps=caps) as found,
    ):
        client, _ = found.tunnel(f"127.0.0.1:{port}")
        with client, contextlib.suppress(ConnectionError):
            client.sendall(bytes(3_000_000))
            read_all(client)
        verdict = found.told.wait()[0]
        assert verdict["reason"].startswith(reason)
        assert verdict["bytes_sent"] <= 100_000


def test_no_more_connections_are_served_than_there_is_room_for(table: Table) -> None:  # N15
    with proxy(LIMITED, table, caps=Caps(connections=8, all_connections=30, head_seconds=60)) as found:
        held = [found.connect() for _ in range(8)]
        for _ in range(4):
            assert found.ask(b"") == b""
        assert found.told.wait(4)[0]["reason"] == "more than 8 connections at one time"
        for client in held:
            client.close()
        found.gateway.wait(10)
        client, answer = found.tunnel(f"{NAME}:443")
        client.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        for _ in range(25):
            with found.connect() as client, contextlib.suppress(OSError):
                client.sendall(b"x")
                client.shutdown(socket.SHUT_WR)
                read_all(client)
        assert "its limit of 30 connections" in found.told.verdicts[-1]["reason"]


class Echo:
    """Stands in for a host: answers the hello with the name it serves."""

    environment: Mapping[str, str] = {"API_KEY": "placeholder"}
    authorities = b"-----BEGIN CERTIFICATE-----"

    def __init__(self) -> None:
        self.served: list[Authority] = []

    def wants(self, authority: Authority) -> bool:
        return authority.port == 443

    def serve(self, client: Connection, authority: Authority, dial: Dial) -> Served:
        self.served.append(authority)
        assert client.read(5)[0] == 22
        with dial() as upstream:
            assert upstream.getpeername()[0] == "127.0.0.1"
        client.write(b"intercepted", 5)
        return Served(credentials=("API_KEY",))


def test_hosts_that_a_credential_is_for_are_served_by_the_interceptor(table: Table) -> None:
    interceptor = Echo()
    with proxy(LIMITED, table, interceptor=interceptor) as found:
        assert found.gateway.environment["API_KEY"] == "placeholder"
        assert found.gateway.authorities == interceptor.authorities
        client, _ = found.tunnel(f"{NAME}:443")
        with client:
            client.sendall(hello_for(NAME))
            assert read_all(client) == b"intercepted"
        verdict = found.told.wait()[0]
        assert verdict["credentials"] == ["API_KEY"]
        assert (verdict["address"], verdict["bytes_received"]) == (PUBLIC, 11)
        client, _ = found.tunnel(f"{NAME}:443")
        with client:
            client.sendall(hello_for("evil.test"))
            assert read_all(client)[:1] == b"\x15"
        assert interceptor.served == [Authority(NAME, 443)]


def test_curl_says_why_and_large_bodies_pass(tmp_path: Path, table: Table) -> None:  # N2
    big = bytes(range(256)) * 20_000

    def large(method: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
        return 200, {}, big

    with (
        site(large, AUTHORITY.context(NAME)) as server,
        proxy(LIMITED, Table({NAME: [PUBLIC]}, {443: server.port})) as found,
    ):
        bundle = tmp_path / "ca.pem"
        bundle.write_bytes(AUTHORITY.pem)
        curl = [shutil.which("curl") or "curl", "-sS", "--cacert", str(bundle)]
        run = subprocess.run(
            [*curl, "--data-binary", "@-", f"https://{NAME}/"],
            input=big,
            capture_output=True,
            env=found.environment,
            check=True,
        )
        assert run.stdout == big
        assert server.requests[0][3] == big
        found.told.wait()
        run = subprocess.run(
            [*curl, "-v", "https://evil.test/"], capture_output=True, env=found.environment, check=False
        )
        assert run.returncode == 56
        assert b"it is not among the hosts that this session may reach (allowed_hosts)" in run.stderr
        verdicts = found.told.wait(2)
        assert verdicts[0]["bytes_sent"] > len(big)
        assert verdicts[0]["bytes_received"] > len(big)


@pytest.mark.parametrize("joined", [kit.over_channel], indirect=True)
def test_git_works_through_it(tmp_path: Path) -> None:
    repository, served, clone = tmp_path / "work", tmp_path / "served.git", tmp_path / "clone"

    def git(*arguments: str, **environment: str) -> None:
        base = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "PATH": "/usr/bin:/bin"}
        subprocess.run(["git", *arguments], check=True, capture_output=True, env=base | environment)

    git("init", "-q", str(repository))
    (repository / "file").write_text("content")
    git("-C", str(repository), "add", "file")
    git("-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@a", "commit", "-qm", "one")
    git("clone", "-q", "--bare", str(repository), str(served))
    git("-C", str(served), "update-server-info")

    def files(method: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
        file = served / path.partition("?")[0].removeprefix("/x.git/")
        return (200, {}, file.read_bytes()) if file.is_file() else (404, {}, b"")

    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(AUTHORITY.pem)
    with (
        site(files, AUTHORITY.context(NAME)) as server,
        proxy(LIMITED, Table({NAME: [PUBLIC]}, {443: server.port})) as found,
    ):
        variables = {name: found.environment[name] for name in ("https_proxy", "http_proxy")}
        git("clone", "-q", f"https://{NAME}/x.git", str(clone), GIT_SSL_CAINFO=str(bundle), **variables)
    assert (clone / "file").read_text() == "content"


@pytest.mark.parametrize("joined", [kit.over_channel], indirect=True)
def test_pip_works_through_it(tmp_path: Path) -> None:
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("nothing.py", "")
        archive.writestr("nothing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: nothing\nVersion: 1.0\n")
        archive.writestr(
            "nothing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("nothing-1.0.dist-info/RECORD", "")
    file = "nothing-1.0-py3-none-any.whl"

    def index(method: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
        if path == f"/{file}":
            return 200, {}, wheel.getvalue()
        return 200, {"Content-Type": "text/html"}, f'<a href="/{file}">{file}</a>'.encode()

    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(AUTHORITY.pem)
    server = site(index, AUTHORITY.context(NAME))
    with server as served, proxy(LIMITED, Table({NAME: [PUBLIC]}, {443: served.port})) as found:
        own = {
            "REQUESTS_CA_BUNDLE": str(bundle),
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_INPUT": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        kept = {name: value for name, value in found.environment.items() if not name.startswith("PIP_")}
        options = ["--no-deps", "--no-cache-dir", "--cert", str(bundle), "--retries", "0", "--dest", str(tmp_path)]
        pip = [sys.executable, "-m", "pip", "download", "-q", *options]
        run = [*pip, "--index-url", f"https://{NAME}/simple", "nothing"]
        subprocess.run(run, env=kept | own, check=True, timeout=60)
        assert (tmp_path / file).read_bytes() == wheel.getvalue()
        run = [*pip, "--index-url", "https://evil.test/simple", "nothing"]
        denied = subprocess.run(run, env=kept | own, check=False, timeout=60, capture_output=True, text=True)
        assert denied.returncode == 1
        found.told.wait_until(lambda verdicts: any(verdict["host"] == "evil.test" for verdict in verdicts))
