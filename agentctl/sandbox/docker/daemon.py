"""The Docker daemon: how it is reached, and what its failures mean to a person."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import docker.errors
import requests
from docker.api import APIClient
from docker.utils import kwargs_from_env

from agentctl.errors import SandboxError
from agentctl.redaction import own_keys
from agentctl.visible import visible_line

HELLO_SECONDS = 5
"""How long the daemon may take to say that it is there."""

CALL_SECONDS = 60
"""How long any other call may take."""

CONFLICT = 409

OLDEST_API = (1, 41)
"""The version of Docker's API from which on a container can be sealed as it has to be: Docker 20.10."""

_NO_SPACE = "no space left on device"
_DEFAULT_SOCKET = "/var/run/docker.sock"
_HELLO_API = "1.24"


@dataclass(frozen=True, slots=True)
class Engine:
    """What the daemon says of itself and of its machine.

    ``folder`` is where it keeps its containers, where that is on this machine; ``cpus`` is how many
    processors there are. Not every kernel can limit swap, or has the old setting for its use.
    """

    folder: Path | None
    cpus: int
    limits_swap: bool
    has_swappiness: bool


@dataclass(frozen=True, slots=True)
class Versions:
    """Which engine and runc are there, and which means of the kernel the daemon uses (``seccomp``, ``userns``)."""

    engine: str
    runc: str | None
    means: frozenset[str]


def versions() -> Versions:
    """Ask the daemon what it is made of. Raises SandboxError."""
    with explained(), closing(connect()) as client:
        parts = {part["Name"]: part for part in client.version().get("Components", ())}
        options = client.info().get("SecurityOptions") or ()
    runc = parts.get("runc", {})
    # Distributions write their own version, with what they have mended, where others write a commit.
    long = str(runc.get("Details", {}).get("GitCommit", ""))
    short = str(runc.get("Version", ""))
    engine = str(parts.get("Engine", {}).get("Version", ""))
    means = frozenset(option.partition(",")[0].removeprefix("name=") for option in options)
    return Versions(engine, (long if short and long.startswith(short) else short) or None, means)


def engine_of(client: APIClient) -> Engine:
    """Ask the daemon what it is."""
    info = client.info()
    folder = Path(info["DockerRootDir"])
    is_local = client.base_url == "http+docker://localhost" and folder.is_dir()
    return Engine(
        folder if is_local else None,
        int(info.get("NCPU") or 1),
        bool(info.get("SwapLimit")),
        str(info.get("CgroupVersion", "1")) != "2",
    )


def connect() -> APIClient:
    """Connect to the daemon that the environment names. Raises SandboxError with what to do about it."""
    where = kwargs_from_env()
    _knock(str(where.get("base_url") or f"unix://{_DEFAULT_SOCKET}"))
    with explained(), closing(APIClient(**where, version=_HELLO_API, timeout=HELLO_SECONDS)) as client:
        version = str(client.version(api_version=False)["ApiVersion"])
        if tuple(map(int, version.split("."))) < OLDEST_API:
            needed = ".".join(map(str, OLDEST_API))
            raise SandboxError(
                f"the Docker daemon at {_host()} speaks version {line_of(version)} of its API, and {needed} is needed",
                hint="update Docker to 20.10 or later, or use --sandbox bubblewrap",
            )
    # Helpers that know the logins of registries inherit the environment; keys are no business of theirs.
    without_keys = dict.fromkeys(own_keys(), "")
    return APIClient(**where, version=version, timeout=CALL_SECONDS, credstore_env=without_keys)


def _knock(url: str) -> None:
    """See whether somebody listens at a local socket; docker-py leaks the socket when nobody does."""
    scheme, _, path = url.partition("://")
    if scheme in ("unix", "http+unix"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(HELLO_SECONDS)
            try:
                knocking.connect("/" + path.lstrip("/"))
            except OSError as error:
                raise explanation(error) from error


@contextmanager
def explained() -> Iterator[None]:
    """Turn failures of the daemon into a SandboxError with what to do about them."""
    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise explanation(error) from error
    except (LookupError, TypeError, ValueError) as error:  # JSON of another shape than Docker's
        raise _no_daemon() from error


def explanation(error: BaseException) -> SandboxError:
    """Say what a failure of the daemon means to a person."""
    host = _host()
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
    if any(isinstance(cause, JSONDecodeError) for cause in causes):
        return _no_daemon()
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return SandboxError(
            f"the connection to the Docker daemon at {host} broke", hint="docker info shows whether it is well"
        )
    said = line_of(getattr(error, "explanation", None) or error)
    if _NO_SPACE in said:
        return SandboxError(
            f"there is no space left where Docker keeps its data: {said}",
            hint="docker system df shows what takes it; agentctl prune and docker system prune give some back",
        )
    return SandboxError(f"Docker failed: {said}")


def _no_daemon() -> SandboxError:
    return SandboxError(
        f"what answers at {_host()} is not a Docker daemon, or not a well one",
        hint="docker info shows whether it is well; is DOCKER_HOST right?",
    )


def _host() -> str:
    return visible_line(os.environ.get("DOCKER_HOST") or f"unix://{_DEFAULT_SOCKET}")


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


def line_of(value: object) -> str:
    """Show what the daemon says on one line."""
    return visible_line(str(value).strip())[:500]
