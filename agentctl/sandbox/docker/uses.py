"""Which environment used which image, and when: one small file each, whose time is that of the last use.

Docker does not know when an image was used last, and nobody else asks it to.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentctl.canonical import sha256_hex
from agentctl.ids import timestamp

_NAME = re.compile(r"([0-9a-f]{24})-[0-9a-f]{16}")
_STEP = re.compile(r"([0-9a-f]{24})\.unfinished")
_MOST_NAME = 4_096


@dataclass(frozen=True, slots=True)
class Use:
    """An environment's last use of the image of a recipe, by the recipe's hash."""

    recipe: str
    environment: str
    seconds: float

    @property
    def at(self) -> str:
        """When it was, in RFC 3339."""
        return timestamp(datetime.fromtimestamp(self.seconds, UTC))


class Uses:
    """The notes of one store; ``builds`` is the folder they are in.

    A note that cannot be written is not written: it only says what may be thrown away.
    """

    def __init__(self, builds: Path) -> None:
        self._builds = builds
        self._folder = builds / "uses"

    def note(self, recipe: str, environment: str) -> None:
        """Note that an environment uses an image now."""
        path = self._folder / f"{recipe}-{sha256_hex(environment)[:16]}"
        with contextlib.suppress(OSError):
            try:
                os.utime(path)
            except FileNotFoundError:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.write_text(environment, encoding="utf-8", errors="surrogateescape")

    def note_unfinished(self, recipe: str, image: str | None) -> None:
        """Note the last step that a build came to before it failed; None where nothing is left of it."""
        path = self._builds / f"{recipe}.unfinished"
        with contextlib.suppress(OSError):
            if image is None:
                path.unlink(missing_ok=True)
            else:
                path.write_text(image)

    def unfinished(self) -> dict[str, str]:
        """Return what is left of builds that failed: an image's id by the recipe's hash."""
        found = {}
        for path, recipe in _matching(self._builds, _STEP):
            with contextlib.suppress(OSError):
                found[recipe] = path.read_text()
        return found

    def list(self) -> list[Use]:
        """Return every last use, the newest first."""
        found = []
        for path, recipe in _matching(self._folder, _NAME):
            with contextlib.suppress(OSError):
                name = path.read_text(encoding="utf-8", errors="surrogateescape")[:_MOST_NAME]
                found.append(Use(recipe, name, path.stat().st_mtime))
        return sorted(found, key=lambda use: use.seconds, reverse=True)

    def forget(self, recipe: str) -> None:
        """Forget an image that is no more, and the log of its build."""
        with contextlib.suppress(OSError):
            for path, own in _matching(self._folder, _NAME):
                if own == recipe:
                    path.unlink(missing_ok=True)
            (self._builds / f"{recipe}.log").unlink(missing_ok=True)


def age_of(seconds: float) -> float:
    """Return how many seconds ago a moment was that is given in seconds of the clock."""
    return time.time() - seconds


def _matching(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[Path, str]]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if match := pattern.fullmatch(path.name):
            yield path, match[1]
