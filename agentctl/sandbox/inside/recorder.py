"""What the supervisor tells of files beside what a call came to."""

from __future__ import annotations

import os
import time

from agentctl.sandbox.inside.changes import Changes
from agentctl.sandbox.inside.outcome import encode
from agentctl.sandbox.inside.processes import running_already
from agentctl.sandbox.inside.report import Contents, Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentctl.sandbox.inside.outcome import Message
    from agentctl.sandbox.inside.supervisor import Supervisor

READ_ONLY = ("read", "glob", "grep")
"""Tools that leave every file alone."""

_PAUSE_SECONDS = 0.02
"""How often the kernel is listened to while it has something to tell; it keeps some thousand words."""


class Recorder:
    """Finds what each call did to files, apart from what others did before it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        layout = supervisor.config["layout"]
        self._temporary: str = layout["temporary"]
        self.changes = Changes([layout["workspace"], layout["outputs"]])
        self.reporter = Reporter(self.changes)
        self.listen_at = float("inf")
        self._call = ""
        self._between: Message | None = None
        self._contents: dict[str, Contents] = {}

    def begin(self) -> None:
        """Know the files as they are now, and listen from here on."""
        self.changes.begin()
        self.listen()

    def listen(self) -> None:
        """Hear when something is touched."""
        self.listen_at = float("inf")
        watches = self.changes.watches
        if watches is not None:
            self._supervisor.loop.watch(watches.fd, self._hear)

    def before(self, call_id: str, name: str) -> None:
        """Tell apart from a call what others have done before it."""
        if name in READ_ONLY:
            return
        self._call = call_id
        self._contents[call_id] = Contents(self._temporary)
        # Without word from the kernel everything would be looked at, which is in vain where nobody runs.
        alone = self.changes.watches is None and not self._others_run()
        self._between = None if alone else self._report(call_id)

    def after(self, call_id: str) -> bytes:
        """Find what a call did; return what is to be told of it, written, no bytes for nothing."""
        if call_id != self._call:
            return b""
        self._call = ""
        told = {"between": self._between, "changes": self._report(call_id)}
        contents = self._contents[call_id]
        if not any(told.values()):
            self.forget(call_id)
            return b""
        return encode({**told, "within": contents.within, "spooled": contents.spooled})

    def spool_of(self, call_id: str) -> int:
        """Return a descriptor of the contents that are to be fetched, at their beginning. Raises OSError."""
        contents = self._contents.get(call_id)
        if contents is None or contents.spool < 0:
            raise FileNotFoundError(2, "No such contents")
        fd = os.dup(contents.spool)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

    def forget(self, call_id: str) -> None:
        """Let go of the contents of a call."""
        contents = self._contents.pop(call_id, None)
        if contents is not None:
            contents.close()

    def _report(self, call_id: str) -> Message | None:
        watches = self.changes.watches
        try:
            return self.reporter.report(self._contents[call_id])
        except Exception as error:  # noqa: BLE001 - what a call came to is told, whatever becomes of its files
            return {"changes": [], "cut": f"the changes could not be found: {type(error).__name__}: {error}"}
        finally:
            if watches is not None and self.changes.watches is None:
                self._supervisor.loop.forget(watches.fd)

    def _others_run(self) -> bool:
        shell = self._supervisor.shell
        return bool(running_already(shell.pid if shell is not None else None))

    def _hear(self) -> None:
        """Take what the kernel has to tell, and give it a while to have more."""
        watches = self.changes.watches
        if watches is not None:
            watches.hear()
            self._supervisor.loop.forget(watches.fd)
            self.listen_at = time.monotonic() + _PAUSE_SECONDS
