"""A container: the supervisor as its main process, the container's standard streams as the pipe.

The container has no network, no capabilities, no way to new privileges and no root; it is made for
one session and removed with it. Only image, container and attach calls of Docker's API are used:
never exec, and never the archive calls, which let a container's files be read and written by root.
"""

import hashlib
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import docker.errors
import docker.types
import requests
from docker.api import APIClient
from docker.utils import kwargs_from_env

from agentctl import __version__
from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Environment, EnvironmentConfig, Resources
from agentctl.errors import SandboxError
from agentctl.sandbox.base import Layout, Progress, Started
from agentctl.sandbox.image import (
    HOME,
    USER,
    Recipe,
    find_base,
    find_ca_bundle,
    find_or_build,
    image_id,
    is_ours,
    make_recipe,
    no_such_image,
)
from agentctl.sandbox.streams import ByteStream, DescriptorStream
from agentctl.sandbox.supervised import BOOTSTRAP, PYTHON, SILENCE_SECONDS, SupervisedSandbox
from agentctl.visible import visible_line

DEFAULT_MEMORY = 2 << 30
DEFAULT_CPUS = 2.0
DEFAULT_PIDS = 256

HELLO_SECONDS = 5
"""How long the daemon may take to say that it is there."""

CALL_SECONDS = 60
"""How long any other call may take."""

CLOSE_SECONDS = 20
"""How long the removal of a container may take."""

_DEFAULT_SOCKET = "/var/run/docker.sock"
_OLDEST_API = "1.24"
_CONFLICT = 409
_STDERR, _MOST_SAID = 2, 4_096
_OOM = "out of memory: the limit of {} MiB was reached"


class DockerSandbox(SupervisedSandbox):
    """A container for one session.

    ``builds`` takes the logs of image builds; with this user it also tells our containers from
    those of others on the same daemon. ``generation`` counts the containers, or the harnesses, of a
    session: an older one is refused.
    """

    def __init__(
        self,
        environment: Environment,
        builds: Path,
        *,
        generation: int = 1,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._container = DockerEnd(environment.config, builds, generation)
        super().__init__(
            self._container, environment.config.env, generation=generation, silence_seconds=silence_seconds
        )

    def attach(self, session_id: str) -> Started | None:
        """Take over the session's running container from a harness that is gone, if there is one.

        The facts hold ``calls``: how far each call is whose result nobody has acknowledged. Raises
        SandboxError for a container that runs and does not answer.
        """
        if not self._container.runs(session_id):
            return None
        taken = self.take_over(session_id, lambda: self._container.reopen(session_id))
        self._container.owned = True
        return taken


class DockerEnd:
    """One container.

    While it is not ``owned``, because another harness may still have it, closing leaves it alone.
    """

    def __init__(self, config: EnvironmentConfig, builds: Path, generation: int) -> None:
        self._config = config
        self._memory = config.resources.memory or DEFAULT_MEMORY
        self._builds = builds
        self._generation = generation
        self._client: APIClient | None = None
        self._image: str | None = None
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
    def layout(self) -> Layout:
        """Say where things are inside."""
        return Layout()

    def check(self) -> JsonObject:
        """Find the daemon and the image. Raises SandboxError."""
        name = self._config.base_image
        with _explained():
            client = self._connected()
            version = str(client.version()["Version"])
            here = image_id(client, name) is not None
            if not here and is_ours(name):
                raise no_such_image(name)
        return {"kind": self.kind, "version": version, "image": name + ("" if here else " (to be pulled)")}

    def prepare(self, progress: Progress) -> JsonObject:
        """Find or build the image. Raises SandboxError."""
        if self._config.resources.disk is not None:
            progress("resources.disk is not held: this kind of sandbox cannot limit the size of its disk")
        with _explained():
            client = self._connected()
            base_id = find_base(client, self._config.base_image, progress)
            recipe = self._recipe(base_id)
            self._image = find_or_build(client, recipe, self._builds, progress)
        self._image_facts = {
            "image": self._config.base_image,
            "image_tag": recipe.tag,
            "image_digest": self._image,
            "base_digest": base_id,
        }
        return {"kind": self.kind, **self._image_facts}

    def open(self, session_id: str) -> ByteStream:
        """Make the container, attach to it, start it. Raises SandboxError and leaves no container."""
        if self._image is None:
            self.prepare(lambda _line: None)
        self._session_id = session_id
        self._name = container_name(session_id, self._generation)
        with _explained():
            client = self._connected()
            self._container = self._create(client, self._name)
            self._stream = AttachStream(client, self._container)
            client.start(self._container)
        return self._stream

    def runs(self, session_id: str) -> bool:
        """Say whether a container of the session runs. Raises SandboxError."""
        with _explained():
            return bool(self._running(session_id))

    def reopen(self, session_id: str) -> ByteStream:
        """Attach to the session's running container, which another harness has left. Raises SandboxError."""
        with _explained():
            found = self._running(session_id)
            if not found:
                raise SandboxError(f"no container of session {visible_line(session_id)} runs")
            newest = max(found, key=lambda container: int(container["Labels"].get("agentctl.generation", 0)))
            self._container, self.owned = newest["Id"], False
            self._stream = AttachStream(self._connected(), newest["Id"])
        return self._stream

    def _running(self, session_id: str) -> list[JsonObject]:
        labels = [f"{key}={value}" for key, value in self._identity(session_id).items()]
        found: list[JsonObject] = self._connected().containers(filters={"label": labels, "status": "running"})
        return found

    def config(self) -> JsonObject:
        """Tell the supervisor about its place."""
        return {"home": HOME, "limits": {}, "memory_limit": self._memory, "quit_at_end": False}

    def facts(self) -> JsonObject:
        """Return facts for the record."""
        return {**self._image_facts, "container_id": self._container, "isolated": True}

    def cause_of_death(self) -> str:
        """Say why the container is no more."""
        if self._container is None or self._client is None:
            return "the sandbox is not started"
        try:
            state = _ended_state(self._client, self._container)
        except docker.errors.NotFound:
            return "the container was removed"
        except (docker.errors.DockerException, requests.RequestException) as error:
            return f"the connection to the container broke: {_line(error)}"
        if state.get("Running"):
            return "the container closed its pipe"
        said = self._stream.said() if self._stream is not None else ""
        return f"the container ended: {self._how(state)}{f': {said}' if said else ''}"

    def close(self) -> None:
        """Remove the container with all that is in it."""
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

    def _connected(self) -> APIClient:
        if self._client is None:
            self._client = connect()
        return self._client

    def _recipe(self, base_id: str) -> Recipe:
        ca_bundle = find_ca_bundle() if self._config.ca_bundle == "host" else None
        return make_recipe(self._config, base_id, self.layout, ca_bundle)

    def _identity(self, session_id: str) -> dict[str, str]:
        return {"agentctl.session": session_id, "agentctl.owner": owner_of(self._builds)}

    def _create(self, client: APIClient, name: str) -> str:
        options = self._options(client)
        try:
            return str(client.create_container(name=name, **options)["Id"])
        except docker.errors.APIError as error:
            if error.status_code != _CONFLICT:
                raise
        self._remove_stale(client, name)
        return str(client.create_container(name=name, **options)["Id"])

    def _remove_stale(self, client: APIClient, name: str) -> None:
        """Remove our own container of that name, which somebody left; never anybody else's."""
        labels = client.inspect_container(name)["Config"]["Labels"] or {}
        if not self._identity(self._session_id).items() <= labels.items():
            self._name = None
            raise SandboxError(f"there is a container {name} already, and it is not ours")
        client.remove_container(name, force=True, v=True)

    def _options(self, client: APIClient) -> JsonObject:
        labels = {
            **self._identity(self._session_id),
            "agentctl.version": __version__,
            "agentctl.generation": str(self._generation),
        }
        return {
            "image": self._image,
            "entrypoint": [*PYTHON, BOOTSTRAP],
            "command": [],
            "user": f"{USER}:{USER}",
            "hostname": "sandbox",
            "working_dir": "/",
            "environment": {"HOME": HOME, "LANG": "C.UTF-8"},
            "labels": labels,
            "stdin_open": True,
            "detach": True,  # else its standard input would end with the first who attaches
            "tty": False,
            "healthcheck": {"test": ["NONE"]},
            "use_config_proxy": False,
            "host_config": client.create_host_config(**host_options(self._config.resources)),
        }

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
            if error.status_code != _CONFLICT:  # it is being removed already
                raise

    def _how(self, state: JsonObject) -> str:
        if state.get("OOMKilled"):
            return _OOM.format(self._memory >> 20)
        return f"exit code {state.get('ExitCode')}" + (f", {_line(state['Error'])}" if state.get("Error") else "")


class AttachStream:
    """The streams of a container, attached: its standard output is read, its standard error kept aside."""

    def __init__(self, client: APIClient, container: str) -> None:
        raw = client.attach_socket(container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 0})
        plain = getattr(raw, "_sock", None)
        if not isinstance(plain, socket.socket) or type(plain) is not socket.socket:
            raw.close()
            raise SandboxError(
                "agentctl reaches a Docker daemon through a local socket or plain TCP only",
                hint="set DOCKER_HOST to unix:// and the path of the daemon's socket",
            )
        fd = os.dup(plain.fileno())
        raw.close()
        plain.close()
        self._bytes = DescriptorStream(fd, fd)
        self._header = bytearray()
        self._kind = self._left = 0
        self._said = bytearray()

    def read(self, timeout_seconds: float) -> bytes:
        """Return what came on standard output; no bytes at the end. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            data = self._bytes.read(max(deadline - time.monotonic(), 0.0))
            if not data:
                return b""
            output = b"".join(self._parts(data))
            if output:
                return output

    def write(self, pieces: Iterable[memoryview], timeout_seconds: float) -> None:
        """Write to standard input. Raises TimeoutError, OSError."""
        self._bytes.write(pieces, timeout_seconds)

    def close(self) -> None:
        """Close both ways; may be called twice."""
        self._bytes.close()

    def said(self) -> str:
        """Return the end of what came on standard error, on one line."""
        return visible_line(self._said.decode("utf-8", "backslashreplace").strip())[-500:]

    def _parts(self, data: bytes) -> Iterator[bytes]:
        """Take Docker's frames apart: one byte that names the stream, three of nothing, four of length."""
        at = 0
        while at < len(data):
            if not self._left:
                taken = data[at : at + 8 - len(self._header)]
                self._header += taken
                at += len(taken)
                if len(self._header) == 8:
                    self._kind, self._left = self._header[0], int.from_bytes(self._header[4:], "big")
                    self._header.clear()
                continue
            part = data[at : at + self._left]
            at += len(part)
            self._left -= len(part)
            if self._kind == _STDERR:
                self._said += part
                del self._said[:-_MOST_SAID]
            else:
                yield part


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
        """Return them all. The daemon chooses them by our label; raises SandboxError."""
        with _explained():
            found = self._client.containers(all=True, filters={"label": [f"agentctl.owner={self._owner}"]})
        return [
            Container(each["Id"], each["Names"][0].lstrip("/"), each["Labels"]["agentctl.session"], each["State"])
            for each in found
            if each["Names"] and "agentctl.session" in each["Labels"]
        ]

    def remove(self, container: Container) -> bool:
        """Remove one with all that is in it. Returns False where somebody else does. Raises SandboxError."""
        with _explained():
            try:
                self._client.remove_container(container.id, force=True, v=True)
            except docker.errors.NotFound:
                return False
            except docker.errors.APIError as error:
                if error.status_code != _CONFLICT:
                    raise
                return False
        return True

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def connect() -> APIClient:
    """Connect to the daemon that the environment names. Raises SandboxError with what to do about it."""
    where = kwargs_from_env()
    _knock(str(where.get("base_url") or f"unix://{_DEFAULT_SOCKET}"))
    with _explained(), closing(APIClient(**where, version=_OLDEST_API, timeout=HELLO_SECONDS)) as client:
        version = str(client.version(api_version=False)["ApiVersion"])
    return APIClient(**where, version=version, timeout=CALL_SECONDS)


def _knock(url: str) -> None:
    """See whether somebody listens at a local socket; docker-py leaks the socket when nobody does."""
    scheme, _, path = url.partition("://")
    if scheme in ("unix", "http+unix"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(HELLO_SECONDS)
            try:
                knocking.connect("/" + path.lstrip("/"))
            except OSError as error:
                raise _explanation(error) from error


def _ended_state(client: APIClient, container: str) -> JsonObject:
    """Ask for the container's state, giving it a moment to be what it will be."""
    state: JsonObject = {"Running": True}
    for _ in range(20):
        state = client.inspect_container(container)["State"]
        if not state.get("Running"):
            break
        time.sleep(0.05)
    return state


def host_options(resources: Resources) -> JsonObject:
    """Return the options that keep a container to itself."""
    memory = resources.memory or DEFAULT_MEMORY
    return {
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "init": True,
        "ipc_mode": "private",
        "cgroupns": "private",
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": int(min(resources.cpus or DEFAULT_CPUS, os.cpu_count() or 1) * 1e9),
        "pids_limit": resources.pids or DEFAULT_PIDS,
        "oom_score_adj": 500,
        "shm_size": 64 << 20,
        "ulimits": [docker.types.Ulimit(name="core", soft=0, hard=0)],
        "log_config": docker.types.LogConfig(type=docker.types.LogConfig.types.NONE),
        "restart_policy": {"Name": "no"},
    }


def container_name(session_id: str, generation: int) -> str:
    """Name the container of a session; ids that make no name are replaced by their hash."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", session_id):
        session_id = hashlib.sha256(session_id.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return f"agentctl-{session_id}-{generation}"


def owner_of(builds: Path) -> str:
    """Name the owner of a container: this user with this store on this machine."""
    owner = f"{socket.gethostname()}\0{os.getuid()}\0{builds}"
    return hashlib.sha256(owner.encode("utf-8", "surrogateescape")).hexdigest()[:24]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise _explanation(error) from error


def _explanation(error: BaseException) -> SandboxError:
    host = visible_line(os.environ.get("DOCKER_HOST") or f"unix://{_DEFAULT_SOCKET}")
    causes = list(_causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return SandboxError(
            f"this user may not talk to the Docker daemon at {host}",
            hint="sudo usermod -aG docker $USER, then log in again; or use --sandbox bubblewrap",
        )
    if any(isinstance(cause, FileNotFoundError | ConnectionRefusedError | socket.gaierror) for cause in causes):
        return SandboxError(
            f"no Docker daemon at {host}",
            hint="start Docker, set DOCKER_HOST, or use --sandbox bubblewrap",
        )
    if any(isinstance(cause, TimeoutError | requests.Timeout) for cause in causes):
        return SandboxError(f"the Docker daemon at {host} does not answer", hint="docker info shows whether it is well")
    return SandboxError(f"Docker failed: {_line(getattr(error, 'explanation', None) or error)}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what caused it, however the libraries between have wrapped it."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _line(value: object) -> str:
    return visible_line(str(value).strip())[:500]
