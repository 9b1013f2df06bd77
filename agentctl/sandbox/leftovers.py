"""What runs have left behind that were killed: containers and folders of sessions that nobody runs.

Found by label and lock, never by name alone. A container is ours when it has the label of this
store, and left over when nobody holds the lease of its session, which is taken before the container
is made and given back after it is removed. A folder is left over when nobody holds it; it is held
from before it has its name until it is gone.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentctl.errors import AgentctlError
from agentctl.paths import Home
from agentctl.sandbox.bubblewrap import folders_in, outer_user
from agentctl.sandbox.docker.containers import Container, Containers
from agentctl.sandbox.process import PREFIX, end_processes_of, remove_folder
from agentctl.store.leases import at_rest, is_running

_SESSION = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DIGITS = re.compile(r"[0-9a-f]{16}(\.new)?")
_MADE = re.compile(r"[0-9a-f]{16}$")
_SECONDS_TO_MAKE = 60.0
_OVER = ("exited", "dead")


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing that was left: a container by its name, or a folder by its path.

    ``error`` says why it could not be removed.
    """

    kind: str
    name: str
    session_id: str | None = None
    state: str | None = None
    error: str | None = None


def sweep_containers(home: Home, *, remove: bool = True, only_ended: bool = False) -> Iterator[Leftover]:
    """Remove the containers that are left over, or only find them; yields each.

    ``only_ended`` leaves those that run: the session may be taken up again, and ask them how far its
    calls are. They end by themselves. Raises SandboxError where the daemon cannot be asked.
    """
    with contextlib.closing(Containers(home.builds)) as containers:
        for container in containers.list():
            if not _SESSION.fullmatch(container.session_id) or (only_ended and container.state not in _OVER):
                continue
            found = Leftover("container", container.name, container.session_id, container.state)
            if remove:
                yield from _without(home, containers, container, found)
            elif not is_running(home, container.session_id):
                yield found


def _without(home: Home, containers: Containers, container: Container, found: Leftover) -> Iterator[Leftover]:
    with at_rest(home, container.session_id) as is_left:
        if not is_left:
            return
        try:
            if containers.remove(container):
                yield found
        except AgentctlError as error:
            yield Leftover(found.kind, found.name, found.session_id, found.state, error.message)


def sweep_folders(home: Home, *, remove: bool = True) -> Iterator[Leftover]:
    """Remove the folders that are left over, with the processes that are in them, or only find them; yields each."""
    places = {(home.sandboxes, PREFIX), folders_in(home.sandboxes)}
    for parent, prefix in sorted(places):
        for folder in _folders(parent, prefix):
            with _nobody_holds(folder) as is_left:
                if is_left:
                    if remove:
                        end_processes_of(folder)
                        remove_folder(folder)
                    error = "it could not be removed" if remove and folder.exists() else None
                    yield Leftover("folder", str(folder), error=error)


def _folders(parent: Path, prefix: str) -> list[Path]:
    try:
        folders = sorted(folder for folder in parent.iterdir() if folder.name.startswith(prefix))
    except OSError:
        return []
    return [folder for folder in folders if _DIGITS.fullmatch(folder.name[len(prefix) :])]


@contextlib.contextmanager
def _nobody_holds(folder: Path) -> Iterator[bool]:
    """Say whether a folder is ours and nobody's; nobody takes it meanwhile."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        yield _is_left(folder, os.fstat(descriptor)) and _hold_now(descriptor)
    finally:
        os.close(descriptor)


def _is_left(folder: Path, facts: os.stat_result) -> bool:
    is_old = time.time() - facts.st_mtime > _SECONDS_TO_MAKE
    return facts.st_uid in (os.geteuid(), outer_user()) and (bool(_MADE.search(folder.name)) or is_old)


def _hold_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
