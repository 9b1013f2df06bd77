"""Which packages an image has: as its sandbox says when it starts, or asked in a container of its own."""

import contextlib
from pathlib import Path

from agentctl.errors import SandboxError
from agentctl.sandbox.docker.asking import ask_image
from agentctl.sandbox.docker.containers import owner_of
from agentctl.sandbox.docker.daemon import connect, explained
from agentctl.sandbox.docker.image import image_id
from agentctl.sandbox.docker.known import KnownPackages
from agentctl.sandbox.inside import packages
from agentctl.session.packages import Packages, packages_as_bytes, packages_of_items, read_packages

_MOST_ANSWER = 4 << 20


def packages_of(builds: Path, image: str) -> Packages | None:
    """Return the versions of an image's packages, by manager and name; None where it is gone or does not say.

    ``builds`` has what images have said before, and tells whose the container is in which one is asked.
    """
    known = KnownPackages(builds)
    if (kept := known.find(image)) is not None:
        return read_packages(kept)
    try:
        with contextlib.closing(connect()) as client, explained():
            if image_id(client, image) is None:
                return None
            program = Path(packages.__file__).read_text(encoding="utf-8")
            said = ask_image(client, image, program, {}, owner_of(builds), most=_MOST_ANSWER)
        found = packages_of_items(said.split("\0"))
    except (SandboxError, ValueError):
        return None
    known.keep(image, packages_as_bytes(found))
    return found
