"""Sessions with files, recorded without a run: what was uploaded, and what each call did."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agentctl.canonical import JsonObject
from agentctl.events.base import Event
from agentctl.events.local import LocalFilesChanged, LocalFilesUploaded, LocalSandboxStarted
from agentctl.paths import Home
from agentctl.session.effects import WORKSPACE
from agentctl.session.files import File, manifest_of
from agentctl.store.blobs import Blobs
from agentctl.store.events import SqliteEventLog
from tests.kit import Recorder, call
from tests.patch.trees import Node


class FilesRecorder(Recorder):
    """Writes a session whose sandbox holds the files of ``tree``; each call makes another tree of it."""

    def __init__(self, log: SqliteEventLog, home: Home, source: Path | None = None, **members: Any) -> None:
        uploads = [{"source": str(source), "target": WORKSPACE}] if source else []
        super().__init__(log, home, **({"uploads": uploads} | members))
        self.tree: dict[str, Node] = {}

    def begin(self, tree: Mapping[str, Node], text: str = "Mend it.") -> None:
        self.user(text)
        self.add(LocalSandboxStarted, facts={"kind": "docker", "container_id": "f00d", "python": "3.11.2"})
        self.tree = dict(tree)
        files = [self._file(name, node) for name, node in tree.items()]
        manifest, _ = Blobs(self.home.blobs).put([manifest_of([*self._folders(tree), *files])])
        size = sum(file.size for file in files)
        self.add(LocalFilesUploaded, manifest=manifest, files=len(files), bytes=size, skipped=[])

    def act(self, command: str, after: Mapping[str, Node], **more: Any) -> list[Event]:
        """Record a call of bash that makes ``after`` of the tree; return its events from the question on."""
        (asked,) = self.answer(call("bash", command=command))
        self.run_tools(asked)
        self.result(asked, "done", exit_code=0)
        changed = self.add(LocalFilesChanged, changes=self._changes(after), tool_use_id=asked.id, **more)
        self.tree = dict(after)
        return [asked, changed]

    def _changes(self, after: Mapping[str, Node]) -> list[JsonObject]:
        old = {file.path: file for file in self._folders(self.tree)} | {
            f"{WORKSPACE}/{name}": self._file(name, node) for name, node in self.tree.items()
        }
        new = {file.path: file for file in self._folders(after)} | {
            f"{WORKSPACE}/{name}": self._file(name, node) for name, node in after.items()
        }
        gone = [{"path": path, "kind": old[path].kind, "change": "deleted"} for path in sorted(old.keys() - new.keys())]
        return gone + [
            new[path].as_json() | {"change": "modified" if path in old else "created"}
            for path in sorted(new)
            if new[path] != old.get(path)
        ]

    def _file(self, name: str, node: Node) -> File:
        path = f"{WORKSPACE}/{name}"
        if node.is_link:
            return File(path, "link", 0o777, target=node.data.decode())
        digest, size = Blobs(self.home.blobs).put([node.data])
        return File(path, "file", 0o755 if node.runs else 0o644, size, digest)

    @staticmethod
    def _folders(tree: Mapping[str, Node]) -> list[File]:
        names = {str(folder) for name in tree for folder in Path(name).parents} - {"."}
        return [File(f"{WORKSPACE}/{name}", "folder", 0o755) for name in sorted(names)]
