"""Sandboxes and the network: without one nothing leaves, and with one only what the gateway lets out."""

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment, Networking
from agentctl.network.base import Gateway
from agentctl.network.dial import Dialler
from agentctl.network.gateway import HttpGateway
from agentctl.network.metering import Caps, Totals
from agentctl.network.rules import rules_of
from agentctl.paths import Home
from agentctl.sandbox.base import ToolCall
from agentctl.sandbox.bubblewrap import BubblewrapSandbox
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.sandbox.supervised import SupervisedSandbox
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from tests.cli.program import agentctl
from tests.network.kit import AUTHORITY, PUBLIC, Respond, Site, Table, Told, hello, site
from tests.sandbox.boxes import BASE, TWO
from tests.sandbox.listening import Surroundings, surroundings

pytestmark = pytest.mark.bridge

HERE = Path(__file__).parent
NAME = "api.allowed.test"
CALLS_OUT = (HERE / "calls_out.py").read_text()
ORDINARY = Caps()
NUMBERS = itertools.count(1)


class Room:
    """A sandbox with its gateway, and what that told."""

    def __init__(self, kind: str, folder: Path, networking: JsonObject, table: Table, caps: Caps = ORDINARY) -> None:
        self.told = Told()
        rules = rules_of(Networking.model_validate(networking))
        self.gateway: Gateway | None = None
        if networking["type"] != "none":
            self.gateway = HttpGateway(lambda: rules, self.told, Dialler(table, table.connect), None, Totals(caps))
        config = {"type": kind, "networking": networking} | ({"image": BASE} if kind == "docker" else {})
        environment = Environment(name="network", config=config)
        self.sandbox: SupervisedSandbox
        if kind == "docker":
            self.sandbox = DockerSandbox(environment, folder, gateway=self.gateway)
        else:
            self.sandbox = BubblewrapSandbox(environment, folder, gateway=self.gateway)
        self.sandbox.prepare(lambda _line: None)
        session_id = f"sesn_network{os.getpid()}x{next(NUMBERS)}"
        self.sandbox.start(session_id, [], Blobs(folder), lambda _line: None)

    def says(self, command: str) -> str:
        [(_, outcome)] = self.sandbox.call([ToolCall(f"sevt_{next(NUMBERS)}", "bash", {"command": command})])
        return str(outcome.content[0]["text"])

    def put(self, path: str, content: str) -> None:
        arguments = {"file_path": path, "content": content}
        [(_, outcome)] = self.sandbox.call([ToolCall(f"sevt_{next(NUMBERS)}", "write", arguments)])
        assert not outcome.is_error, outcome.content

    def attempts(self, around: Surroundings) -> dict[str, object]:
        self.put("calls_out.py", CALLS_OUT)
        said = self.says(f"python3 calls_out.py '{around.plan()}'")
        found: dict[str, object] = json.loads(said)
        return found


@contextlib.contextmanager
def room(
    kind: str, folder: Path, networking: JsonObject, table: Table | None = None, caps: Caps = ORDINARY
) -> Iterator[Room]:
    made = Room(kind, folder, networking, table or Table(), caps)
    try:
        yield made
    finally:
        made.sandbox.close()


@pytest.fixture(scope="module")
def around() -> Iterator[Surroundings]:
    has_docker = "docker" not in os.environ.get("AGENTCTL_TEST_SKIP", "") and shutil.which("docker") is not None
    with surroundings(with_neighbour=has_docker) as found:
        yield found


def nothing_came_out(found: dict[str, object], around: Surroundings) -> None:
    reached = [name for name, outcome in found.items() if outcome == "ok"]
    time.sleep(0.2)  # for a packet that is on its way
    assert (reached, around.came) == ([], [])


def test_the_listeners_hear_what_does_come(around: Surroundings) -> None:
    run = subprocess.run(
        ["python3", "-c", CALLS_OUT, around.plan(["127.0.0.1"])], capture_output=True, text=True, check=True, timeout=60
    )
    found = json.loads(run.stdout)
    assert found["tcp 127.0.0.1"] == found["udp 127.0.0.1"] == found["abstract socket"] == "ok"
    assert any(came.startswith("a packet") for came in around.came)
    time.sleep(0.3)
    around.came.clear()


@pytest.mark.parametrize("kind", TWO)
def test_without_a_network_nothing_leaves(kind: str, tmp_path: Path, around: Surroundings) -> None:  # N1, N11, N12
    with room(kind, tmp_path, {"type": "none"}) as made:
        found = made.attempts(around)
        assert found["interfaces"] == ["lo"]
        assert found["variables"] == []
        nothing_came_out(found, around)
        assert "failed to connect" in made.says("curl -sS -x http://127.0.0.1:3128 http://a.test/ 2>&1").lower()


@pytest.mark.parametrize("hosts", [{"allowed_hosts": []}, {}, {"allowed_hosts": None}])
def test_an_empty_list_of_hosts_is_no_host(hosts: JsonObject) -> None:  # N2
    networking = Networking.model_validate({"type": "limited", **hosts})
    assert rules_of(networking).hosts == ()
    assert networking.allowed_hosts == ()


PROXIED = """
for host in 169.254.169.254 127.0.0.1 0 127.1 0x7f.1 2130706433 '[::1]' '[::ffff:7f00:1]' 10.0.0.1 100.64.0.1 \
    172.17.0.1 host.docker.internal evil.test {mark}.evil.test; do
  for url in https://$host/ http://$host/ https://$host:{port}/ http://$host:{port}/; do
    curl -s -o /dev/null -m 30 -p --noproxy '' -x http://127.0.0.1:3128 -w '%{{http_connect}} ' "$url"
  done
done
printf 'GET http://[fe80::1%%eth0]/ HTTP/1.1\\r\\n\\r\\n' | python3 -c '
import socket, sys
client = socket.create_connection(("127.0.0.1", 3128))
client.sendall(sys.stdin.buffer.read())
print(client.recv(1000).split()[1].decode())'
"""


@pytest.mark.parametrize("kind", TWO)
def test_with_an_empty_list_nothing_leaves_by_the_proxy_or_around_it(  # N2, N3, N4, N9, N11, N12
    kind: str, tmp_path: Path, around: Surroundings
) -> None:
    table = Table()
    with room(kind, tmp_path, {"type": "limited", "allowed_hosts": []}, table) as made:
        found = made.attempts(around)
        assert found["interfaces"] == ["lo"]
        assert "HTTPS_PROXY" in str(found["variables"])
        codes = made.says(PROXIED.format(mark=around.mark, port=around.port)).split()
        assert set(codes) == {"403"}
        assert len(codes) == 57
        around_it = made.says(
            f"for url in http://{around.targets[2]}:{around.port}/ http://93.184.215.14/ https://evil.test/; do "
            "curl -sS -m 5 --noproxy '*' $url; env -u https_proxy -u http_proxy -u HTTPS_PROXY -u HTTP_PROXY "
            "curl -sS -m 5 $url; done; true"
        )
        assert around_it.count("curl: (") == 6
        forwarder = (
            "import socket, threading\n"
            "server = socket.create_server(('127.0.0.1', 5000))\n"
            "inner, _ = server.accept()\n"
            "outer = socket.create_connection(('127.0.0.1', 3128))\n"
            "outer.sendall(inner.recv(65536))\n"
            "inner.sendall(outer.recv(65536))\n"
        )
        made.put("forward.py", forwarder)
        said = made.says(
            "python3 forward.py & until grep -q ':1388 .* 0A ' /proc/net/tcp; do sleep 0.05; done; "
            "curl -sS -m 30 -x http://127.0.0.1:5000 https://evil.test/ 2>&1"
        )
        assert "403" in said
        nothing_came_out(found, around)
        verdicts = made.told.wait(58)
    assert not any(verdict["allowed"] for verdict in verdicts)
    assert (table.asked, table.dialled, made.told.begun_ones) == ([], [], [])


@contextlib.contextmanager
def allowed(
    kind: str, folder: Path, respond: Respond = hello, caps: Caps = ORDINARY, **networking: object
) -> Iterator[tuple[Room, Site]]:
    """A sandbox that may reach one host by name, which leads to a server of the test."""
    with site(respond, AUTHORITY.context(NAME)) as secure, site(respond) as plain:
        table = Table({NAME: [PUBLIC]}, {443: secure.port, 80: plain.port})
        config = {"type": "limited", "allowed_hosts": [NAME], "allow_http": True, **networking}
        with room(kind, folder, config, table, caps) as made:
            made.put("ca.pem", AUTHORITY.pem.decode())
            yield made, secure


@pytest.mark.parametrize("kind", TWO)
def test_what_is_allowed_is_reached_and_what_it_leads_to_is_judged_anew(
    kind: str, tmp_path: Path
) -> None:  # N5, N8, N17
    def redirecting(method: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
        return (302, {"Location": "https://denied.test/"}, b"") if path == "/away" else hello(method, path)

    with allowed(kind, tmp_path, redirecting) as (made, server):
        curl = "curl -sS -m 60 --cacert ca.pem"
        assert made.says(f"{curl} https://{NAME}/x") == "GET /x is here"
        assert made.says(f"{curl} https://{NAME.upper()}./y") == "GET /y is here"
        assert made.says(f"{curl} http://{NAME}/z") == "GET /z is here"
        assert "403" in made.says(f"{curl} -L https://{NAME}/away 2>&1; true")
        for other in (f"evil-{NAME}", f"{NAME}.evil", f"x.{NAME}", f"{NAME}:8443"):
            assert "403" in made.says(f"{curl} https://{other}/ 2>&1; true")
        before = len(server.requests)
        fronting = made.says(f"{curl} --connect-to evil.test:443:{NAME}:443 https://evil.test/ 2>&1; true")
        assert "unrecognized name" in fronting
        assert len(server.requests) == before
        # Inside TLS nobody sees which host is asked for: what the allowed server does with it is its affair.
        made.says(f"{curl} -H 'Host: evil.test' https://{NAME}/")
        assert server.requests[-1][2]["Host"] == "evil.test"
        verdicts = made.told.verdicts
    assert {verdict["host"] for verdict in verdicts if verdict["allowed"]} == {NAME}


@pytest.mark.bubblewrap
def test_one_sandbox_does_not_reach_the_way_out_of_another(tmp_path: Path) -> None:  # N13
    with (
        allowed("bubblewrap", tmp_path / "a") as (one, _),
        room("bubblewrap", tmp_path / "b", {"type": "none"}) as other,
    ):
        assert one.says(f"curl -sS http://{NAME}/") == "GET / is here"
        assert "failed to connect" in other.says(f"curl -sS -x http://127.0.0.1:3128 http://{NAME}/ 2>&1").lower()
        with room("bubblewrap", tmp_path / "c", {"type": "limited", "allowed_hosts": []}) as third:
            assert "was not reached" in third.says(f"curl -sS http://{NAME}/")
            assert len(third.told.wait()) == 1
        assert len(one.told.wait()) == 1


FLOOD = """
import socket, time
HEAD = b"CONNECT evil.test:443 HTTP/1.1\\r\\n\\r\\n"
def ask(data):
    with socket.create_connection(("127.0.0.1", 3128), 20) as client:
        client.sendall(data)
        return client.recv(20)
assert all(ask(HEAD).startswith(b"HTTP/1.1 403") for _ in range(1500))
held = []
resets = 0
for _ in range(400):
    try:
        client = socket.create_connection(("127.0.0.1", 3128), 20)
        client.sendall(b"CONNECT evil")
        held.append(client)
    except ConnectionError:
        resets += 1
for client in held:
    client.close()
time.sleep(1)
try:
    ask(b"GET http://a/ HTTP/1.1\\r\\nX: " + b"a" * (1 << 20))
except ConnectionError:
    resets += 1
slow = socket.create_connection(("127.0.0.1", 3128), 20)
begun = time.monotonic()
try:
    while time.monotonic() - begun < 60:
        slow.sendall(b"G")
        time.sleep(0.1)
except ConnectionError:
    pass
print("cut", time.monotonic() - begun < 30)
"""


@pytest.mark.docker
def test_floods_and_bombs_harm_nobody(tmp_path: Path) -> None:  # N15, N16
    bomb = b"\x1f\x8b" + bytes(5_000_000)

    def large(method: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
        return 200, {"Content-Encoding": "gzip"}, bomb

    caps = Caps(head_seconds=4, sent_bytes=60_000_000)
    with allowed("docker", tmp_path, large, caps) as (made, _):
        made.put("flood.py", FLOOD)
        assert made.says("python3 flood.py 2>&1") == "cut True"
        assert made.says("echo alive") == "alive"
        curl = f"curl -sS -m 30 --cacert ca.pem https://{NAME}/"
        assert made.says(f"{curl} | wc -c") == str(len(bomb))
        made.says("head -c 50000000 /dev/zero > big")
        assert made.says(f"{curl} --data-binary @big -o /dev/null -w '%{{http_code}}'") == "200"
        # The verdict is told when the connection has ended, which curl does not wait for.
        verdict = made.told.wait_until(lambda verdicts: verdicts[-1]["bytes_sent"] > 50_000_000)[-1]
        assert verdict["host"] == NAME
        made.says(f"{curl} --data-binary @big -o /dev/null; true")
        made.told.wait_until(lambda verdicts: "sent this host its limit" in str(verdicts[-1].get("reason")))
        assert "the session has sent this host its limit of 60,000,000 bytes" in str(made.told.verdicts[-1])
        assert len(made.told.verdicts) > 1_500


@pytest.mark.bubblewrap
def test_when_the_gateway_is_gone_calls_fail_closed_and_the_sandbox_lives(  # N15, H14
    tmp_path: Path, around: Surroundings
) -> None:
    with allowed("bubblewrap", tmp_path) as (made, _):
        assert made.says(f"curl -sS http://{NAME}/") == "GET / is here"
        assert made.gateway is not None
        made.gateway.close()
        said = made.says(f"curl -sS -m 5 http://{NAME}/ 2>&1; echo; echo alive")
        assert "curl: (" in said
        assert said.endswith("alive")
        nothing_came_out(made.attempts(around), around)


AGENT = "name: a\nmodel: claude-opus-5-5\ntools: [{type: agent_toolset_20260401}]\n"
ENVIRONMENT = "name: e\nconfig:\n  type: bubblewrap\n  networking: {type: limited, private_hosts: ['127.0.0.1:%d']}\n"
SCRIPT = """
- tools: [{name: bash, input: {command: "curl -sS http://127.0.0.1:%d/one http://127.0.0.1:%d/two"}}]
- text: once
- tools: [{name: bash, input: {command: "curl -sS http://127.0.0.1:%d/three http://127.0.0.1:%d/four"}}]
- text: twice
"""


HELD = """
- tools: [{name: bash, input: {command: "(exec 3<>/dev/tcp/127.0.0.1/3128
    && printf 'CONNECT 127.0.0.1:%d HTTP/1.1\\r\\nHost: 127.0.0.1:%d\\r\\n\\r\\n' >&3 && head -1 <&3 >said
    && while sleep 0.05; do curl -sS http://127.0.0.1:%d/; done) >/dev/null 2>&1 &
    until test -s said; do sleep 0.05; done; cat said"}}]
- text: It goes on.
"""


@pytest.mark.bubblewrap
def test_what_is_open_when_a_session_comes_to_rest_ends_in_the_record_before_it(own_home: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (tmp_path / "agent.yaml").write_text(AGENT)
        (tmp_path / "environment.yaml").write_text(ENVIRONMENT % port)
        (tmp_path / "script.yaml").write_text(HELD % (port, port, port + 1 if port < 65_535 else port - 1))
        files = (tmp_path / "agent.yaml", "go", "-e", tmp_path / "environment.yaml")
        done = agentctl("run", *files, "--model", f"script:{tmp_path / 'script.yaml'}", "-o", "jsonl")
    assert done.code == 0, done.err
    bodies = agentctl("events", "@", "-o", "jsonl").lines
    types = [body["type"] for body in bodies]
    assert "200" in next(body for body in bodies if body["type"] == "agent.tool_result")["content"][0]["text"]
    assert types.count("local.egress_started") == 1
    [ended] = [body for body in bodies if body["type"] == "local.egress" and body["allowed"]]
    assert types.index("agent.message") < bodies.index(ended)
    assert types[-1] == "session.status_idle"
    anchor = read_anchor(Home(own_home), bodies[0]["session_id"])
    assert anchor is not None
    assert anchor.seq == len(bodies)


@pytest.mark.bubblewrap
def test_a_session_keeps_to_the_rules_that_it_began_with_and_records_every_verdict(tmp_path: Path) -> None:  # N14
    with site() as open_site, site() as closed_site:
        ports = (open_site.port, closed_site.port)
        (tmp_path / "agent.yaml").write_text(AGENT)
        environment = tmp_path / "environment.yaml"
        environment.write_text(ENVIRONMENT % ports[0])
        (tmp_path / "script.yaml").write_text(SCRIPT % (ports * 2))
        model = f"script:{tmp_path / 'script.yaml'}"
        done = agentctl("run", tmp_path / "agent.yaml", "go", "-e", environment, "--model", model, "-o", "json")
        assert done.code == 0, done.err
        environment.write_text(ENVIRONMENT % ports[1])
        done = agentctl("send", "@", "again", "-o", "json")
        assert done.code == 0, done.err
        assert [path for _, path, _, _ in open_site.requests] == ["/one", "/three"]
        assert closed_site.requests == []
        shown = agentctl("show", "@", "-o", "json").json["network"]
        assert (shown["allowed"], shown["refused"], shown["unfinished"]) == (2, 2, 0)
        assert [(host["port"], host["allowed"], host["refused"]) for host in shown["hosts"]] == [
            (ports[0], 2, 0),
            (ports[1], 0, 2),
        ]
        page = agentctl("show", "@").out
        assert "2 connections to 1 host" in page
        assert f"2 refused: 127.0.0.1:{ports[1]}" in page
        types = [body["type"] for body in agentctl("events", "@", "-o", "jsonl").lines]
        assert types.count("local.egress_started") == 2
        assert types.count("local.egress") == 4
        assert types.index("local.egress_started") < types.index("agent.tool_result")
        assert types.index("local.egress") < types.index("session.status_idle")
        learned = agentctl("env", "learn", "@", "-o", "json").json
        assert learned == {
            "type": "learned",
            "schema": "agentctl.learned/1",
            "session_id": learned["session_id"],
            "networking": {"type": "limited", "allowed_hosts": [], "private_hosts": [f"127.0.0.1:{ports[0]}"]},
            "refused": [f"127.0.0.1:{ports[1]}"],
        }
        written = agentctl("env", "learn", "@").out
        assert f'  private_hosts:\n    - "127.0.0.1:{ports[0]}"\n' in written
        assert f"# not reached: 127.0.0.1:{ports[1]}\n" in written


@pytest.mark.docker
def test_git_and_apt_work_through_the_proxy(tmp_path: Path) -> None:
    repository, served = tmp_path / "work", tmp_path / "served"
    served.mkdir()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@a", "-C", str(repository)]
    repository.mkdir()
    (repository / "file").write_text("content")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(served / "x.git")], check=True)
    subprocess.run(["git", "-C", str(served / "x.git"), "update-server-info"], check=True)
    (served / "Packages").write_text("")

    def files(method: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
        file = served / path.partition("?")[0].removeprefix("/")
        return (200, {}, file.read_bytes()) if file.is_file() else (404, {}, b"")

    with allowed("docker", tmp_path / "box", files) as (made, _):
        assert made.says(f"GIT_SSL_CAINFO=$PWD/ca.pem git clone -q https://{NAME}/x.git && cat x/file") == "content"
        lists = (
            "-o Dir::State=$PWD/apt -o Dir::Cache=$PWD/apt -o Dir::Etc::SourceList=$PWD/list -o Dir::Etc::SourceParts=-"
        )
        made.says(f"mkdir -p apt/lists/partial; echo 'deb [trusted=yes] http://{NAME}/ ./' > list")
        said = made.says(f"apt-get {lists} update 2>&1; echo $?")
        assert said.endswith("\n0"), said
        made.says("echo 'deb [trusted=yes] http://evil.test/ ./' > list")
        assert "403  Forbidden" in made.says(f"apt-get {lists} update 2>&1; true")
