"""What became of a session's files from one moment to another: in a call, or as a whole."""

import posixpath
from dataclasses import dataclass
from typing import Literal, TypeAlias

from agentctl.events.agent import AgentToolUse
from agentctl.events.base import Event
from agentctl.events.local import LocalFilesChanged, LocalFilesUploaded
from agentctl.session.files import Change, Contents, File, apply_event

WORKSPACE = "/workspace"
OUTPUTS = "/mnt/session/outputs"
"""Where the recorded paths of a session are, whatever its sandbox."""

Kind: TypeAlias = Literal["created", "modified", "deleted"]


@dataclass(frozen=True, slots=True)
class Effect:
    """One path before and after; at least one of the two is there."""

    path: str
    before: File | None
    after: File | None

    @property
    def change(self) -> Kind:
        """Say what happened to it."""
        if self.before is None:
            return "created"
        return "modified" if self.after is not None else "deleted"

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, and was one if it was anything."""
        return all(side is None or side.kind == "folder" for side in (self.before, self.after))

    @property
    def cut(self) -> str | None:
        """Why contents of it were not kept; None where all are there."""
        sides = [side for side in (self.before, self.after) if side is not None and side.kind == "file"]
        return next((side.cut or "they were not kept" for side in sides if side.digest is None), None)


def inside(path: str, folder: str) -> str | None:
    """Return a recorded path relative to a folder. Returns None for one that is not below it."""
    start = folder.rstrip("/") + "/"
    return path.removeprefix(start) if path.startswith(start) and posixpath.normpath(path) == path else None


class FilesHistory:
    """A fold over a log: the files that a session began with, those it has now, and what each event did.

    Other than ``FilesRecord`` it reads the record of the uploaded files when it comes by.
    """

    def __init__(self, contents: Contents) -> None:
        self.is_recorded = False
        self._contents = contents
        self._began: dict[str, File] = {}
        self._now: dict[str, File] = {}
        self._touched: set[str] = set()

    def add(self, event: Event) -> list[Effect]:
        """Take one more event; return what it did. Raises StoreError."""
        match event:
            case LocalFilesUploaded():
                for tree in (self._began, self._now):
                    apply_event(tree, event, self._contents)
                self.is_recorded = True
                return []
            case LocalFilesChanged():
                self.is_recorded = True
                return self._changed(event)
            case _:
                return []

    def effects(self) -> list[Effect]:
        """Return what the session did to its files as a whole, sorted by path."""
        found = (Effect(path, self._began.get(path), self._now.get(path)) for path in sorted(self._touched))
        return [effect for effect in found if not _is_nothing(effect)]

    def _changed(self, event: LocalFilesChanged) -> list[Effect]:
        paths = dict.fromkeys(Change.from_json(body).path for body in event.changes)
        before = {path: self._now.get(path) for path in paths}
        apply_event(self._now, event, self._contents)
        self._touched |= before.keys()
        found = (Effect(path, former, self._now.get(path)) for path, former in before.items())
        return [effect for effect in found if not _is_nothing(effect)]


class FilesByCall:
    """A fold over a log: its history of files, and what each call did to them."""

    def __init__(self, contents: Contents) -> None:
        self.history = FilesHistory(contents)
        self.calls: list[CallFiles] = []
        self._asked: dict[str, AgentToolUse] = {}

    def add(self, seq: int, event: Event) -> None:
        """Take one more event, by its number. Raises StoreError."""
        if isinstance(event, AgentToolUse):
            self._asked[event.id] = event
        effects = self.history.add(event)
        if isinstance(event, LocalFilesChanged) and (effects or event.cut):
            call = self._asked.get(event.tool_use_id or "")
            self.calls.append(CallFiles(seq, call, tuple(effects), event.cut))


@dataclass(frozen=True, slots=True)
class CallFiles:
    """What a call did to the files, by the number of the event that says so.

    ``call`` is None where it was done between two calls. ``cut`` says what is missing.
    """

    seq: int
    call: AgentToolUse | None
    effects: tuple[Effect, ...]
    cut: str | None


def _is_nothing(effect: Effect) -> bool:
    """Say whether nothing became of a path; of contents that were not kept that is not known."""
    return effect.before == effect.after and (effect.before is None or effect.cut is None)
