"""Checks of what an agent reached: the files that it wrote, the hosts that it contacted."""

from collections.abc import Callable, Iterator

from agentctl.checks.base import PASS, Verdict
from agentctl.checks.definition import Allowed
from agentctl.checks.patterns import fits_host, fits_path
from agentctl.events.local import (
    LocalEgress,
    LocalEgressStarted,
    LocalFilesChanged,
    LocalFilesUploaded,
    LocalForked,
    LocalSandboxStarted,
    LocalSessionCreated,
)
from agentctl.session.fork import forked
from agentctl.session.log import Record


class _Reach:
    """Holds what was reached against what may be."""

    def __init__(self, name: str, allowed: Allowed[str], fits: Callable[[str, str], bool]) -> None:
        self.name = name
        self._allowed = allowed
        self._fits = fits
        self._failed: Verdict | None = None
        self._lack: str | None = None

    def reach(self, what: str, seq: int) -> None:
        """Note what was reached."""
        if self._failed is not None:
            return
        never = next((pattern for pattern in self._allowed.never if self._fits(pattern, what)), None)
        if never is not None:
            self._failed = Verdict("fail", f"{what} is one of {never}", seq)
        elif self._allowed.only is not None and not any(self._fits(each, what) for each in self._allowed.only):
            self._failed = Verdict("fail", f"{what} is none of those that may be", seq)

    def lacks(self, what: str | None) -> None:
        """Note what the record does not say."""
        self._lack = self._lack or what

    def verdict(self) -> Verdict:
        """Say whether anything was reached that may not be."""
        if self._failed is not None:
            return self._failed
        return PASS if self._lack is None else Verdict("unknown", self._lack)


class Paths(_Reach):
    """Files that may be written, and that may not. Folders count for nothing."""

    def __init__(self, allowed: Allowed[str]) -> None:
        super().__init__("paths", allowed, fits_path)
        self._sandboxes = 0
        self._is_recorded = False

    def add(self, record: Record) -> None:
        """Take one more event."""
        match record.event:
            case LocalSessionCreated(imported=dict(imported)):
                self.lacks(f"a transcript of {imported.get('format')} does not say which files were written")
            case LocalSandboxStarted():
                self._sandboxes += 1
            case LocalFilesUploaded():
                self._is_recorded = True
            case LocalFilesChanged() as event:
                self._is_recorded = True
                for path in _written(event):
                    self.reach(path, record.seq)
                self.lacks(event.cut and f"not all changes are recorded: {event.cut}")

    def verdict(self) -> Verdict:
        """Say whether a file was written that may not be."""
        if self._sandboxes and not self._is_recorded:
            self.lacks("the record does not say what became of the files")
        return super().verdict()


class Hosts(_Reach):
    """Hosts that may be contacted, and that may not. What was refused was not contacted."""

    def __init__(self, allowed: Allowed[str]) -> None:
        super().__init__("hosts", allowed, fits_host)
        self._created: LocalSessionCreated | None = None

    def add(self, record: Record) -> None:
        """Take one more event."""
        match record.event:
            case LocalSessionCreated() as event:
                self._created = event
                if event.imported is not None:
                    form = event.imported.get("format")
                    self.lacks(f"a transcript of {form} does not say which hosts were contacted")
            case LocalForked() as event if self._created is not None:
                self._created = forked(self._created, event)
            case LocalSandboxStarted() if self._created is not None and self._created.sandbox.get("kind") == "none":
                self.lacks("the sandbox was no sandbox, and nobody saw what it contacted")
            case LocalEgressStarted() as event:
                self.reach(event.host, record.seq)
            case LocalEgress() as event if event.allowed:
                self.reach(event.host, record.seq)


def _written(event: LocalFilesChanged) -> Iterator[str]:
    for body in event.changes:
        if body.get("kind") != "folder":
            yield str(body.get("path"))
