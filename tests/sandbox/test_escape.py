"""Getting out: what is tried inside of a sandbox, by a model that obeys every injection, and what it comes to."""

import json
import os
import platform
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError, UsageError
from agentctl.sandbox import seccomp
from agentctl.sandbox.bubblewrap import BubblewrapSandbox
from tests.sandbox import attempts
from tests.sandbox.boxes import KINDS, Box

SETUID = "install -m 4755 /usr/bin/id /usr/local/bin/rootid"
MARK = f"canary{os.getpid()}"
NOTHING = "0" * 16
ROOT_HAS = "00000000000000db"  # CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETGID, SETUID


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def box(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    config = {} if kind == "bubblewrap" else {"setup": SETUID}
    box = Box(kind, tmp_path_factory.mktemp(kind), **config)
    yield box
    box.sandbox.close()


@pytest.fixture(scope="module")
def outcomes(kind: str, box: Box, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Run every attempt, with another sandbox beside it that has a file and a process of a name of its own."""
    other = Box(kind, tmp_path_factory.mktemp(f"other-{kind}"))
    try:
        other.says(f"touch {MARK}; (exec -a {MARK} sleep 600) & sleep 0.1; ls /proc/*/cmdline >/dev/null")
        box.tool("write", file_path="/tmp/attempts.py", content=Path(attempts.__file__).read_text())
        said = box.says(f"python3 /tmp/attempts.py {MARK}")
        yield json.loads(said)
        assert other.says("ls") == MARK
    finally:
        other.sandbox.close()


HELD: dict[str, object] = {
    "mknod": "EPERM",  # E2
    "devices": [f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero")],  # E2
    "sockets in the file system": [],  # E8
    "abstract sockets": [],  # E8, E15
    "docker.sock": "ENOENT",  # E2, E8
    "interfaces": ["lo"],  # E15
    "metadata": "ENETUNREACH",
    "gateway": "ENETUNREACH",  # E15
    "a name": "not found",
    "clone": dict.fromkeys(attempts.NEW, "EPERM"),  # E4
    "32 bits": "killed by SIGSYS",  # E4
    "x32": "killed by SIGSYS",  # E4
    "sysrq": "ENOENT",  # E5
    "kcore": "ENOENT",  # E5
    "control groups": [],  # E5
    "memory of the kernel": "ENOENT",  # E5
    "core": [[0, 0], []],  # E12
    "shared memory": 64,  # E11
    "other sandbox": [],  # E15
    "kill 1": "lives",  # C3
    **{f"call {name}": "EPERM" for name in attempts.CALLS},  # E4
    "call clone3": "ENOSYS",  # E4
}
"""What every attempt comes to, in every sandbox."""

OWN_FOLDERS = ["/home/agent", "/mnt/session/outputs", "/mnt/session/uploads", "/tmp", "/workspace"]
DEVICES = ["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"]
OF_EACH: dict[str, dict[str, object]] = {
    "docker": {
        "writable": sorted([*DEVICES, *OWN_FOLDERS, "/dev/mqueue", "/dev/pts/ptmx", "/dev/shm", "/var/tmp"]),
        "setuid program": "10001",  # E3
        "setuid of our own": "EPERM",  # E3
        "setuid to root": "EPERM",  # E2
        "core_pattern": "EROFS",  # E5
        "oom_score_adj": "EACCES",
        "uevent_helper": "EROFS",  # E5
        "tunable": [],  # E5
        "shadow": "EACCES",  # E6
        "run": "EACCES",
    },
    "root": {
        "setuid program": "0",
        "core_pattern": "EROFS",  # E5
        "oom_score_adj": "EACCES",
        "uevent_helper": "EROFS",  # E5
        "tunable": [],  # E5
        "run": "ok",
    },
    "bubblewrap": {
        "writable": sorted([*DEVICES, *OWN_FOLDERS, "/dev/pts", "/dev/shm"]),
        "setuid of our own": "EINVAL",  # E3: root has no number in there
        "setuid to root": "EINVAL",  # E2
        "core_pattern": "EACCES",  # E5
        "oom_score_adj": "EACCES",
        "uevent_helper": "ENOENT",  # E5
        "shadow": "ENOENT",  # E6
        "run": "ENOENT",
    },
}
OF_NAMESPACES = ("kernel/msg", "kernel/sem", "kernel/shm", "kernel/auto_msgmni", "kernel/ns_last_pid", "kernel/pid_max")


def test_every_attempt_comes_to_nothing(kind: str, outcomes: dict[str, Any]) -> None:
    """E2, E3, E4, E5, E8, E11, E12, E15: the table, row by row."""
    expected = HELD | OF_EACH[kind]
    assert {name: outcomes[name] for name in expected} == expected
    about = outcomes["status"]
    assert (about["NoNewPrivs"], about["Seccomp"]) == ("1", "2")
    held = {name: about[name] for name in ("CapPrm", "CapEff", "CapBnd")}
    assert held == dict.fromkeys(held, ROOT_HAS if kind == "root" else NOTHING)
    assert (about["CapInh"], about["CapAmb"]) == (NOTHING, NOTHING) or kind == "root"
    assert set(about["Uid"].split()) == {"0" if kind == "root" else "10001"}
    unknown = outcomes.keys() - expected.keys() - {"status", "mounts", "v6"}
    assert not unknown or kind != "docker"


def test_what_can_be_tuned_is_of_the_namespaces_alone(kind: str, outcomes: dict[str, Any]) -> None:  # E5
    for path in outcomes["tunable"]:
        assert path.startswith(tuple(f"/proc/sys/{name}" for name in (*OF_NAMESPACES, "fs/mqueue")))


def test_what_is_left_in_the_outputs_is_fetched_without_being_followed_or_trusted(box: Box) -> None:  # E6, E16
    box.says(
        "cd /mnt/session/outputs; ln -s /etc/shadow leak; ln -s / top; ln /etc/hostname hard; mkfifo pipe;"
        "echo x >own; chmod 6777 own; python3 -c 'import socket; socket.socket(1).bind(\"sup.sock\")'"
    )
    files = {file.path: file for file in box.sandbox.outputs()}
    assert files["own"].mode == 0o777  # no setuid, no setgid
    assert not files.keys() & {"leak", "top", "pipe", "sup.sock"}
    for path in ("leak", "top/etc/passwd", "pipe", "sup.sock", "../../../etc/passwd"):
        with pytest.raises(SandboxError, match="cannot read"):
            list(box.sandbox.read_output(path))


def test_the_header_and_the_record_say_who_the_programs_run_as(kind: str, box: Box) -> None:
    if kind != "bubblewrap":
        assert box.header["user"] == box.facts["user"] == ("root" if kind == "root" else "agent")
        assert box.says("id -u; echo $HOME") == ("0\n/root" if kind == "root" else "10001\n/home/agent")
    else:
        with pytest.raises(UsageError, match="user: root"):
            BubblewrapSandbox(Environment(name="x", config={"type": "docker", "user": "root"}), Path("/nowhere"))


def test_the_table_of_system_calls_has_the_numbers_of_this_machine() -> None:
    known = seccomp.numbers()[platform.machine()]
    assert {name: known[name] for name in ("read", "socket", "execve")} == (
        {"read": 0, "socket": 41, "execve": 59}
        if platform.machine() == "x86_64"
        else {"read": 63, "socket": 198, "execve": 221}
    )
    dangerous = {name.split()[0].rstrip(",") for name in attempts.CALLS} - {"socket", "clone3", "ptrace", "personality"}
    for machine in ("x86_64", "aarch64"):
        assert not seccomp.numbers()[machine].keys() & dangerous
        assert len(seccomp.kernel_program(machine) or b"") % 8 == 0
    assert seccomp.kernel_program("riscv64") is None


def test_the_profile_is_shipped_with_the_program() -> None:
    profile = json.loads(seccomp.docker_profile())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert all(not arch["subArchitectures"] for arch in profile["archMap"])
    table = Path(seccomp.__file__).with_name("syscalls.txt")
    assert stat.S_ISREG(table.stat().st_mode)
