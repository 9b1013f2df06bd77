"""From an environment to an image: built once, and named by everything that went into it.

The image is the base image with a user for the agent, the folders of a session, the packages and
whatever ``setup`` does. The same inputs give the same name, so a second session builds nothing; a
file lock lets the first of many sessions build while the others wait for it.
"""

import fcntl
import io
import json
import os
import re
import ssl
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker.errors
from docker.api import APIClient

from agentctl.canonical import hash_of, sha256_hex
from agentctl.definitions.environment import EnvironmentConfig
from agentctl.errors import SandboxError
from agentctl.sandbox.base import Layout, Progress
from agentctl.visible import visible_line

HOME = "/home/agent"
USER = 10001

RECIPE = 1
"""Counted up when the recipe below changes what it makes."""

BUILD_SECONDS = 3_600
"""How long a build may be silent."""

_LAST_LINES = 15
_IMAGES_HINT = "script/base-image makes agentctl-base:bookworm; docker images lists what is here"
_CA_BUNDLE = "/usr/local/share/agentctl/ca-bundle.crt"
_CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)

_APT = "export DEBIAN_FRONTEND=noninteractive; apt-get update -q && apt-get install -qy --no-install-recommends"
_CLEAN = "rm -rf /var/lib/apt/lists/*"

_PYTHON = (
    "if ! python3 -c 'import sys, json, ctypes; sys.exit(sys.version_info < (3, 8))' || ! test -x /bin/bash; then "
    "command -v apt-get >/dev/null || "
    "{ echo 'the image needs python3 (3.8 or later) and bash, and has no apt-get to install them'; exit 1; }; "
    f"{_APT} python3 bash && {_CLEAN}; fi"
)

_MANAGERS = {
    "cargo": ("cargo", "cargo", "cargo install --root /usr/local {}"),
    "gem": ("gem", "ruby-full build-essential", "gem install --no-document {}"),
    "go": ("go", "golang-go", "GOBIN=/usr/local/bin go install {}"),
    "npm": ("npm", "nodejs npm", "npm install -g --no-fund --no-audit {}"),
}
"""For each manager: its program, the Debian packages that bring it, and how it installs one thing after another."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image is made: the steps of its Dockerfile, each with words for a person, and the files they copy."""

    steps: tuple[tuple[str, str], ...]
    files: dict[str, bytes]

    @property
    def dockerfile(self) -> str:
        """Write the Dockerfile."""
        return "".join(f"{instruction}\n" for instruction, _ in self.steps)

    @property
    def hash(self) -> str:
        """Name everything that goes in, in 24 hexadecimal digits."""
        files = {name: sha256_hex(data) for name, data in self.files.items()}
        return hash_of([RECIPE, self.dockerfile, files]).removeprefix("sha256:")[:24]

    @property
    def tag(self) -> str:
        """Name the image."""
        return f"agentctl-env:{self.hash}"

    def context(self) -> io.BytesIO:
        """Return what the daemon is sent."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, data in {"Dockerfile": self.dockerfile.encode(), **self.files}.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(data), 0o644
                tar.addfile(info, io.BytesIO(data))
        archive.seek(0)
        return archive


def make_recipe(config: EnvironmentConfig, base_id: str, layout: Layout, ca_bundle: bytes | None) -> Recipe:
    """Write down how the image of an environment is made from the image ``base_id``."""
    folders = " ".join((HOME, layout.workspace, layout.outputs, layout.uploads))
    user = (
        f"grep -q '^[^:]*:[^:]*:{USER}:' /etc/passwd || "
        f"{{ echo 'agent:x:{USER}:{USER}:agent:{HOME}:/bin/bash' >>/etc/passwd; "
        f"echo 'agent:x:{USER}:' >>/etc/group; }}; mkdir -p {folders} && chown {USER}:{USER} {folders}"
    )
    files = {"setup": config.setup.encode()} if config.setup else {}
    steps = [(f"FROM {base_id}", f"start from {config.base_image}"), ("USER 0:0", "as root")]
    if ca_bundle is not None:
        files["ca-bundle.crt"] = ca_bundle
        variables = " ".join(f"{variable}={_CA_BUNDLE}" for variable in _CA_VARIABLES)
        steps += [(f"COPY ca-bundle.crt {_CA_BUNDLE}", "copy certificates"), (f"ENV {variables}", "trust them")]
    steps.append(_run(f"{_PYTHON}; {user}", "make the user and the folders"))
    steps += [_run(command, what) for command, what in _installations(config)]
    if config.setup:
        steps.append(("COPY setup /tmp/agentctl-setup", "copy setup"))
        steps.append(_run("/bin/bash -e /tmp/agentctl-setup && rm /tmp/agentctl-setup", "run setup"))
    return Recipe(tuple(steps), files)


def find_ca_bundle() -> bytes:
    """Read the certificate authorities that this machine trusts. Raises SandboxError."""
    named = os.environ.get("SSL_CERT_FILE")
    paths = [named] if named else [*_CA_BUNDLES, ssl.get_default_verify_paths().cafile or ""]
    for path in filter(None, paths):
        try:
            return Path(path).read_bytes()
        except OSError as error:
            if named:
                raise SandboxError(
                    f"cannot read the certificate authorities of this machine: {visible_line(path)}: {error.strerror}",
                    hint="SSL_CERT_FILE names that file",
                ) from error
    raise SandboxError(
        "cannot find the certificate authorities of this machine",
        hint="install the package ca-certificates, or name the bundle in SSL_CERT_FILE",
    )


def image_id(client: APIClient, name: str) -> str | None:
    """Return the id of the image called ``name``, if it is here."""
    try:
        return str(client.inspect_image(name)["Id"])  # type: ignore[no-untyped-call]
    except docker.errors.ImageNotFound:
        return None


def is_ours(name: str) -> bool:
    """Say whether an image is one that script/base-image makes, and that no registry has."""
    return name.startswith("agentctl-base:")


def no_such_image(name: str) -> SandboxError:
    """Say that an image is not here."""
    return SandboxError(f"there is no image {visible_line(name)} here", hint=_IMAGES_HINT)


def find_base(client: APIClient, name: str, progress: Progress) -> str:
    """Return the id of the image called ``name``, pulling it if it is not here. Raises SandboxError."""
    found = image_id(client, name)
    if found is None:
        _pull(client, name, progress)
        found = image_id(client, name)
    if found is None:
        raise SandboxError(f"image {visible_line(name)} is not there although it was pulled")
    return found


def find_or_build(client: APIClient, recipe: Recipe, builds: Path, progress: Progress) -> str:
    """Return the id of the recipe's image, building it if nobody has. Raises SandboxError."""
    found = image_id(client, recipe.tag)
    if found is not None:
        return found
    try:
        builds.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SandboxError(f"cannot write logs of builds: {builds}: {error.strerror}") from error
    with _lock(builds / f"{recipe.hash}.lock", progress):
        found = image_id(client, recipe.tag)
        return found if found is not None else _build(client, recipe, builds / f"{recipe.hash}.log", progress)


def _run(command: str, what: str) -> tuple[str, str]:
    return "RUN " + json.dumps(["/bin/sh", "-ec", command]), what


def _installations(config: EnvironmentConfig) -> Iterator[tuple[str, str]]:
    """Yield what installs the packages, in the order of the hosted API: that of the managers' names."""
    packages = config.packages
    if packages.apt:
        yield f"{_APT} {_quoted(packages.apt)} && {_CLEAN}", _what("apt", packages.apt)
    for name, (program, debian, command) in _MANAGERS.items():
        wanted: tuple[str, ...] = getattr(packages, name)
        if wanted:
            yield f"command -v {program} >/dev/null || {{ {_APT} {debian} && {_CLEAN}; }}", f"install {name} itself"
            yield "; ".join(command.format(_quoted([package])) for package in wanted), _what(name, wanted)
    if packages.pip:
        pip = "python3 -m pip --version >/dev/null 2>&1"
        yield f"{pip} || {{ {_APT} python3-pip python3-venv && {_CLEAN}; }}", "install pip itself"
        command = f"PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-cache-dir {_quoted(packages.pip)}"
        yield command, _what("pip", packages.pip)


def _what(manager: str, packages: Sequence[str]) -> str:
    return f"install with {manager}: {', '.join(packages)}"


def _quoted(packages: Iterable[str]) -> str:
    return " ".join("'" + package.replace("'", "'\\''") + "'" for package in packages)


def _pull(client: APIClient, name: str, progress: Progress) -> None:
    if is_ours(name):
        raise no_such_image(name)
    progress(f"pulling image {visible_line(name)}")
    repository, tag = _split(name)
    try:
        error = ""
        for event in client.pull(repository, tag=tag, stream=True, decode=True):
            error = event.get("error", error)
            if event.get("id") and "progressDetail" not in event:
                progress(f"{_line(event['id'])}: {_line(event.get('status', ''))}")
        if error:
            raise _not_pulled(name, error)
    except docker.errors.APIError as failure:
        raise _not_pulled(name, failure.explanation) from failure


def _not_pulled(name: str, why: object) -> SandboxError:
    return SandboxError(f"cannot pull image {visible_line(name)}: {_line(why)}", hint=_IMAGES_HINT)


def _split(name: str) -> tuple[str, str | None]:
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository, digest
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another session that builds the same image")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(client: APIClient, recipe: Recipe, log_path: Path, progress: Progress) -> str:
    progress(f"building image {recipe.tag}")
    told = _Told(recipe, progress)
    with log_path.open("w", encoding="utf-8", errors="backslashreplace") as log:
        try:
            for line in _build_lines(client, recipe):
                log.write(line + "\n")
                told.take(line)
        except (docker.errors.APIError, docker.errors.BuildError, _BuildFailed) as error:
            log.write(f"{error}\n")
            hint = "\n".join(["the build's last lines:", *told.last_lines, f"the whole log: {log_path}"])
            raise SandboxError(f"the image cannot be built: {told.step}: {_why(error)}", hint=hint) from error
    found = image_id(client, recipe.tag)
    if found is None:
        raise SandboxError("the image cannot be built: it is not there", hint=f"the whole log: {log_path}")
    return found


def _why(error: Exception) -> str:
    code = re.search(r"returned a non-zero code: (\d+)", str(error))
    return f"exit code {code[1]}" if code else _line(error)


class _Told:
    """What a person is told of a build: its steps by their names, and what the programs in it print."""

    _STEP = re.compile(r"Step (\d+)/\d+ : ")
    _BOOKKEEPING = re.compile(r" ---> |Removing intermediate |Successfully |\(Reading database ")
    _COLOUR = re.compile(r"\x1b\[\d*m")

    def __init__(self, recipe: Recipe, progress: Progress) -> None:
        self._steps = [visible_line(what) for _, what in recipe.steps]
        self._progress = progress
        self.step = "nothing was done"
        self.last_lines: list[str] = []

    def take(self, line: str) -> None:
        """Take a line of the daemon."""
        step = self._STEP.match(line)
        line = visible_line(self._COLOUR.sub("", line)).rstrip()
        if step and int(step[1]) <= len(self._steps):
            self.step = self._steps[int(step[1]) - 1]
            self._progress(f"step {step[1]} of {len(self._steps)}: {self.step}")
        elif line and not step and not self._BOOKKEEPING.match(line):
            self.last_lines = [*self.last_lines, line][-_LAST_LINES:]
            self._progress(f"  {line[:200]}")


class _BuildFailed(Exception):  # noqa: N818
    pass


def _build_lines(client: APIClient, recipe: Recipe) -> Iterator[str]:
    events = client.build(
        fileobj=recipe.context(),
        custom_context=True,
        tag=recipe.tag,
        labels={"agentctl.environment": recipe.hash},
        rm=True,
        forcerm=True,
        decode=True,
        timeout=BUILD_SECONDS,
    )
    error = ""
    for event in events:  # to the end, which gives the connection back
        error = event.get("error", error)
        yield from filter(str.strip, re.split(r"[\r\n]+", event.get("stream", "")))
    if error:
        raise _BuildFailed(error)


def _line(value: Any) -> str:
    return visible_line(str(value).strip())[:500]
