"""A Docker daemon of our own that is killed while a call runs, and comes back.

Only with AGENTCTL_TEST_ALL=1: it needs root, a second dockerd, and a copy of the base image for it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.paths import Home
from tests.cli.program import ROOT, agentctl
from tests.crash.invariants import check_database, check_events, stored_events
from tests.crash.test_kill import AGENT, SCRIPT

EVERYTHING = os.environ.get("AGENTCTL_TEST_ALL") == "1"  # read here: the tests themselves run without such variables
IMAGE = "agentctl-base:bookworm"


class Daemon:
    """A dockerd with a folder, and so containers and images, of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/docker.sock"
        # Told to have no bridge, dockerd removes the one that is there, which is another daemon's. So it gets a
        # network of its own, which outlives it: the sockets of its containers' keepers are of that network.
        self.network = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        self.start()

    def start(self) -> None:
        command = [
            "nsenter", f"--net=/proc/{self.network.pid}/ns/net", "dockerd", "--host", self.url, "--data-root", f"{self.folder}/data",
            "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid", "--bridge", "none",
            "--iptables=false", "--ip-forward=false",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.docker("info").returncode:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.2)

    def docker(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["docker", "--host", self.url, *words], capture_output=True, text=True, check=False)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        (self.folder / "pid").unlink(missing_ok=True)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.network.kill()
        self.network.wait()
        # One that was killed leaves its folder mounted on itself.
        subprocess.run(["umount", "--lazy", self.folder / "data"], capture_output=True, check=False)


@contextlib.contextmanager
def daemon() -> Iterator[Daemon]:
    # Its sockets lie deep in its folder, and the path of a socket has room for 107 bytes only.
    with tempfile.TemporaryDirectory(prefix="dockerd-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield from serving(Daemon(Path(folder)))


def serving(started: Daemon) -> Iterator[Daemon]:
    try:
        save = subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE)
        subprocess.run(["docker", "--host", started.url, "load"], stdin=save.stdout, capture_output=True, check=True)
        assert save.stdout is not None
        save.stdout.close()
        save.wait()
        yield started
        assert not started.docker("ps", "--all", "--quiet").stdout
    finally:
        started.stop()


def check_a_killed_daemon(project: Path, own: Daemon) -> None:
    (project / "agent.yaml").write_text(AGENT)
    (project / "script.yaml").write_text(SCRIPT.replace("sleep 1.5", "sleep 5"))
    process = subprocess.Popen(
        [
            sys.executable, "-m", "agentctl", "run", str(project / "agent.yaml"), "go", "--session", "killed",
            "--model", f"script:{project / 'script.yaml'}", "-o", "jsonl",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": own.url},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "local.tool_started":
            break
    own.kill()
    out, _ = process.communicate(timeout=60)
    assert json.loads(out.splitlines()[-1])["exit_code"] == 7
    own.start()
    done = agentctl("resume", "killed", "-o", "json", DOCKER_HOST=own.url)
    assert (done.code, done.json["text"]) == (0, "Finished."), done


if EVERYTHING:

    @pytest.mark.docker
    def test_a_daemon_that_is_killed_in_a_call_and_comes_back(
        tmp_path: Path, own_home: Path, docker_answers: None
    ) -> None:  # D2
        with daemon() as own:
            check_a_killed_daemon(tmp_path, own)
        check_database(Home(own_home))
        events = stored_events(Home(own_home), "killed")
        check_events(events)
        (first,) = [event for event in events if event["type"] == "agent.tool_result"][:1]
        assert "The sandbox failed" in first["content"][0]["text"]
