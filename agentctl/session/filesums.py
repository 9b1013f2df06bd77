"""How many files a session changed."""

from collections.abc import Iterable
from dataclasses import dataclass

from agentctl.events.local import LocalFilesChanged
from agentctl.session.effects import Kind, inside
from agentctl.session.files import Change


@dataclass(frozen=True, slots=True)
class Counts:
    """How many files and links came, changed and went; folders are not counted."""

    created: int = 0
    modified: int = 0
    deleted: int = 0

    def __bool__(self) -> bool:
        return bool(self.created or self.modified or self.deleted)


class FileSums:
    """A fold over a log into how many files it changed as a whole; reads no contents.

    A file that ends as it began, byte for byte, counts as modified here.
    """

    def __init__(self) -> None:
        self._changes: dict[str, Kind] = {}

    def add(self, event: LocalFilesChanged) -> None:
        """Take one more event. Raises StoreError."""
        for body in event.changes:
            if body.get("kind") != "folder":
                self._add(Change.from_json(body))

    def counts(self, folder: str) -> Counts:
        """Count what is below a folder."""
        return count(kind for path, kind in self._changes.items() if inside(path, folder) is not None)

    def names(self, folder: str) -> list[str]:
        """Return the paths below a folder of what is counted there, the first change first."""
        return [name for path in self._changes if (name := inside(path, folder)) is not None]

    def _add(self, change: Change) -> None:
        former = self._changes.pop(change.path, None)
        match former, change.change:
            case "created", "deleted":
                return
            case "created", _:
                kind: Kind = "created"
            case "deleted", "created":
                kind = "modified"
            case _:
                kind = change.change
        self._changes[change.path] = kind


def counts_in(event: LocalFilesChanged) -> Counts:
    """Count what one event says. Raises StoreError."""
    return count(Change.from_json(body).change for body in event.changes if body.get("kind") != "folder")


def count(changes: Iterable[Kind]) -> Counts:
    """Count changes."""
    found = list(changes)
    return Counts(found.count("created"), found.count("modified"), found.count("deleted"))
