"""Folders of this machine that a sandbox may read: which of them, and where inside.

A file system that can only be read still lets whoever sees it connect to the sockets in it, and
read the keys. So what holds either is refused, by the place to which every link leads.
"""

import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agentctl.definitions.environment import Mount
from agentctl.errors import UsageError
from agentctl.paths import home
from agentctl.visible import visible_line

_SYSTEM = ("/proc", "/sys", "/dev", "/run", "/boot")
_WHOLE = ("/etc", "/tmp", "/var/tmp")  # noqa: S108 - places where others keep sockets and secrets
_DAEMONS = ("/var/run/docker.sock", "/var/run/podman/podman.sock", "/var/lib/docker", "/var/lib/containerd")
_OWN = ("/workspace", "/mnt/session", "/home/agent", "/root", "/tmp", "/proc", "/sys", "/dev", "/run")  # noqa: S108
_NEEDED = ("/bin", "/boot", "/etc", "/home", "/lib", "/lib64", "/mnt", "/opt", "/sbin", "/usr", "/usr/bin", "/usr/lib")


@dataclass(frozen=True, slots=True)
class Bind:
    """A place of this machine, with no link in its path, and where it is inside; to be read only."""

    source: str
    target: str


def binds_of(mounts: Iterable[Mount]) -> tuple[Bind, ...]:
    """Find the places that are to be mounted. Raises UsageError for what must not be, or is not there."""
    wanted = tuple(mounts)
    if not wanted:
        return ()
    beneath, whole = _forbidden()
    targets: list[PurePosixPath] = []
    binds = []
    for mount in wanted:
        binds.append(Bind(_source(mount.source, beneath, whole), str(_target(mount.target, targets))))
        targets.append(PurePosixPath(mount.target))
    return tuple(binds)


def _source(written: str, beneath: set[Path], whole: set[Path]) -> str:
    shown = visible_line(written)
    path = Path(written).expanduser() if written.startswith("~/") else Path(written)
    if not path.is_absolute():
        raise UsageError(f"cannot mount {shown}: it must be an absolute path, or begin with ~/")
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
    except (OSError, RuntimeError) as error:
        raise UsageError(f"cannot mount {shown}: {getattr(error, 'strerror', None) or error}") from error
    led = "" if real == path else f", which leads to {visible_line(str(real))},"
    for place in sorted(beneath | whole):
        if place.is_relative_to(real) or (place in beneath and real.is_relative_to(place)):
            raise UsageError(
                f"cannot mount {shown}{led} into a sandbox: {_why(real, place)}",
                hint="mount a folder that holds what the agent shall read, and nothing else",
            )
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise UsageError(f"cannot mount {shown}{led}: it is neither a folder nor a file")
    return str(real)


def _why(real: Path, place: Path) -> str:
    if real == place:
        return "what is there is not for a sandbox"
    return f"it holds {place}" if place.is_relative_to(real) else f"it is in {place}"


def _forbidden() -> tuple[set[Path], set[Path]]:
    """Return what is refused with all that is in it, and what is refused only as a whole."""
    beneath = {Path(name) for name in _SYSTEM} | {home().root} | {Path(name) for name in _DAEMONS}
    whole = {Path("/"), *(Path(name) for name in _WHOLE)}
    scheme, _, socket = os.environ.get("DOCKER_HOST", "").partition("://")
    if scheme in ("unix", "http+unix"):
        beneath.add(Path("/" + socket.lstrip("/")))
    for folder in _homes():
        whole.add(folder)
        beneath |= _hidden_in(folder)
    return {real for place in beneath for real in (place, place.resolve())}, whole | {one.resolve() for one in whole}


def _homes() -> Iterator[Path]:
    """Yield the homes of people, this user's among them."""
    yield Path.home()
    for entry in pwd.getpwall():
        if (entry.pw_uid in (0, os.getuid()) or entry.pw_uid >= 1_000) and entry.pw_dir.count("/") > 0:
            folder = Path(entry.pw_dir)
            if folder != Path("/"):
                yield folder


def _hidden_in(folder: Path) -> set[Path]:
    try:
        return {entry for entry in folder.iterdir() if entry.name.startswith(".")}
    except OSError:
        return set()


def _target(written: str, before: Iterable[PurePosixPath]) -> PurePosixPath:
    target = PurePosixPath(written)
    shown = visible_line(written)
    if {".", ".."} & set(written.split("/")):
        raise UsageError(f"cannot mount anything at {shown}: the path must be a plain one")
    taken = [*map(PurePosixPath, _OWN), *before]
    for place in taken:
        if target.is_relative_to(place) or place.is_relative_to(target):
            raise UsageError(
                f"cannot mount anything at {shown}: that is where the sandbox has {place}",
                hint="choose a place of its own, such as /data",
            )
    if PurePosixPath(written) in map(PurePosixPath, _NEEDED):
        raise UsageError(f"cannot mount anything at {shown}: the sandbox's own programs are there")
    return target
