"""What Docker and the kernel of this machine are known to be open to, for ``agentctl doctor``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentctl.errors import SandboxError
from agentctl.sandbox.docker.daemon import Versions, versions
from agentctl.sandbox.docker.holes import Hole, holes_of

_IO_URING = Path("/proc/sys/kernel/io_uring_disabled")
_WHO = {"0": "any process may use it", "1": "processes of one group may use it", "2": "no process may use it"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``needed`` says whether sessions cannot run without it."""

    name: str
    ok: bool
    says: str
    hint: str | None = None
    needed: bool = True


def exposures() -> Iterator[Finding]:
    """Look at the daemon, and yield what its versions and its settings mean; nothing where there is no daemon."""
    try:
        found = versions()
    except SandboxError:
        return  # the line about Docker itself says so
    for component, version in (("engine", found.engine), ("runc", found.runc or "")):
        if version:
            yield from _holes(component, version)
    yield from _means(found)
    yield _io_uring()


def _holes(component: str, version: str) -> Iterator[Finding]:
    holes = holes_of(component, version)
    told = f"{version}: {len(holes)} known holes" if len(holes) != 1 else f"{version}: 1 known hole"
    open_ones = sum(hole.held_off is None for hole in holes)
    yield Finding(
        component,
        not open_ones,
        f"{told}, of which {open_ones} reach a sandbox" if holes else told,
        f"upgrade {component}",
        needed=False,
    )
    for hole in holes:
        yield _hole(hole)


def _hole(hole: Hole) -> Finding:
    why = f"; held off by design: {hole.held_off}" if hole.held_off else ""
    newer = " or ".join(".".join(map(str, version)) for version in hole.mended)
    hint = f"upgrade {hole.component} to {newer}, or to a version that your distribution has mended"
    return Finding(hole.name, hole.held_off is not None, f"{hole.component}: {hole.what}{why}", hint, needed=False)


def _means(found: Versions) -> Iterator[Finding]:
    yield Finding(
        "seccomp",
        "seccomp" in found.means,
        "the daemon filters system calls" if "seccomp" in found.means else "the daemon cannot filter system calls",
        "use a kernel and a daemon with seccomp; without it no container of agentctl's starts",
        needed=False,
    )
    remapped = bool(found.means & {"userns", "rootless"})
    yield Finding(
        "userns-remap",
        remapped,
        "root of a container is nobody outside"
        if remapped
        else "root of a container would be root outside; that matters for user: root, which has few capabilities",
        "set userns-remap in the daemon's configuration, or run Docker rootless",
        needed=False,
    )


def _io_uring() -> Finding:
    try:
        value = _IO_URING.read_text().strip()
    except OSError:
        return Finding("kernel", True, "it has no switch for io_uring; sandboxes cannot use it", needed=False)
    who = _WHO.get(value, "unknown")
    return Finding("kernel", True, f"kernel.io_uring_disabled is {value}: {who}; sandboxes cannot", needed=False)
