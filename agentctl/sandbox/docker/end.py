"""One container as the far end of the pipe: made and started, or found running, and removed in the end."""

from contextlib import suppress
from pathlib import Path
from typing import Literal

import docker.errors
import requests
from docker.api import APIClient

from agentctl import __version__
from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment, Mount
from agentctl.errors import SandboxError
from agentctl.sandbox.base import Layout, Origin, Progress
from agentctl.sandbox.disk import DEFAULT_DISK, DiskWatch, refuse_full
from agentctl.sandbox.docker.attach import AttachStream
from agentctl.sandbox.docker.checkpoints import Room, facts_of, keep_container
from agentctl.sandbox.docker.containers import (
    ContainerDisk,
    container_name,
    identity_of,
    labels_of,
    owner_of,
    remove_ended,
    remove_named,
)
from agentctl.sandbox.docker.daemon import Engine, connect, engine_of, explained
from agentctl.sandbox.docker.death import cause_of_death
from agentctl.sandbox.docker.image import image_id, is_ours, no_such_image
from agentctl.sandbox.docker.known import KnownPackages
from agentctl.sandbox.docker.making import make_container, refuse_different
from agentctl.sandbox.docker.origin import choose_image
from agentctl.sandbox.docker.sealing import DEFAULT_MEMORY, container_body, home_of
from agentctl.sandbox.mounts import binds_of
from agentctl.sandbox.pipe.streams import ByteStream
from agentctl.visible import visible_line

CLOSE_SECONDS = 20
"""How long the removal of a container may take."""


class DockerEnd:
    """One container.

    While it is not ``owned``, because another harness may still have it, closing leaves it alone.
    """

    def __init__(self, environment: Environment, builds: Path, generation: int, origin: Origin) -> None:
        config = environment.config
        self._environment = environment
        self._config = config
        self._origin = origin
        self._checkpoint: str | None = None
        self._memory = config.resources.memory or DEFAULT_MEMORY
        self._builds = builds
        self._generation = generation
        self._client: APIClient | None = None
        self._image: str | None = None
        self._engine: Engine | None = None
        self._watch: DiskWatch | None = None
        self._image_facts: JsonObject = {}
        self._container: str | None = None
        self._name: str | None = None
        self._session_id = ""
        self.owned = True
        self._stream: AttachStream | None = None

    @property
    def kind(self) -> Literal["docker"]:
        """Say which it is."""
        return "docker"

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """What of this machine can be read inside."""
        return self._config.mounts

    @property
    def layout(self) -> Layout:
        """Say where things are inside."""
        return Layout()

    @property
    def is_kept_state(self) -> bool:
        """Whether the container is made from the kept state of another, and not from the environment's image."""
        return self._checkpoint is not None

    def known_packages(self) -> bytes | None:
        """Return the packages of the environment's image, where it was asked before."""
        return KnownPackages(self._builds).find(str(self._image_facts.get("image_digest")))

    def keep_packages(self, packages: bytes) -> None:
        """Keep what the environment's image says of its packages."""
        KnownPackages(self._builds).keep(str(self._image_facts.get("image_digest")), packages)

    def check(self) -> JsonObject:
        """Find the daemon and the image. Raises SandboxError."""
        name = self._config.base_image
        with explained():
            client = self._connected()
            version = str(client.version()["Version"])
            here = image_id(client, name) is not None
            if not here and is_ours(name):
                raise no_such_image(name)
        return {"kind": self.kind, "version": version, "image": name + ("" if here else " (to be pulled)")}

    def prepare(self, progress: Progress) -> JsonObject:
        """Find or build the image. Raises SandboxError, and UsageError for mounts that must not be."""
        binds_of(self._config.mounts)
        with explained():
            client = self._connected()
            self._engine = engine_of(client)
            facts = choose_image(client, self._environment, self.layout, self._builds, self._origin, progress)
        self._checkpoint = facts.get("checkpoint")
        self._image = self._checkpoint or facts["image_digest"]
        self._image_facts = facts
        return {"kind": self.kind, **self._image_facts, "user": self._config.user}

    def open(self, session_id: str) -> ByteStream:
        """Make the container, attach to it, start it. Raises SandboxError and leaves no container."""
        if self._image is None:
            self.prepare(lambda _line: None)
        self._session_id = session_id
        self._name = container_name(session_id, self._generation)
        with explained():
            client = self._connected()
            body = self._body(client)
            self._container = make_container(client, body, self._name, self._identity(session_id))
            refuse_different(client, self._container, body)
            self._stream = AttachStream(client, self._container)
            client.start(self._container)
            self._watch_disk(client, self._container)
        return self._stream

    def remove_ended(self, session_id: str) -> None:
        """Remove the session's containers in which nothing runs: a harness or a daemon was killed before it could."""
        remove_ended(self._identity(session_id))

    def runs(self, session_id: str) -> bool:
        """Say whether a container of the session runs. Raises SandboxError."""
        with explained():
            return bool(self._running(session_id))

    def reopen(self, session_id: str) -> ByteStream:
        """Attach to the session's running container, which another harness has left. Raises SandboxError."""
        with explained():
            found = self._running(session_id)
            if not found:
                raise SandboxError(f"no container of session {visible_line(session_id)} runs")
            newest = max(found, key=lambda container: int(container["Labels"].get("agentctl.generation", 0)))
            self._session_id, self._container, self.owned = session_id, newest["Id"], False
            client = self._connected()
            self._stream = AttachStream(client, newest["Id"])
            self._watch_disk(client, newest["Id"])
        return self._stream

    def _running(self, session_id: str) -> list[JsonObject]:
        filters = {"label": labels_of(self._identity(session_id)), "status": "running"}
        found: list[JsonObject] = self._connected().containers(filters=filters)
        return found

    def config(self) -> JsonObject:
        """Tell the supervisor about its place."""
        home = home_of(self._config.user)
        return {"home": home, "limits": {}, "memory_limit": self._memory, "quit_at_end": False}

    def facts(self) -> JsonObject:
        """Return facts for the record."""
        user = self._config.user
        return {**self._image_facts, "container_id": self._container, "isolated": True, "user": user}

    def cause_of_death(self) -> str:
        """Say why the container is no more. Raises SandboxLimitError where it was stopped for what it took."""
        if self._container is None or self._client is None:
            return "the sandbox is not started"
        if self._watch is not None:
            self._watch.raise_reached()
        said = self._stream.said if self._stream is not None else str
        return cause_of_death(self._client, self._container, self._memory, said)

    def close(self) -> None:
        """Remove the container with all that is in it."""
        if self._watch is not None:
            self._watch.stop()
        if self._stream is not None:
            self._stream.close()  # first: the daemon would wait for us to read what the container still says
        if self._client is None:
            return
        self._client.timeout = CLOSE_SECONDS
        # A container that cannot be removed ends itself when it hears from nobody, and has our labels.
        if self.owned:
            with suppress(docker.errors.DockerException, requests.RequestException, SandboxError):
                self._remove(self._client)
        self._client.close()
        self._client = None

    def keep(self, keep_until: str, *, changed: bool) -> JsonObject | None:
        """Keep the container's files; where nothing ``changed``, what they were made from. Raises SandboxError."""
        if self._container is None or not (changed or self._checkpoint):
            return None
        with explained():
            client, image = self._connected(), self._image_facts["image_digest"]
            if not changed and self._checkpoint is not None:
                return facts_of(client, self._checkpoint, image, keep_until)
            room = Room(self._config.resources.disk or DEFAULT_DISK, self._known_engine(client).folder)
            owner = owner_of(self._builds)
            return keep_container(client, self._container, self._session_id, image, owner, keep_until, room)

    def _connected(self) -> APIClient:
        if self._client is None:
            self._client = connect()
        return self._client

    def _known_engine(self, client: APIClient) -> Engine:
        if self._engine is None:
            self._engine = engine_of(client)
        return self._engine

    def _body(self, client: APIClient) -> JsonObject:
        labels = {
            **self._identity(self._session_id),
            "agentctl.version": __version__,
            "agentctl.generation": str(self._generation),
        }
        engine = self._known_engine(client)
        if engine.folder is not None:
            refuse_full(engine.folder)
        assert self._image is not None
        return container_body(client, self._config, self._image, labels, engine, binds_of(self._config.mounts))

    def _watch_disk(self, client: APIClient, container: str) -> None:
        engine = self._known_engine(client)
        limit = self._config.resources.disk or DEFAULT_DISK
        disk = ContainerDisk(container)
        self._watch = DiskWatch(limit, engine.folder, disk.used, disk.kill)
        self._watch.start()

    def _remove(self, client: APIClient) -> None:
        """Remove the container; while its id is not known, the one with its name if that is ours."""
        if self._container is not None:
            client.remove_container(self._container, force=True, v=True)
        elif self._name is not None:
            remove_named(client, self._name, self._identity(self._session_id))

    def _identity(self, session_id: str) -> dict[str, str]:
        return identity_of(session_id, owner_of(self._builds))
