"""A container: the supervisor as its main process, the container's standard streams as the pipe.

It is made for one session, looked at before it is started, and removed with the session. Only image,
container and attach calls of Docker's API are used: never exec, and never the archive calls, which
let a container's files be read and written by root.
"""

import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import docker.errors
import requests
from docker.api import APIClient

from agentctl import __version__
from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment, Mount
from agentctl.errors import SandboxError
from agentctl.network.base import Gateway
from agentctl.sandbox.base import FIRST, Layout, Origin, Progress, Started
from agentctl.sandbox.disk import DEFAULT_DISK, DiskWatch, refuse_full
from agentctl.sandbox.docker.attach import AttachStream
from agentctl.sandbox.docker.checkpoints import Room, facts_of, keep_container
from agentctl.sandbox.docker.containers import ContainerDisk, container_name, owner_of
from agentctl.sandbox.docker.daemon import CONFLICT, Engine, connect, engine_of, explained, line_of
from agentctl.sandbox.docker.image import image_id, is_ours, no_such_image
from agentctl.sandbox.docker.known import KnownPackages
from agentctl.sandbox.docker.origin import choose_image
from agentctl.sandbox.docker.recipe import PACKAGES, WRITABLE
from agentctl.sandbox.docker.sealing import DEFAULT_MEMORY, container_body, differences, home_of
from agentctl.sandbox.mounts import binds_of
from agentctl.sandbox.pipe.streams import ByteStream
from agentctl.sandbox.supervised import SILENCE_SECONDS, SupervisedSandbox
from agentctl.session.files import Contents, File
from agentctl.session.packages import packages_as_bytes, packages_of_items
from agentctl.visible import visible_line

CLOSE_SECONDS = 20
"""How long the removal of a container may take."""

_NOT_LISTED = "its image holds no list of them: it was made by an earlier version"

_OOM = "out of memory: the limit of {} MiB was reached"


class DockerSandbox(SupervisedSandbox):
    """A container for one session.

    ``builds`` takes the logs of image builds; with this user it also tells our containers from
    those of others on the same daemon. ``generation`` counts the containers, or the harnesses, of a
    session: an older one is refused. ``gateway`` takes the connections that it opens; without one
    nothing can be reached.
    """

    def __init__(
        self,
        environment: Environment,
        builds: Path,
        *,
        generation: int = 1,
        origin: Origin = FIRST,
        silence_seconds: float = SILENCE_SECONDS,
        gateway: Gateway | None = None,
    ) -> None:
        self._container = DockerEnd(environment, builds, generation, origin)
        super().__init__(
            self._container,
            environment.config.env,
            generation=generation,
            silence_seconds=silence_seconds,
            gateway=gateway,
        )

    def start(
        self, session_id: str, files: Sequence[File], contents: Contents, progress: Progress, gone: Sequence[str] = ()
    ) -> Started:
        """As every sandbox; the packages of its image are asked for where nobody has asked before."""
        started = super().start(session_id, files, contents, progress, gone)
        try:
            return self._with_packages(started, self._container.known_packages() or self._asked_packages())
        except BaseException:
            self.close()
            raise

    def attach(self, session_id: str) -> Started | None:
        """Take over the session's running container from a harness that is gone, if there is one.

        The facts hold ``calls``: how far each call is whose result nobody has acknowledged. Raises
        SandboxError for a container that runs and does not answer.
        """
        self._container.remove_ended(session_id)
        if not self._container.runs(session_id):
            return None
        try:
            taken = self.take_over(session_id, lambda: self._container.reopen(session_id))
        except SandboxError:
            self._container.remove_ended(session_id)
            raise
        self._container.owned = True
        return self._with_packages(taken, self._container.known_packages())

    def _asked_packages(self) -> bytes | None:
        """Return what the image's own list says; of a kept state, in which the agent may have written it, nothing."""
        if self._container.is_kept_state:
            return None
        items = self._conversation.request({"type": "read_list", "list": PACKAGES}).get("items")
        try:
            found = packages_as_bytes(packages_of_items(items or ()))
        except (ValueError, TypeError):
            return None
        if items:
            self._container.keep_packages(found)
        return found if items else None

    @staticmethod
    def _with_packages(started: Started, packages: bytes | None) -> Started:
        if packages is not None:
            return replace(started, packages=packages)
        return replace(started, facts={**started.facts, "packages": {"unknown": _NOT_LISTED}})

    def leave(self) -> None:
        """Leave the container to whoever has taken it over."""
        self._container.owned = False

    def keep(self, keep_until: str) -> JsonObject | None:
        """Keep the container's files, where there are others than those that are recorded. Raises SandboxError."""
        apart = [mount.target for mount in self._container.mounts]
        changed = self._conversation.request({"type": "changed_outside", "list": WRITABLE, "apart": apart})
        return self._container.keep(keep_until, changed=changed.get("path") is not None)


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
            self._container = self._create(client, self._name)
            self._stream = AttachStream(client, self._container)
            client.start(self._container)
            self._watch_disk(client, self._container)
        return self._stream

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
        labels = [f"{key}={value}" for key, value in self._identity(session_id).items()]
        found: list[JsonObject] = self._connected().containers(filters={"label": labels, "status": "running"})
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
        try:
            state = _ended_state(self._client, self._container)
        except docker.errors.NotFound:
            return "the container was removed"
        except (docker.errors.DockerException, requests.RequestException) as error:
            return f"the connection to the container broke: {line_of(error)}"
        if state.get("Running"):
            return "the container closed its pipe"
        said = self._stream.said() if self._stream is not None else ""
        return f"the container ended: {self._how(state)}{f': {said}' if said else ''}"

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
            with suppress(docker.errors.DockerException, requests.RequestException):
                self._remove(self._client)
        self._client.close()
        self._client = None

    def remove_ended(self, session_id: str) -> None:
        """Remove the session's containers in which nothing runs: a harness or a daemon was killed before it could."""
        labels = [f"{key}={value}" for key, value in self._identity(session_id).items()]
        filters = {"label": labels, "status": ["created", "exited", "dead"]}
        with suppress(SandboxError), closing(connect()) as client, explained():
            for container in client.containers(all=True, filters=filters):
                client.remove_container(container["Id"], v=True)

    def keep(self, keep_until: str, *, changed: bool) -> JsonObject | None:
        """Keep the container's files; where nothing ``changed``, what they were made from. Raises SandboxError."""
        if self._container is None or not (changed or self._checkpoint):
            return None
        with explained():
            client, image = self._connected(), self._image_facts["image_digest"]
            if not changed and self._checkpoint is not None:
                return facts_of(client, self._checkpoint, image, keep_until)
            self._engine = engine = self._engine or engine_of(client)
            room = Room(self._config.resources.disk or DEFAULT_DISK, engine.folder)
            owner = owner_of(self._builds)
            return keep_container(client, self._container, self._session_id, image, owner, keep_until, room)

    def _connected(self) -> APIClient:
        if self._client is None:
            self._client = connect()
        return self._client

    def _identity(self, session_id: str) -> dict[str, str]:
        return {"agentctl.session": session_id, "agentctl.owner": owner_of(self._builds)}

    def _create(self, client: APIClient, name: str) -> str:
        """Make the container, and see that it came out as it was asked for, before anything runs in it."""
        body = self._body(client)
        try:
            self._container = self._made(client, body, name)
        except docker.errors.APIError as error:
            if error.status_code != CONFLICT:
                raise
            self._remove_stale(client, name)
            self._container = self._made(client, body, name)
        wrong = differences(body, client.inspect_container(self._container))
        if wrong:
            raise SandboxError(
                f"the daemon made another container than it was asked for: {', '.join(map(line_of, wrong))}",
                hint="nothing was run in it; agentctl doctor says what this daemon cannot hold",
            )
        return self._container

    def _made(self, client: APIClient, body: JsonObject, name: str) -> str:
        return str(client.create_container_from_config(body, name)["Id"])  # type: ignore[no-untyped-call]

    def _remove_stale(self, client: APIClient, name: str) -> None:
        """Remove our own container of that name, which somebody left; never anybody else's."""
        labels = client.inspect_container(name)["Config"]["Labels"] or {}
        if not self._identity(self._session_id).items() <= labels.items():
            self._name = None
            raise SandboxError(f"there is a container {name} already, and it is not ours")
        client.remove_container(name, force=True, v=True)

    def _body(self, client: APIClient) -> JsonObject:
        labels = {
            **self._identity(self._session_id),
            "agentctl.version": __version__,
            "agentctl.generation": str(self._generation),
        }
        self._engine = engine = self._engine or engine_of(client)
        if engine.folder is not None:
            refuse_full(engine.folder)
        assert self._image is not None
        return container_body(client, self._config, self._image, labels, engine, binds_of(self._config.mounts))

    def _watch_disk(self, client: APIClient, container: str) -> None:
        self._engine = engine = self._engine or engine_of(client)
        limit = self._config.resources.disk or DEFAULT_DISK
        disk = ContainerDisk(container)
        self._watch = DiskWatch(limit, engine.folder, disk.used, disk.kill)
        self._watch.start()

    def _remove(self, client: APIClient) -> None:
        """Remove the container; while its id is not known, the one with its name if that is ours."""
        try:
            if self._container is not None:
                client.remove_container(self._container, force=True, v=True)
            elif self._name is not None:
                self._remove_stale(client, self._name)
        except (docker.errors.NotFound, SandboxError):
            pass
        except docker.errors.APIError as error:
            if error.status_code != CONFLICT:  # it is being removed already
                raise

    def _how(self, state: JsonObject) -> str:
        if state.get("OOMKilled"):
            return _OOM.format(self._memory >> 20)
        return f"exit code {state.get('ExitCode')}" + (f", {line_of(state['Error'])}" if state.get("Error") else "")


def _ended_state(client: APIClient, container: str) -> JsonObject:
    """Ask for the container's state, giving it a moment to be what it will be."""
    state: JsonObject = {"Running": True}
    for _ in range(20):
        state = client.inspect_container(container)["State"]
        if not state.get("Running"):
            break
        time.sleep(0.05)
    return state
