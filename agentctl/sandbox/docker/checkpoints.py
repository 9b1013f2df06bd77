"""The state of a container, kept as an image when its session comes to rest.

A kept state is an image of its own that bears the session's id and the owner's, and goes when its time
is over; only the newest of a session is kept. It holds whatever the container's files were, so nothing
that is in it leaves the machine, and no secret ever was in the container.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import docker.errors
from docker.api import APIClient

from agentctl.canonical import JsonObject
from agentctl.errors import SandboxError
from agentctl.sandbox.disk import Space, size_of
from agentctl.sandbox.docker.containers import owner_of
from agentctl.sandbox.docker.daemon import CALL_SECONDS, CONFLICT, connect, explained

REPOSITORY = "agentctl-checkpoint"
SESSION_LABEL = "agentctl.checkpoint"
UNTIL_LABEL = "agentctl.keep_until"

COMMIT_SECONDS = 900
"""How long the daemon may take to write the files of a container into an image."""

MOST_LAYERS = 110
"""overlay2 takes 128 layers on top of each other; a container needs two for itself."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A kept state: its image's id and names, bytes, and times in RFC 3339."""

    image: str
    names: tuple[str, ...]
    session_id: str
    size: int
    created_at: str
    keep_until: str


@dataclass(frozen=True, slots=True)
class Room:
    """What a kept state may take: bytes at most, in a folder on this machine (None: on another one's)."""

    limit: int
    folder: Path | None


def keep_container(
    client: APIClient, container: str, session_id: str, environment_image: str, owner: str, keep_until: str, most: Room
) -> JsonObject:
    """Write a container's files into an image; return the members of ``local.checkpoint``.

    ``environment_image`` is what its size is counted from. Nothing runs in the container meanwhile, so that what
    was measured is what is written. Raises SandboxError, and what Docker raises.
    """
    inspected = client.inspect_container(container)
    layers = client.inspect_image(inspected["Image"])["RootFS"]["Layers"]  # type: ignore[no-untyped-call]
    if len(layers) >= MOST_LAYERS:
        raise SandboxError(f"the state of the sandbox cannot be kept: it would lie on {len(layers)} others")
    labels = {SESSION_LABEL: session_id, "agentctl.owner": owner, UNTIL_LABEL: keep_until}
    client.timeout = COMMIT_SECONDS
    client.pause(container)
    try:
        _refuse_large(client, container, most)
        made = client.commit(container, REPOSITORY, _tag(session_id, owner), conf={"Labels": labels})
    finally:
        client.unpause(container)
        client.timeout = CALL_SECONDS
    return facts_of(client, made["Id"], environment_image, keep_until)


def _refuse_large(client: APIClient, container: str, most: Room) -> None:
    """Refuse what would fill the disk: a file with holes takes nothing in a container, and all of its size in an image.

    The daemon counts files by their size, holes and all, as it writes them.
    """
    [found] = client.containers(all=True, size=True, filters={"id": container})
    size = int(found.get("SizeRw") or 0)
    if size > most.limit:
        raise SandboxError(f"its files come to {size_of(size)}, and its disk limit is {size_of(most.limit)}")
    if most.folder is not None:
        space = Space.of(most.folder)
        if space.free_bytes - size < space.reserve_bytes:
            raise SandboxError(f"its files come to {size_of(size)}, and {size_of(space.free_bytes)} are free")


def facts_of(client: APIClient, image: str, environment_image: str, keep_until: str) -> JsonObject:
    """Return the members of ``local.checkpoint`` for a kept state that is there."""
    beyond = _size(client, image) - _size(client, environment_image)
    return {"image": image, "size": max(beyond, 0), "keep_until": keep_until}


class Checkpoints:
    """The kept states of one store."""

    def __init__(self, builds: Path) -> None:
        """Connect to the daemon. Raises SandboxError."""
        self._owner = owner_of(builds)
        self._client = connect()

    def list(self, session_id: str | None = None) -> list[Checkpoint]:
        """Return them all, or those of one session, the newest first. Raises SandboxError.

        One that another was made from is a part of that other one, and goes with it.
        """
        wanted = SESSION_LABEL if session_id is None else f"{SESSION_LABEL}={session_id}"
        with explained():
            found = self._client.images(filters={"label": [wanted, f"agentctl.owner={self._owner}"]})
            ids = dict.fromkeys(each["Id"] for each in found)
            return sorted(filter(None, map(self._seen, ids)), key=lambda each: each.created_at, reverse=True)

    def remove(self, checkpoint: Checkpoint) -> bool:
        """Remove one. Returns False where a container still needs it. Raises SandboxError."""
        return remove_image(self._client, (*checkpoint.names, checkpoint.image))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _seen(self, image: str) -> Checkpoint | None:
        try:
            facts = self._client.inspect_image(image)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            return None
        labels = facts["Config"]["Labels"] or {}
        return Checkpoint(
            image=image,
            names=tuple(facts.get("RepoTags") or ()),
            session_id=labels.get(SESSION_LABEL, ""),
            size=int(facts["Size"]) - _begun_from(self._client, facts),
            created_at=facts["Created"],
            keep_until=labels.get(UNTIL_LABEL, ""),
        )


def remove_image(client: APIClient, names: Sequence[str]) -> bool:
    """Remove an image by all its names, the id last. Returns False where it is in use. Raises SandboxError."""
    with explained():
        for name in names:
            try:
                client.remove_image(name)
            except docker.errors.ImageNotFound:
                continue  # the last of its names took it along
            except docker.errors.APIError as error:
                if error.status_code != CONFLICT:
                    raise
                return False
    return True


def _begun_from(client: APIClient, facts: JsonObject) -> int:
    """Return the bytes of the image that its kept states lie on: all of them go with the last one."""
    while facts.get("Parent") and SESSION_LABEL in (facts["Config"]["Labels"] or {}):
        try:
            facts = client.inspect_image(facts["Parent"])  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            return 0
    return int(facts["Size"])


def _size(client: APIClient, image: str) -> int:
    try:
        return int(client.inspect_image(image)["Size"])  # type: ignore[no-untyped-call]
    except docker.errors.ImageNotFound:
        return 0


def _tag(session_id: str, owner: str) -> str:
    """Name what is kept of a session; ids that make no name are replaced by their hash."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", session_id):
        session_id = sha256(session_id.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return f"{session_id}-{owner[:8]}"
