"""The way out through the pipe: many connections at once, hostile ones too, and results that never wait for them."""

import itertools
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentctl.definitions.environment import Environment
from agentctl.network.base import PROXY_PORT
from agentctl.sandbox.base import ToolCall, ToolOutcome
from agentctl.sandbox.bubblewrap import BubblewrapSandbox
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.sandbox.inside.authorities import VARIABLES
from agentctl.sandbox.inside.frames import MOST_CONNECTIONS
from agentctl.sandbox.supervised import SupervisedSandbox
from tests.sandbox.far_end import begin
from tests.sandbox.switchboard import Switchboard

KINDS = [
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
]
AUTHORITIES = b"-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n"
NUMBERS = itertools.count(1)

CLIENT = f"""
import os, selectors, socket, time
def connect(verb):
    client = socket.create_connection(("127.0.0.1", {PROXY_PORT}), 20)
    client.sendall(verb.encode() + b"\\n")
    return client
def all_of(client):
    return b"".join(iter(lambda: client.recv(1 << 16), b""))
def echoed(data, count=1):
    clients, got, right = selectors.DefaultSelector(), dict(), 0
    for number in range(count):
        client = connect("echo")
        client.setblocking(False)
        got[client] = bytearray(), memoryview(data)
        clients.register(client, 3)
    while clients.get_map():
        for key, events in clients.select():
            client = key.fileobj
            answer, left = got[client]
            if events & 2 and left:
                left = left[client.send(left[:1 << 16]):]
                if not left:
                    client.shutdown(socket.SHUT_WR)
                    clients.modify(client, 1)
            if events & 1:
                piece = client.recv(1 << 16)
                answer += piece
                if not piece:
                    clients.unregister(client)
                    right += answer == data
            got[client] = answer, left
    return right == count
"""


@dataclass
class Box:
    """A sandbox with a way out, and short ways to use it."""

    kind: str
    sandbox: SupervisedSandbox
    gateway: Switchboard

    def tool(self, name: str, **arguments: object) -> ToolOutcome:
        call = ToolCall(f"sevt_{next(NUMBERS)}", name, arguments)
        [(call_id, outcome)] = self.sandbox.call([call])
        self.sandbox.acknowledge([call_id])
        return outcome

    def says(self, command: str) -> str:
        return str(self.tool("bash", command=command).content[0]["text"])

    def python(self, code: str, then: str = "") -> str:
        """Run code that may use what is in CLIENT; ``then`` is of the shell, and may send it to the background."""
        path = f"/tmp/client{next(NUMBERS)}.py"
        self.tool("write", file_path=path, content=CLIENT + code)
        return self.says(f"python3 {path} {then}")


def make(kind: str, folder: Path, gateway: Switchboard | None, generation: int = 1) -> SupervisedSandbox:
    config = {"type": kind, "env": {"GREETING": "of the environment", "OVERRIDDEN": "of the environment"}}
    environment = Environment(name="test", config=config)
    if kind == "docker":
        return DockerSandbox(environment, folder, generation=generation, gateway=gateway)
    return BubblewrapSandbox(environment, folder, gateway=gateway)


def new_session() -> str:
    return f"sesn_relay{os.getpid()}x{next(NUMBERS)}"


@pytest.fixture(scope="module", params=KINDS)
def box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    gateway = Switchboard({"OVERRIDDEN": "of the gateway", "PLACEHOLDER": "p"}, AUTHORITIES)
    sandbox = make(request.param, tmp_path_factory.mktemp(request.param), gateway)
    sandbox.prepare(lambda _line: None)
    begin(sandbox, new_session())
    yield Box(request.param, sandbox, gateway)
    sandbox.close()
    assert gateway.closed == 1


def test_the_gateway_says_what_programs_need_to_know(box: Box) -> None:
    assert box.says("echo $GREETING, $OVERRIDDEN, $PLACEHOLDER") == "of the environment, of the gateway, p"
    bundle = box.says("cat $SSL_CERT_FILE")
    assert bundle.rstrip().endswith("ours\n-----END CERTIFICATE-----")
    assert bundle.count("BEGIN CERTIFICATE") > 1, "the authorities of the image are trusted as before"
    assert {box.says(f"echo ${name}") for name in VARIABLES} == {"/home/agent/.agentctl/authorities.pem"}


def test_the_proxy_is_on_the_loopback_of_the_sandbox_and_nowhere_else(box: Box) -> None:  # N13
    listening = box.says("cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == \"0A\" {print $2}'")
    assert listening == f"0100007F:{PROXY_PORT:04X}"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", PROXY_PORT), 5)


def test_without_a_gateway_nothing_listens(box: Box, tmp_path: Path) -> None:  # N1
    sandbox = make(box.kind, tmp_path, None)
    sandbox.prepare(lambda _line: None)
    try:
        begin(sandbox, new_session())
        says = Box(box.kind, sandbox, box.gateway).says
        assert says("cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -c ' 0A '; echo $SSL_CERT_FILE") == "0"
        assert "Connection refused" in says(f": >/dev/tcp/127.0.0.1/{PROXY_PORT}")
    finally:
        sandbox.close()


def test_200_connections_move_at_once_and_calls_do_not_wait_for_them(box: Box) -> None:  # N15
    code = """
print(echoed(os.urandom(1 << 20), 200))
"""
    box.python(code, "</dev/null >/tmp/answers 2>&1 &")
    seconds = []
    while (answers := box.says("cat /tmp/answers")) != "True":
        assert answers == "(no output)"
        began = time.monotonic()
        assert box.says("echo here") == "here"
        seconds.append(time.monotonic() - began)
    assert len(seconds) > 2, "a call waited for all of them"
    assert max(seconds) < 60


def test_a_client_that_has_ended_still_gets_its_answer(box: Box) -> None:
    code = """
client = connect("count")
client.sendall(bytes(3_000_000))
client.shutdown(socket.SHUT_WR)
print(all_of(client))
"""
    assert box.python(code) == "b'3000000'"


def test_a_client_that_writes_little_after_little_does_not_wait_for_delayed_acknowledgements(box: Box) -> None:
    code = """
client, took = connect("in_pairs"), []
for _ in range(100):
    began = time.monotonic()
    client.sendall(b"a")
    client.sendall(b"b")
    assert client.recv(2) == b"ab"
    took.append(time.monotonic() - began)
print(sorted(took[20:])[20])
"""
    assert float(box.python(code)) < 0.035, "40 ms is what the kernel waits otherwise, but for the first few of them"


def test_a_gateway_that_has_ended_still_hears_the_client(box: Box) -> None:
    code = """
client = connect("end_first")
print(all_of(client))
client.sendall(bytes(3_000_000))
client.close()
"""
    assert box.python(code) == "b'bye'"
    assert box.gateway.wait_for("heard 3000000")


def test_a_connection_that_the_gateway_closes_is_reset(box: Box) -> None:
    code = """
client = connect("reset")
try: print(client.recv(1))
except ConnectionResetError as error: print("reset")
"""
    assert box.python(code) == "reset"


def test_a_client_that_is_killed_is_noticed(box: Box) -> None:
    box.python('client = connect("listen"); os.kill(os.getpid(), 9)', "</dev/null >/dev/null 2>&1 &")
    assert box.gateway.wait_for("listens")
    assert box.gateway.wait_for("ended")
    assert box.gateway.wait_for("ConnectionResetError")


def test_a_gateway_that_does_not_read_stops_its_client_and_nobody_else(box: Box) -> None:
    code = """
client = connect("ignore")
client.settimeout(1)
sent = 0
try:
    while sent < 64 << 20: sent += client.send(bytes(1 << 16))
except OSError: print("stopped", sent < 32 << 20, flush=True)
client.settimeout(20)
client.shutdown(socket.SHUT_WR)
print(int(all_of(client)) == sent)
"""
    box.python(code, "</dev/null >/tmp/stopped 2>&1 &")
    assert box.gateway.wait_for("ignored")
    while not (said := box.says("cat /tmp/stopped")).startswith("stopped True"):
        assert said == "(no output)"
    assert box.python("print(echoed(bytes(1 << 20)))") == "True"
    box.gateway.may_go_on.set()
    assert box.gateway.wait_for("counted")
    both = "for i in $(seq 200); do test $(wc -l </tmp/stopped) = 2 && break; sleep 0.05; done; cat /tmp/stopped"
    assert box.says(both) == "stopped True\nTrue"


def test_a_client_that_does_not_read_stops_its_gateway_and_nobody_else(box: Box) -> None:
    box.python('clients = [connect("pour") for _ in range(20)]; time.sleep(60)', "</dev/null >/dev/null 2>&1 &")
    assert box.python("print(echoed(bytes(1 << 20)))") == "True"
    assert box.gateway.wait_for("full", 20)
    assert box.python("print(echoed(bytes(1 << 20)))") == "True"
    box.tool("bash", restart=True)


def test_too_many_connections_are_refused_and_10_000_do_no_harm(box: Box) -> None:  # N15
    code = f"""
def connected():
    try: return socket.create_connection(("127.0.0.1", {PROXY_PORT}), 20)
    except ConnectionError: return None
def is_open(client):
    try: return client is not None and client.recv(1) != b""
    except BlockingIOError: return True
    except ConnectionError: return False
clients = [connected() for _ in range({MOST_CONNECTIONS} + 50)]
for client in filter(None, clients):
    client.setblocking(False)
for _ in range(100):
    time.sleep(0.2)
    if (count := sum(map(is_open, clients))) <= {MOST_CONNECTIONS}: break
print(count, flush=True)
for _ in range(10_000):
    if (client := connected()): client.close()
for client in filter(None, clients):
    client.close()
for _ in range(500):
    if (client := connected()): client.close()
while True:
    try: print(echoed(os.urandom(1000))); break
    except ConnectionError: time.sleep(0.05)
"""
    taken = box.gateway.taken
    box.python(code, "</dev/null >/tmp/flood 2>&1 &")
    while not (said := box.says("cat /tmp/flood")).endswith("True"):
        assert said in ("(no output)", f"{MOST_CONNECTIONS}")
        time.sleep(0.05)
    assert said == f"{MOST_CONNECTIONS}\nTrue"
    assert box.gateway.taken - taken < 3_000, "most were refused"


def test_a_child_of_the_supervisor_holds_no_connection_open(box: Box) -> None:
    # ripgrep waits at a pipe that nobody writes to; without it there is an expression that takes for ever.
    slow = box.says(
        'cd /tmp; mkfifo fifo; printf %040d 0 >zeros; test -n "$(command -v rg)" && echo fifo || echo zeros'
    )
    assert any(is_reset_before_a_child_ends(box, f"/tmp/{slow}", times, wait) for times, wait in ((1, 0.3), (2, 5.0)))


def is_reset_before_a_child_ends(box: Box, path: str, times: int, wait: float) -> bool:
    """Say whether a client learns that it was cut while a child runs, which is ended after so many seconds."""
    code = """
client = connect("reset_later")
try: client.recv(1)
except ConnectionResetError: print(time.time())
"""
    box.python(code, "</dev/null >/tmp/when 2>&1 &")
    assert box.gateway.wait_for("resets later", times)
    call = ToolCall(f"long{times}", "grep", {"pattern": "(0+0+)+1", "path": path})
    calls = box.sandbox.call([call])
    time.sleep(0.3)
    box.gateway.may_go_on.set()
    time.sleep(wait)
    cancelled = time.time()
    box.sandbox.cancel(call.id)
    assert dict(calls)[call.id].facts["cancelled"], "there was no child all the while"
    when = box.says("for i in $(seq 200); do test -s /tmp/when && break; sleep 0.05; done; cat /tmp/when")
    return float(when) < cancelled


@pytest.mark.docker
def test_a_harness_that_takes_over_cuts_the_connections_of_the_last_and_takes_new_ones(tmp_path: Path) -> None:
    session_id = new_session()
    first = Box("docker", make("docker", tmp_path, Switchboard({"WHOSE": "of the first"})), Switchboard())
    second = Box("docker", make("docker", tmp_path, gateway := Switchboard({}, AUTHORITIES), 2), gateway)
    try:
        first.sandbox.prepare(lambda _line: None)
        begin(first.sandbox, session_id)
        code = """
client = connect("echo")
client.sendall(b"x"); client.recv(1)
print("open", flush=True)
try: client.recv(1)
except ConnectionResetError: print("reset")
"""
        first.python(code, "</dev/null >/tmp/said 2>&1 &")
        while "open" not in first.says("cat /tmp/said"):
            pass
        first.sandbox._conversation.close()  # as if it had been killed

        assert second.sandbox.attach(session_id) is not None
        both = "for i in $(seq 200); do test $(wc -l </tmp/said) = 2 && break; sleep 0.05; done; cat /tmp/said"
        assert second.says(both) == "open\nreset"
        assert second.python("print(echoed(bytes(1 << 20)))") == "True"
        assert second.says("tail -2 ~/.agentctl/authorities.pem").startswith("ours")
    finally:
        second.sandbox.close()
        first.sandbox.close()
