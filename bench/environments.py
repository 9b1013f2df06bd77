"""How long a container takes to be ready, in an environment that was built and in one that is the base image alone."""

import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentctl.definitions.environment import Environment
from agentctl.sandbox.docker.images import Images
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.store.blobs import Blobs
from bench.programs import IMAGE

_SETUP = (
    "mkdir /opt/many; for i in $(seq 5000); do echo $i >/opt/many/$i; done; head -c 200000000 /dev/zero >/opt/large"
)


@dataclass(frozen=True, slots=True)
class Starts:
    """Starts containers of both environments; ``folder`` takes the logs of their builds."""

    folder: Path
    plain: Environment
    built: Environment
    numbers: Iterator[int]

    def start(self, environment: Environment) -> float:
        """Find the image and start a container, as a session does; return the seconds until it is ready."""
        session = f"bench-start-{next(self.numbers)}"
        with contextlib.closing(DockerSandbox(environment, self.folder)) as sandbox:
            began = time.monotonic()
            sandbox.prepare(lambda _line: None)
            sandbox.start(session, [], Blobs(self.folder), lambda _line: None)
            return time.monotonic() - began


@contextlib.contextmanager
def environments(folder: Path) -> Iterator[Starts]:
    """Make both environments; their images are removed in the end, unless others built them."""
    config = {"type": "docker", "image": IMAGE}
    plain = Environment.model_validate({"name": "plain", "config": config})
    built = Environment.model_validate({"name": "built", "config": {**config, "setup": _SETUP}})
    try:
        yield Starts(folder, plain, built, itertools.count())
    finally:
        with contextlib.closing(Images(folder)) as images:
            for image in images.list():
                images.remove(image)
