"""bubblewrap: what of this machine is there, what is not, and why it cannot run where it cannot."""

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError, UsageError
from agentctl.sandbox import bubblewrap
from agentctl.sandbox.base import ToolCall
from agentctl.sandbox.bubblewrap import BubblewrapSandbox
from tests.sandbox.far_end import begin

pytestmark = pytest.mark.bubblewrap


def environment(**config: object) -> Environment:
    return Environment(name="test", config={"type": "bubblewrap", **config})


@pytest.fixture
def says(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    sandbox = BubblewrapSandbox(environment(resources={"memory": "256m", "pids": 40}), tmp_path / "box")
    sandbox.prepare(lambda _line: None)
    begin(sandbox)
    numbers = iter(range(1000))

    def run(command: str) -> str:
        [(_, outcome)] = sandbox.call([ToolCall(str(next(numbers)), "bash", {"command": command})])
        return str(outcome.content[0]["text"])

    yield run
    sandbox.close()


def test_only_the_system_is_there_and_it_cannot_be_changed(says: Callable[[str], str]) -> None:
    system = {"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "usr"}
    assert set(says("ls /").split()) <= system | {"home", "mnt", "tmp", "workspace"}
    assert says("ls /home; ls -A /home/agent") == "agent"
    assert "Read-only" in says("touch /usr/x") + says("touch /x") + says("echo x >>/etc/passwd")
    assert "No such file" in says("cat /etc/shadow")
    assert says("cut -d: -f1 /etc/passwd") == "root\nagent"


def test_no_other_process_is_seen_and_the_kernel_cannot_be_tuned(says: Callable[[str], str]) -> None:
    assert int(says("ls /proc | grep -c '^[0-9]'")) < 8
    assert str(Path.cwd()) not in says("cat /proc/*/cmdline | tr '\\0' ' '")
    assert "exit code" in says("echo core >/proc/sys/kernel/core_pattern")
    assert "exit code" in says("chmod 0 /dev/null")
    assert stat.S_IMODE(Path("/dev/null").stat().st_mode) == 0o666


def test_limits_are_held_without_a_control_group(says: Callable[[str], str]) -> None:
    assert "MemoryError" in says("python3 -c 'bytearray(1 << 30)'")
    assert "Resource temporarily unavailable" in says("for i in $(seq 60); do sleep 3 & done")
    assert says("ulimit -c") == "0"


def test_git_and_tls_work(says: Callable[[str], str]) -> None:
    commit = "git -c user.name=a -c user.email=b commit -q --allow-empty -m x"
    assert says(f"git init -q . && {commit}; git log --format=%s") == "x"
    code = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'] > 10)"
    assert says(f'python3 -c "{code}"') == "True"


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    sandbox = BubblewrapSandbox(environment(), tmp_path / "box")
    thread = threading.Thread(target=begin, args=(sandbox,))
    thread.start()
    thread.join()
    time.sleep(0.2)
    try:
        [(_, outcome)] = sandbox.call([ToolCall("a", "bash", {"command": "echo here"})])
    finally:
        sandbox.close()
    assert outcome.content[0]["text"] == "here"


def test_whatever_it_leaves_in_its_folders_goes_with_it(tmp_path: Path) -> None:
    sandbox = BubblewrapSandbox(environment(), tmp_path / "box")
    folder = sandbox._end._folder  # type: ignore[attr-defined]
    begin(sandbox)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    deep = 'mkdir -p a/b; chmod 0 a; python3 -c \'import os\nfor i in range(1500): os.mkdir("d"); os.chdir("d")\''
    list(sandbox.call([ToolCall("a", "bash", {"command": deep})]))
    sandbox.close()
    assert not folder.exists()


def test_it_says_when_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "SYSTEM_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    bubblewrap.bubblewrap_version.cache_clear()
    with pytest.raises(SandboxError, match="bubblewrap is not installed") as raised:
        BubblewrapSandbox(environment(), tmp_path).prepare(print)
    bubblewrap.bubblewrap_version.cache_clear()
    assert "apt install bubblewrap" in (raised.value.hint or "")


def test_it_says_when_the_kernel_forbids_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bwrap"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exec echo bubblewrap 0.8.0\n'
        "echo 'bwrap: No permissions to create a new namespace, likely because the kernel says no' >&2; exit 1\n"
    )
    program.chmod(0o755)
    for folder in [tmp_path, *tmp_path.parents][:4]:
        folder.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(bubblewrap, "SYSTEM_PATH", f"{tmp_path}:{bubblewrap.SYSTEM_PATH}")
    bubblewrap.bubblewrap_version.cache_clear()
    with pytest.raises(SandboxError, match="No permissions to create a new namespace") as raised:
        BubblewrapSandbox(environment(), tmp_path).check()
    bubblewrap.bubblewrap_version.cache_clear()
    assert "sysctl" in (raised.value.hint or "")


@pytest.mark.parametrize("config", [{"packages": {"pip": ["six"]}}, {"setup": "true"}])
def test_what_needs_an_image_is_refused(tmp_path: Path, config: dict[str, object]) -> None:
    for_docker = Environment(name="x", config={"type": "docker", **config})
    with pytest.raises(UsageError, match="which a sandbox of kind bubblewrap cannot have") as raised:
        BubblewrapSandbox(for_docker, tmp_path)
    assert "docker" in (raised.value.hint or "")


def test_what_it_cannot_hold_is_said(tmp_path: Path) -> None:
    told: list[str] = []
    BubblewrapSandbox(environment(resources={"cpus": 1, "disk": "1g"}), tmp_path).prepare(told.append)
    assert [line.split()[0] for line in told] == ["resources.cpus"]
