"""Docker: what is asked of the daemon, and what happens when it or the container fails."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.api import APIClient

from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError
from agentctl.sandbox.base import ToolCall, ToolOutcome
from agentctl.sandbox.docker import daemon, sealing
from agentctl.sandbox.docker.containers import container_name, owner_of
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.sandbox.pipe import conversation
from agentctl.sandbox.seccomp import docker_profile
from agentctl.store.blobs import Blobs
from tests.cli.program import watched
from tests.docker_proxy import Change, DockerProxy

pytestmark = pytest.mark.docker

BASE = "agentctl-base:bookworm"


@pytest.fixture
def client() -> Iterator[APIClient]:
    client = APIClient(version="auto")
    yield client
    client.close()


@pytest.fixture
def session_id(request: pytest.FixtureRequest, client: APIClient) -> Iterator[str]:
    session_id = f"sesn_docker{os.getpid()}x{abs(hash(request.node.nodeid))}"
    yield session_id
    left = client.containers(all=True, filters={"label": f"agentctl.session={session_id}"})
    for container in left:
        client.remove_container(container["Id"], force=True)
    assert not left, "a container was left behind"


def environment(**config: object) -> Environment:
    return Environment(name="test", config={"type": "docker", "image": BASE, **config})


def started(session_id: str, builds: Path, **config: object) -> DockerSandbox:
    sandbox = DockerSandbox(environment(**config), builds)
    sandbox.prepare(lambda _line: None)
    sandbox.start(session_id, [], Blobs(builds), lambda _line: None)
    return sandbox


def bash(sandbox: DockerSandbox, command: str, call_id: str = "sevt_1") -> ToolOutcome:
    [(_, outcome)] = sandbox.call([ToolCall(call_id, "bash", {"command": command})])
    return outcome


GOLDEN = {
    "NetworkMode": "none",
    "CapDrop": ["ALL"],
    "Init": True,
    "IpcMode": "private",
    "CgroupnsMode": "private",
    "Memory": 512 << 20,
    "MemorySwap": 512 << 20,
    "NanoCpus": 500_000_000,
    "PidsLimit": 99,
    "OomScoreAdj": 500,
    "ShmSize": 64 << 20,
    "Tmpfs": {"/run": "rw,nosuid,nodev,noexec,size=16m,nr_inodes=4k,mode=755"},
    "Ulimits": [{"Name": "core", "Hard": 0, "Soft": 0}, {"Name": "nofile", "Hard": 16_384, "Soft": 1_024}],
    "LogConfig": {"Type": "none", "Config": {}},
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
}
"""Everything that a container's host configuration holds, but for what is said of it below."""


def test_the_container_is_kept_to_itself(session_id: str, tmp_path: Path, client: APIClient) -> None:  # E1
    sandbox = started(session_id, tmp_path, resources={"memory": "512m", "cpus": 0.5, "pids": 99})
    found = client.inspect_container(container_name(session_id, 1))
    sandbox.close()
    host, config = found["HostConfig"], found["Config"]
    assert sorted(host.pop("SecurityOpt")) == ["no-new-privileges:true", f"seccomp={docker_profile()}"]
    assert {"/proc/kcore", "/proc/keys", "/proc/kallsyms", "/sys/firmware"} < set(host.pop("MaskedPaths"))
    assert {"/proc/sys", "/proc/sysrq-trigger"} < set(host.pop("ReadonlyPaths"))
    assert host["MemorySwappiness"] in (0, None)  # None with control groups of version 2
    of_the_daemon = {"ConsoleSize", "Runtime", "Isolation"}
    assert {name: value for name, value in host.items() if value and name not in of_the_daemon} == GOLDEN
    assert found["Mounts"] == []
    assert set(found["NetworkSettings"]["Networks"]) == {"none"}
    assert found["Image"] == config["Image"]
    assert config["Image"].startswith("sha256:")  # E18
    assert (config["User"], config["Tty"], config["WorkingDir"]) == ("10001:10001", False, "/")
    assert (config["OpenStdin"], config["StdinOnce"]) == (True, False)
    labels = {"agentctl.session": session_id, "agentctl.owner": owner_of(tmp_path), "agentctl.generation": "1"}
    assert config["Labels"].items() >= labels.items()
    assert {variable.partition("=")[0] for variable in config["Env"]} == {"HOME", "LANG", "PATH"}


def changed(name: str, value: object) -> Callable[[Any], Any]:
    return lambda body: {**body, "HostConfig": {**body["HostConfig"], name: value}}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (changed("Privileged", True), "SecurityOpt, Privileged"),
        (changed("NetworkMode", "bridge"), "NetworkMode, Networks"),
        (changed("SecurityOpt", ["no-new-privileges:true", "seccomp=unconfined"]), "SecurityOpt"),
        (changed("CapAdd", ["SYS_ADMIN"]), "CapAdd"),
        (changed("Binds", ["/etc:/host:ro"]), "Binds, a mount at /host"),
        (changed("PidsLimit", None), "PidsLimit"),
        (changed("MaskedPaths", []), "MaskedPaths"),
        (changed("Ulimits", []), "Ulimits"),
        (lambda body: {**body, "User": "0:0"}, "User"),
    ],
)
def test_a_container_that_came_out_otherwise_is_never_started(  # E1
    session_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any], named: str
) -> None:
    with DockerProxy(tmp_path / "docker.sock") as proxy:
        proxy.on("POST /containers/create", Change(request=change))
        monkeypatch.setenv("DOCKER_HOST", proxy.url)
        with pytest.raises(SandboxError, match=f"another container than it was asked for: {named}"):
            started(session_id, tmp_path)
        assert not [line for line in proxy.seen if line.endswith("/start")]


def test_it_says_what_it_is(session_id: str, tmp_path: Path) -> None:
    sandbox = DockerSandbox(environment(), tmp_path)
    checked = sandbox.check()
    assert (checked["kind"], checked["image"]) == ("docker", BASE)
    header = sandbox.prepare(lambda _line: None)
    facts = sandbox.start(session_id, [], Blobs(tmp_path), lambda _line: None).facts
    sandbox.close()
    assert header["image"] == BASE
    assert header["image_digest"].startswith("sha256:")
    assert facts.items() >= header.items()
    assert len(facts["container_id"]) == 64
    assert facts["ready_seconds"] > 0


# The daemon.


@pytest.mark.parametrize("answers", [False, True])
def test_a_daemon_that_does_not_answer_is_an_error_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    path = tmp_path / "d.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        if answers:
            server.listen()
        monkeypatch.setattr(daemon, "HELLO_SECONDS", 1)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        began = time.monotonic()
        with pytest.raises(SandboxError, match="does not answer" if answers else "no Docker daemon at") as raised:
            DockerSandbox(environment(), tmp_path).prepare(print)
    assert time.monotonic() - began < 30
    assert raised.value.hint


def test_no_daemon_and_a_forbidden_one_have_hints_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(SandboxError, match="no Docker daemon at unix:///nonexistent") as missing:
        DockerSandbox(environment(), tmp_path).check()
    path = Path("/tmp") / f"agentctl-test-{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        root = os.geteuid() == 0
        try:
            os.seteuid(65534 if root else os.geteuid())
            with pytest.raises(SandboxError, match="may not talk to the Docker daemon") as forbidden:
                DockerSandbox(environment(), tmp_path).check()
        finally:
            os.seteuid(0 if root else os.geteuid())
            path.unlink()
    assert missing.value.hint != forbidden.value.hint


def test_a_daemon_that_refuses_the_connection_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(SandboxError, match=r"no Docker daemon at tcp://127\.0\.0\.1:1"):
        DockerSandbox(environment(), tmp_path).check()


# The container.


def test_a_container_that_was_left_is_replaced_and_one_of_others_is_not_touched(
    session_id: str, tmp_path: Path, client: APIClient
) -> None:
    name = container_name(session_id, 1)
    ours = {"agentctl.session": session_id, "agentctl.owner": owner_of(tmp_path)}
    client.create_container(BASE, ["true"], name=name, labels=ours)
    sandbox = started(session_id, tmp_path)
    assert not bash(sandbox, "true").is_error
    sandbox.close()
    theirs = client.create_container(BASE, ["true"], name=name, labels={"agentctl.session": "another"})
    with pytest.raises(SandboxError, match="not ours"):
        started(session_id, tmp_path)
    assert client.inspect_container(name)["Id"] == theirs["Id"]
    client.remove_container(name)


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        (lambda client, name: client.kill(name), "exit code 137"),
        (lambda client, name: client.remove_container(name, force=True), "the container was removed|exit code 137"),
        (lambda client, name: client.stop(name, timeout=5), "the container ended: exit code"),
    ],
)
def test_a_container_that_dies_is_noticed_in_the_middle_of_a_call(
    session_id: str, tmp_path: Path, client: APIClient, deed: object, says: str
) -> None:
    sandbox = started(session_id, tmp_path)
    timer = threading.Timer(0.3, deed, (client, container_name(session_id, 1)))  # type: ignore[arg-type]
    timer.start()
    began = time.monotonic()
    with pytest.raises(SandboxError, match=says):
        bash(sandbox, "sleep 60")
    assert time.monotonic() - began < 40
    timer.join()
    sandbox.close()


def test_a_container_that_is_paused_is_given_up(
    session_id: str, tmp_path: Path, client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = started(session_id, tmp_path)
    monkeypatch.setattr(conversation, "_PROBE_SECONDS", 0.3)
    monkeypatch.setattr(conversation, "_DEAD_SECONDS", 1.0)
    client.pause(container_name(session_id, 1))
    with pytest.raises(SandboxError, match="no sign of life"):
        bash(sandbox, "true")
    began = time.monotonic()
    sandbox.close()
    assert time.monotonic() - began < 60


def test_a_container_that_ends_at_once_says_why(
    session_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "PYTHON", ("no-such-python",))
    began = time.monotonic()
    with pytest.raises(SandboxError, match=r"the container ended: exit code 127: .*no-such-python"):
        started(session_id, tmp_path)
    assert time.monotonic() - began < 25


def test_a_command_that_runs_out_of_memory_is_told_the_limit(session_id: str, tmp_path: Path) -> None:
    sandbox = started(session_id, tmp_path, resources={"memory": "128m"})
    outcome = bash(sandbox, "python3 -c 'bytearray(10 << 30)' | cat")
    sandbox.close()
    assert "the sandbox reached its memory limit of 128 MiB" in outcome.content[0]["text"]
    assert outcome.facts["out_of_memory"] is True


def test_a_fork_bomb_is_held_and_can_be_ended(session_id: str, tmp_path: Path) -> None:  # T4
    sandbox = started(session_id, tmp_path, resources={"pids": 64})
    bash(sandbox, ":(){ :|:& };:", "a")
    [(_, crowded)] = sandbox.call([ToolCall("b", "glob", {"pattern": "*"})])
    assert "restart: true" in crowded.content[0]["text"] or not crowded.is_error
    [(_, restarted)] = sandbox.call([ToolCall("c", "bash", {"restart": True})])
    assert not restarted.is_error
    assert bash(sandbox, "ls /proc | grep -c '^[0-9]'", "d").content[0]["text"] < "9"
    sandbox.close()


def test_killing_every_process_from_inside_is_noticed(session_id: str, tmp_path: Path) -> None:  # C3
    sandbox = started(session_id, tmp_path)
    began = time.monotonic()
    with pytest.raises(SandboxError):
        bash(sandbox, "kill -9 1; kill -9 -1; sleep 60")
    assert time.monotonic() - began < 25
    sandbox.close()


# Taking over.


def test_another_harness_takes_over_and_nothing_is_run_twice(session_id: str, tmp_path: Path) -> None:
    first = started(session_id, tmp_path)
    bash(first, "cd /tmp; x=kept", "a")
    first.acknowledge(["a"])
    first.call([ToolCall("b", "bash", {"command": "sleep 5; echo once >>log; echo done"})])
    first.call([ToolCall("c", "bash", {"command": "cat log; echo $x"})])
    stream = first._conversation._stream
    assert stream is not None
    stream.write([memoryview(b"\0\0\xff\xff half a frame")], 5.0)
    stream.close()  # as if it had been killed

    second = DockerSandbox(environment(), tmp_path, generation=2)
    facts = second.attach(session_id).facts
    assert facts["calls"] == {"b": "running", "c": "waiting"}
    outcomes = second.call([ToolCall("b", "bash", {"command": "sleep 5; echo once >>log; echo done"})])
    assert [outcome.content[0]["text"] for _, outcome in outcomes] == ["done"]
    assert bash(second, "", "c").content[0]["text"] == "once\nkept"
    second.acknowledge(["b", "c"])
    assert bash(second, "pwd; wc -l <log", "d").content[0]["text"] == "/tmp\n1"

    third = DockerSandbox(environment(), tmp_path, generation=1)
    with pytest.raises(SandboxError, match=r"refused us: .*generation 2"):
        third.attach(session_id)
    third.close()
    assert bash(second, "echo still mine", "e").content[0]["text"] == "still mine"
    second.close()
    first._conversation.close()


def test_a_result_that_was_lost_on_the_way_is_kept(session_id: str, tmp_path: Path) -> None:
    first = started(session_id, tmp_path)
    stream = first._conversation._stream
    assert stream is not None
    first.call([ToolCall("a", "bash", {"command": "seq 20000; touch /tmp/ended"})])
    stream.close()
    until_it_ends = "until test -e /tmp/ended; do sleep 0.1; done"
    exec_in = ["docker", "exec", container_name(session_id, 1)]
    subprocess.run([*exec_in, "sh", "-c", until_it_ends], check=True, timeout=60)
    time.sleep(1)  # the result, which follows at once, goes to nobody
    second = DockerSandbox(environment(), tmp_path, generation=2)
    assert second.attach(session_id).facts["calls"] == {"a": "done"}
    assert bash(second, "", "a").content[0]["text"].endswith("\n20000")
    second.close()
    first._conversation.close()


# Interruption.

INTERRUPTED = """
import signal, sys, threading
from pathlib import Path
from agentctl.definitions.environment import Environment
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.store.blobs import Blobs
sandbox = DockerSandbox(Environment(name="x", config={"type": "docker", "image": sys.argv[3]}), Path(sys.argv[2]))
sandbox.prepare(lambda line: None)
print("prepared", flush=True)
try:
    sandbox.start(sys.argv[1], [], Blobs(Path(sys.argv[2])), print)
    print("started", flush=True)
    threading.Event().wait()
finally:
    sandbox.close()
"""


@pytest.mark.parametrize("after_seconds", [0.0, 0.03, 0.08, 0.15, 1.5])
def test_an_interrupt_at_any_moment_leaves_no_container(
    session_id: str, tmp_path: Path, client: APIClient, after_seconds: float
) -> None:
    command = [sys.executable, "-c", INTERRUPTED, session_id, str(tmp_path), BASE]
    process = watched(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "prepared\n"
        time.sleep(after_seconds)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
    assert not client.containers(all=True, filters={"label": f"agentctl.session={session_id}"})


def test_ids_that_make_no_name_get_one() -> None:
    assert container_name("sesn_01abc", 2) == "agentctl-sesn_01abc-2"
    assert container_name("with space/..", 1) != container_name("with space/.", 1)
    assert container_name("ü" * 300, 1).isascii()
