"""The system calls that a sandbox may make, as a profile for Docker and as a program for the kernel.

What is not in ``syscalls.txt`` is refused with EPERM, for whoever is root inside as well. Beyond what
Docker's own profile refuses, these are missing, because much of the kernel can be reached through
them and nothing that people do in a sandbox needs them:

* ``io_uring_*``, ``userfaultfd``, ``remap_file_pages``, ``modify_ldt``: a long record of holes, and programs
  that use them have another way.
* sockets other than those of files (AF_UNIX), of TCP and UDP, and of the routing table, which libc
  reads: no AF_ALG, AF_VSOCK, AF_PACKET, Bluetooth, and no protocol whose module the kernel would load.
* ``process_vm_readv`` and ``process_vm_writev``, and ``ptrace`` of process 1. Of its own processes it
  stays: debuggers and the leak check of sanitizers need it.
* ``adjtimex``, ``clock_adjtime``, ``name_to_handle_at``, ``fanotify_mark``, ``process_mrelease``,
  ``memfd_secret`` and what has never worked on 64 bits: no use without privileges, or none at all.
* everything that Docker gives back to those with capabilities (mount, bpf, perf_event_open, keyctl,
  chroot, unshare, setns, reboot, modules, kexec, ...): no sandbox has them.
* the system calls of 32-bit programs: their numbers differ, and ``socketcall`` hides which socket is
  asked for. A process that makes one is killed.

``clone3`` is said to be missing: its flags are out of a filter's sight, and libc goes back to ``clone``.
"""

import errno
import functools
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

_NAMESPACES = 0x7E02_0000
"""Every CLONE_NEW* flag that clone takes."""

_ASK = 0xFFFF_FFFF
"""The personality that only asks which it is."""

_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_TYPE = 0xF
_STREAM, _DGRAM = 1, 2
_TCP, _UDP = 6, 17
_ROUTE, _AUDIT = 0, 9

_ARCHITECTURES = {"x86_64": ("SCMP_ARCH_X86_64", 0xC000_003E), "aarch64": ("SCMP_ARCH_AARCH64", 0xC000_00B7)}
"""What libseccomp and the kernel call them."""

_X32_BIT = 0x4000_0000
_LOAD, _AND, _JUMP, _EQUAL, _ABOVE, _FROM, _RETURN = 0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16


@dataclass(frozen=True, slots=True)
class Condition:
    """An argument, as far as ``mask`` goes, has a value.

    The kernel reads 32 bits of each argument named here, so no more are looked at: a filter that
    compares 64 lets through what has anything in the upper half.
    """

    argument: int
    value: int
    mask: int = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Rule:
    """A system call is allowed where all conditions hold, or fails with ``error``."""

    name: str
    conditions: tuple[Condition, ...] = ()
    error: int | None = None


def _socket(family: int, kind: int, protocol: int) -> Rule:
    return Rule("socket", (Condition(0, family), Condition(1, kind, _TYPE), Condition(2, protocol)))


RULES = (
    Rule("clone", (Condition(0, 0, _NAMESPACES),)),
    Rule("clone3", error=errno.ENOSYS),
    Rule("personality", (Condition(0, 0),)),
    Rule("personality", (Condition(0, _ASK),)),
    # Whose process is not 1: filters know no "unequal" for half a register, so some bit is another one.
    Rule("ptrace", (Condition(1, 0, 1),)),
    *(Rule("ptrace", (Condition(1, 1 << bit, 1 << bit),)) for bit in range(1, 32)),
    Rule("socket", (Condition(0, _UNIX),)),
    Rule("socket", (Condition(0, _NETLINK), Condition(2, _ROUTE))),
    # Programs that add users go on where the kernel has no auditing, and give up where it is forbidden.
    Rule("socket", (Condition(0, _NETLINK), Condition(2, _AUDIT)), error=errno.EPROTONOSUPPORT),
    *(_socket(family, _STREAM, protocol) for family in (_INET, _INET6) for protocol in (0, _TCP)),
    *(_socket(family, _DGRAM, protocol) for family in (_INET, _INET6) for protocol in (0, _UDP)),
)
"""What is not simply allowed."""


@functools.cache
def numbers() -> dict[str, dict[str, int]]:
    """Return, for each machine, the numbers of the system calls in the table."""
    table: dict[str, dict[str, int]] = {machine: {} for machine in _ARCHITECTURES}
    for line in Path(__file__).with_name("syscalls.txt").read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            name, *columns = line.split()
            for machine, number in zip(_ARCHITECTURES, columns, strict=True):
                if number != "-":
                    table[machine][name] = int(number)
    return table


@functools.cache
def docker_profile() -> str:
    """Write the profile that Docker takes as the value of its security option ``seccomp``."""
    special = {rule.name for rule in RULES}
    plain = sorted({name for known in numbers().values() for name in known} - special)
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "archMap": [{"architecture": name, "subArchitectures": []} for name, _ in _ARCHITECTURES.values()],
        "syscalls": [{"names": plain, "action": "SCMP_ACT_ALLOW"}, *map(_for_docker, RULES)],
    }
    return json.dumps(profile, separators=(",", ":"))


def _for_docker(rule: Rule) -> dict[str, object]:
    conditions = [
        {"index": one.argument, "value": one.mask, "valueTwo": one.value, "op": "SCMP_CMP_MASKED_EQ"}
        for one in rule.conditions
    ]
    if rule.error is not None:
        return {"names": [rule.name], "action": "SCMP_ACT_ERRNO", "errnoRet": rule.error, "args": conditions}
    return {"names": [rule.name], "action": "SCMP_ACT_ALLOW", "args": conditions}


def kernel_program(machine: str | None = None) -> bytes | None:
    """Write the same for the kernel itself (struct sock_filter); None for a machine that is not in the table."""
    machine = machine or os.uname().machine
    if machine not in _ARCHITECTURES:
        return None
    return b"".join(struct.pack("<HBBI", *each) for each in _instructions(machine))


_Instruction: TypeAlias = tuple[int, int, int, int]


def _instructions(machine: str) -> Iterator[_Instruction]:
    """Yield code, how many to pass over if true and if false, and the operand."""
    known = numbers()[machine]
    special = {rule.name for rule in RULES}
    yield _LOAD, 0, 0, _AT_ARCHITECTURE
    yield _EQUAL, 1, 0, _ARCHITECTURES[machine][1]
    yield _RETURN, 0, 0, _KILL_PROCESS
    yield _LOAD, 0, 0, _AT_NUMBER
    yield _FROM, 0, 1, _X32_BIT
    yield _RETURN, 0, 0, _KILL_PROCESS
    # What is newer than this table is not there yet, so that programs do without it.
    yield _ABOVE, 0, 1, max(known.values())
    yield _RETURN, 0, 0, _ERRNO | errno.ENOSYS
    for number in sorted(number for name, number in known.items() if name not in special):
        yield _EQUAL, 0, 1, number
        yield _RETURN, 0, 0, _ALLOW
    for name in sorted(special & known.keys()):
        checks = [step for rule in RULES if rule.name == name for step in _checks(rule)]
        checks.append((_RETURN, 0, 0, _ERRNO | errno.EPERM))
        yield _EQUAL, 1, 0, known[name]
        yield _JUMP, 0, 0, len(checks)  # the other jumps reach no further than 255
        yield from checks
    yield _RETURN, 0, 0, _ERRNO | errno.EPERM


def _checks(rule: Rule) -> list[_Instruction]:
    """Return the result where every condition holds, else come out at the end."""
    steps: list[_Instruction] = []
    for left, one in zip(range(len(rule.conditions), 0, -1), rule.conditions, strict=True):
        steps.append((_LOAD, 0, 0, _AT_ARGUMENTS + 8 * one.argument))  # both machines keep the lower half first
        steps.append((_AND, 0, 0, one.mask))
        steps.append((_EQUAL, 0, 3 * (left - 1) + 1, one.value))
    return [*steps, (_RETURN, 0, 0, _ALLOW if rule.error is None else _ERRNO | rule.error)]
