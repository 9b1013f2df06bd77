"""From an environment to an image: built once, and named by everything that went into it.

The image is the base image with a user for the agent, the folders of a session, the packages and
whatever ``setup`` does. The same inputs give the same name, so a second session builds nothing; a
file lock lets the first of many sessions build while the others wait for it.
"""

import fcntl
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import docker.errors
from docker.api import APIClient

from agentctl.errors import SandboxError
from agentctl.sandbox.base import Progress
from agentctl.sandbox.docker.containers import owner_of
from agentctl.sandbox.docker.recipe import Recipe
from agentctl.sandbox.docker.uses import Uses
from agentctl.visible import visible_line

BUILD_SECONDS = 3_600
"""How long a build may be silent."""

_LAST_LINES = 15
_COLOUR = re.compile(r"\x1b\[\d*m")
_STEP = re.compile(r"Step (\d+)/\d+ : ")
_IMAGE = re.compile(r" ---> ([0-9a-f]{12,64})$")
_DONE = re.compile(r"Successfully built ")
_BOOKKEEPING = re.compile(r" ---> |Removing intermediate |Successfully |\(Reading database ")
_IMAGES_HINT = "script/base-image makes agentctl-base:bookworm; docker images lists what is here"
ENVIRONMENT_LABEL = "agentctl.environment"
OWNER_LABEL = "agentctl.owner"


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
    with _lock(builds / f"{recipe.hash}.lock", progress):
        found = image_id(client, recipe.tag)
        return found if found is not None else _build(client, recipe, builds, progress)


def log_of(builds: Path, recipe: str) -> Path:
    """Return where the log of a build is, by the hash of its recipe."""
    return builds / f"{recipe}.log"


def last_lines(builds: Path, recipe: str) -> list[str]:
    """Return the last lines of a build's log, fit to be shown; none where there is no log any more."""
    try:
        with log_of(builds, recipe).open(encoding="utf-8", errors="replace") as log:
            return list(deque(filter(None, map(_said, log)), _LAST_LINES))
    except OSError:
        return []


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


def _written(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise SandboxError(f"cannot write logs of builds: {path}: {error.strerror}") from error


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    with _written(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another session that builds the same image")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(client: APIClient, recipe: Recipe, builds: Path, progress: Progress) -> str:
    progress(f"building image {recipe.tag}")
    told, log_path = _Told(recipe, progress), log_of(builds, recipe.hash)
    labels = {ENVIRONMENT_LABEL: recipe.hash, OWNER_LABEL: owner_of(builds)}
    with _written(log_path) as log:
        try:
            for line in _build_lines(client, recipe, labels):
                log.write(line + "\n")
                told.take(line)
        except (docker.errors.APIError, docker.errors.BuildError, _BuildFailed) as error:
            log.write(f"{error}\n")
            hint = "\n".join(["the build's last lines:", *told.last_lines, f"the whole log: {log_path}"])
            raise SandboxError(f"the image cannot be built: {told.step}: {_why(error)}", hint=hint) from error
        finally:
            # What a build came to is where the next one goes on, with another setup for example.
            Uses(builds).note_unfinished(recipe.hash, told.unfinished)
    found = image_id(client, recipe.tag)
    if found is None:
        raise SandboxError("the image cannot be built: it is not there", hint=f"the whole log: {log_path}")
    return found


def _why(error: Exception) -> str:
    code = re.search(r"returned a non-zero code: (\d+)", str(error))
    return f"exit code {code[1]}" if code else _line(error)


def _said(line: str) -> str:
    """Return what a program of a build has printed, fit to be shown; nothing for what the daemon says itself."""
    line = visible_line(_COLOUR.sub("", line.rstrip("\n"))).rstrip()
    return "" if _STEP.match(line) or _BOOKKEEPING.match(line) else line


class _Told:
    """What a person is told of a build: its steps by their names, and what the programs in it print."""

    def __init__(self, recipe: Recipe, progress: Progress) -> None:
        self._steps = [visible_line(what) for _, what in recipe.steps]
        self._progress = progress
        self._number = 0
        self.step = "nothing was done"
        self.last_lines: list[str] = []
        self.unfinished: str | None = None
        """The image of the last step that was done, which no name keeps; None where there is none, or a whole one."""

    def take(self, line: str) -> None:
        """Take a line of the daemon."""
        step, image = _STEP.match(line), _IMAGE.match(line)
        if image and self._number > 1:  # the first one is where it starts from
            self.unfinished = image[1]
        elif _DONE.match(line):
            self.unfinished = None
        line = _said(line)
        if step and int(step[1]) <= len(self._steps):
            self._number = int(step[1])
            self.step = self._steps[self._number - 1]
            self._progress(f"step {step[1]} of {len(self._steps)}: {self.step}")
        elif line:
            self.last_lines = [*self.last_lines, line][-_LAST_LINES:]
            self._progress(f"  {line[:200]}")


class _BuildFailed(Exception):  # noqa: N818
    pass


def _build_lines(client: APIClient, recipe: Recipe, labels: dict[str, str]) -> Iterator[str]:
    events = client.build(
        fileobj=recipe.context(),
        custom_context=True,
        tag=recipe.tag,
        labels=labels,
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
