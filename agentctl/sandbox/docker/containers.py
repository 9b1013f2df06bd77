"""The containers of one store: what they are called, whose they are, and their removal."""

import hashlib
import os
import re
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import docker.errors
from docker.api import APIClient

from agentctl.errors import SandboxError
from agentctl.sandbox.docker.daemon import CONFLICT, connect, explained


@dataclass(frozen=True, slots=True)
class Container:
    """A container that a store has made: ``state`` is Docker's word (running, exited, created, …)."""

    id: str
    name: str
    session_id: str
    state: str


class Containers:
    """The containers of one store, whatever has become of those who made them."""

    def __init__(self, builds: Path) -> None:
        """Connect to the daemon. Raises SandboxError."""
        self._owner = owner_of(builds)
        self._client = connect()

    def list(self) -> list[Container]:
        """Return them all. The daemon chooses them by our label, and is not taken at its word; raises SandboxError."""
        with explained():
            found = self._client.containers(all=True, filters={"label": [f"agentctl.owner={self._owner}"]})
            return [
                Container(each["Id"], each["Names"][0].lstrip("/"), each["Labels"]["agentctl.session"], each["State"])
                for each in found
                if each["Names"] and "agentctl.session" in each["Labels"]
                if each["Labels"].get("agentctl.owner") == self._owner
            ]

    def remove(self, container: Container) -> bool:
        """Remove one with all that is in it. Returns False where somebody else does. Raises SandboxError."""
        with explained():
            try:
                self._client.remove_container(container.id, force=True, v=True)
            except docker.errors.NotFound:
                return False
            except docker.errors.APIError as error:
                if error.status_code != CONFLICT:
                    raise
                return False
        return True

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class ContainerDisk:
    """What a container takes of the disk.

    For a thread of its own, so each use has a connection of its own.
    """

    def __init__(self, container: str) -> None:
        self._container = container

    def used(self) -> int | None:
        """Return the bytes that its own layer takes; None where the daemon does not say."""
        with suppress(SandboxError), closing(connect()) as client, explained():
            found = client.containers(all=True, size=True, filters={"id": self._container})
            return int(found[0].get("SizeRw", 0)) if found else None
        return None

    def kill(self) -> None:
        """End all that runs in it, at once."""
        with suppress(SandboxError), closing(connect()) as client:
            self._kill(client)

    def _kill(self, client: APIClient) -> None:
        with explained(), suppress(docker.errors.NotFound):
            client.kill(self._container)


def remove_named(client: APIClient, name: str, identity: Mapping[str, str]) -> None:
    """Remove our own container of that name, which somebody left; never anybody else's.

    Raises SandboxError where it is another's, and what Docker raises.
    """
    labels = client.inspect_container(name)["Config"]["Labels"] or {}
    if not identity.items() <= labels.items():
        raise SandboxError(f"there is a container {name} already, and it is not ours")
    client.remove_container(name, force=True, v=True)


def remove_ended(identity: Mapping[str, str]) -> None:
    """Remove containers of this identity in which nothing runs; never raises SandboxError."""
    filters = {"label": labels_of(identity), "status": ["created", "exited", "dead"]}
    with suppress(SandboxError), closing(connect()) as client, explained():
        for container in client.containers(all=True, filters=filters):
            client.remove_container(container["Id"], v=True)


def container_name(session_id: str, generation: int) -> str:
    """Name the container of a session; ids that make no name are replaced by their hash."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", session_id):
        session_id = hashlib.sha256(session_id.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return f"agentctl-{session_id}-{generation}"


def identity_of(session_id: str, owner: str) -> dict[str, str]:
    """Return the labels that every container of a session has, and no other container."""
    return {"agentctl.session": session_id, "agentctl.owner": owner}


def labels_of(identity: Mapping[str, str]) -> list[str]:
    """Write an identity as a filter of the daemon."""
    return [f"{key}={value}" for key, value in identity.items()]


def owner_of(builds: Path) -> str:
    """Name the owner of a container: this user with this store on this machine."""
    owner = f"{socket.gethostname()}\0{os.getuid()}\0{builds}"
    return hashlib.sha256(owner.encode("utf-8", "surrogateescape")).hexdigest()[:24]
