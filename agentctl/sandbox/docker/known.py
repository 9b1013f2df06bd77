"""What the images of one store were asked once and need not be asked again: which packages they have.

An image never changes, so its answer is kept by its id. What is kept is no record: it can be deleted.
"""

import contextlib
import os
import re
from pathlib import Path

from agentctl.session.packages import read_packages

_IMAGE = re.compile(r"sha256:([0-9a-f]{64})")


class KnownPackages:
    """The packages of images, each a file in the folder ``builds``; what cannot be written is asked again."""

    def __init__(self, builds: Path) -> None:
        self._folder = builds / "packages"

    def find(self, image: str) -> bytes | None:
        """Return the content of ``session.packages`` for an image, by its id; None where it has to be asked (again)."""
        path = self._path(image)
        with contextlib.suppress(OSError):
            packages = b"" if path is None else path.read_bytes()
            return None if read_packages(packages) is None else packages
        return None

    def keep(self, image: str, packages: bytes) -> None:
        """Keep what an image has said."""
        path = self._path(image)
        if path is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            coming = path.with_suffix(f".{os.getpid()}")
            coming.write_bytes(packages)
            coming.replace(path)

    def forget(self, image: str) -> None:
        """Forget an image that is no more."""
        path = self._path(image)
        with contextlib.suppress(OSError):
            if path is not None:
                path.unlink(missing_ok=True)

    def _path(self, image: str) -> Path | None:
        match = _IMAGE.fullmatch(image)
        return None if match is None else self._folder / match[1]
