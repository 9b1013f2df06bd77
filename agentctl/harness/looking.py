"""What was done to files while nobody called: asked for when a session comes to rest, and told once.

It is asked for with a call, and the event that it becomes has the call's id. So it stays with the
sandbox until it is recorded, as results do, and a process that takes over finds out whether it was.
"""

import contextlib
import re
from typing import Any

from agentctl.errors import SandboxError
from agentctl.events.local import LocalFilesChanged
from agentctl.events.make import Maker
from agentctl.harness.keeping import Keeper
from agentctl.ids import new_id
from agentctl.sandbox.base import LOOK, Sandbox, ToolCall
from agentctl.session.files import FilesRecord

_PREFIX = "look_"
_ID = re.compile(rf"{_PREFIX}[0-9a-z]{{1,40}}")


class Looking:
    """Looks at the files of a sandbox."""

    def __init__(self, keeper: Keeper, make: Maker) -> None:
        self._keeper = keeper
        self._make = make
        self._open: list[str] = []

    def look(self, sandbox: Sandbox, files: FilesRecord) -> list[LocalFilesChanged]:
        """Return what has changed since the last call; nothing of a sandbox that is gone. Raises StoreError."""
        with contextlib.suppress(SandboxError):
            return self._told(new_id(_PREFIX, self._make.clock), sandbox, files)
        return []

    def left_over(self, states: Any, sandbox: Sandbox, files: FilesRecord) -> list[LocalFilesChanged]:
        """Return what a process that is gone has asked for and not recorded; ``states`` is the sandbox's word.

        Raises SandboxError, StoreError.
        """
        names = [name for name in states if _ID.fullmatch(str(name))] if isinstance(states, dict) else []
        self._open += [name for name in names if name in files.looks]
        unknown = [name for name in names if name not in files.looks][:1]  # one process asks for one at a time
        return [event for name in unknown for event in self._told(name, sandbox, files)]

    def acknowledge(self, sandbox: Sandbox) -> None:
        """Say that what was returned is recorded."""
        names, self._open = self._open, []
        with contextlib.suppress(SandboxError):
            if names:
                sandbox.acknowledge(names)

    def _told(self, name: str, sandbox: Sandbox, files: FilesRecord) -> list[LocalFilesChanged]:
        [(_, outcome)] = sandbox.call([ToolCall(name, LOOK, {})])
        self._open.append(name)
        found = [changes for changes in (outcome.between, outcome.changes) if changes is not None]
        recorded = [body for changes in found for body in self._keeper.record(changes, files.digests)]
        cut = "; ".join(changes.cut for changes in found if changes.cut) or None
        extra = {"local": {"look": name}}
        return [self._make(LocalFilesChanged, changes=recorded, cut=cut, extra=extra)] if found else []
