"""What the harness asks of a sandbox, whichever it is.

A sandbox is made for one session. ``prepare`` finds out whether it can work at all and makes its
image; ``start`` begins the process; then calls are made until ``close``. A command that fails is a
result; a sandbox that fails is a SandboxError.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from agentctl.canonical import JsonObject
from agentctl.session.files import Contents, File


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are inside the sandbox; absolute paths."""

    workspace: str = "/workspace"
    outputs: str = "/mnt/session/outputs"
    uploads: str = "/mnt/session/uploads"
    temporary: str = "/tmp"  # noqa: S108 - a path inside the sandbox


@dataclass(frozen=True, slots=True)
class Upload:
    """One file or directory of the host that is copied in before the first call.

    ``target`` is absolute, or relative to the workspace. A directory's contents go into
    ``target``; a file becomes ``target``, or ``target/<name>`` where ``target`` ends in ``/``.
    ``origin`` is what the record says in place of ``source``, where that is only a copy of it.
    """

    source: Path
    target: str
    origin: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What the next sandbox of a session is made from; nothing in particular for its first.

    ``facts`` are those that ``prepare`` returned when the session was made: it keeps to the same image.
    ``checkpoint`` names the state that was kept when it came to rest last. ``rebuild`` allows an image that
    is made anew where the session's own is gone.
    """

    facts: JsonObject = field(default_factory=dict)
    checkpoint: str | None = None
    rebuild: bool = False


FIRST = Origin()
"""The first sandbox of a session is made from what its environment says."""


@dataclass(frozen=True, slots=True)
class Started:
    """A sandbox that runs: facts for the record (kind, image, image_digest, container_id, python, ...).

    ``packages`` are those of its image, as the content of ``session.packages``; where they are not known, or there is
    no image, the facts say so.
    """

    facts: JsonObject
    packages: bytes | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a built-in tool. ``id`` names it for ever: a sandbox runs each id at most once."""

    id: str
    name: str
    input: JsonObject


LOOK = ""
"""The name of a call that does nothing: its outcome has only what others have changed since the last call."""


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a call came to.

    ``content`` holds content blocks of the API (text, image, document). ``facts`` are for the
    record: ``duration_seconds``, and where they apply ``exit_code``, ``timed_out``,
    ``output_bytes``, ``spilled_to``. ``changes`` is None where the call left every file alone;
    ``between`` has what changed before the call began, by something that an earlier one left running.
    """

    content: tuple[JsonObject, ...]
    is_error: bool = False
    facts: JsonObject = field(default_factory=dict)
    changes: "Changes | None" = None
    between: "Changes | None" = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed under the workspace and the outputs folder since it was told last.

    ``changes`` are in the form of ``session.files``; ``contents`` holds, by SHA-256, the bytes of
    those that the sandbox has not sent before. Nothing of it is to be believed: who keeps the
    contents names them by their own hash. ``cut`` says what is missing, where something is.
    """

    changes: tuple[JsonObject, ...]
    contents: Mapping[str, bytes]
    cut: str | None = None


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A regular file under the outputs folder: ``path`` relative to it, mode bits, size in bytes.

    ``digest`` is the SHA-256 that was told of it with the changes of a call, where it was not touched since.
    """

    path: str
    size: int
    mode: int
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is under the outputs folder, sorted by path; ``is_whole`` says that there is nothing else."""

    files: tuple[OutputFile, ...]
    is_whole: bool = True

    def __iter__(self) -> Iterator[OutputFile]:
        return iter(self.files)


Progress: TypeAlias = Callable[[str], None]
"""Told one line at a time what a long preparation is doing."""


class Sandbox(Protocol):
    """Hands for one session."""

    @property
    def kind(self) -> Literal["docker", "bubblewrap", "none", "recorded"]:
        """Say which implementation this is."""
        ...

    @property
    def layout(self) -> Layout:
        """Say where things are inside; known before ``start``."""
        ...

    def check(self) -> JsonObject:
        """Find out, quickly, whether the sandbox can work here; makes nothing.

        Returns facts for a person (versions, the image). Raises SandboxError, with a hint.
        """
        ...

    def prepare(self, progress: Progress) -> JsonObject:
        """Check that the sandbox can work here and make what it needs (its image), once.

        Returns facts for the session's header: ``kind``, and for Docker ``image`` and
        ``image_digest``. Raises SandboxError, with a hint, where it cannot work.
        """
        ...

    def start(
        self, session_id: str, files: Sequence[File], contents: Contents, progress: Progress, gone: Sequence[str] = ()
    ) -> Started:
        """Start the process and put the files in place, parents made where they are missing.

        A file whose contents were not kept is left as it is; what is at the paths of ``gone`` is removed.
        Raises SandboxError, StoreError for contents that are missing, and leaves nothing behind.
        """
        ...

    def attach(self, session_id: str) -> Started | None:
        """Take over a sandbox of the session that another process has left running, if there is one.

        The facts hold ``calls``: how far each call is whose result nobody has acknowledged;
        ``call`` with such a call gives its outcome, without running it again.
        """
        ...

    def call(self, calls: Sequence[ToolCall]) -> Iterator[tuple[str, ToolOutcome]]:
        """Send all the calls at once; yield each call's id and outcome as it ends, in order.

        An outcome stays with the sandbox until it is acknowledged. Raises SandboxError when the
        sandbox is gone; calls without an outcome then have none.
        """
        ...

    def cancel(self, call_id: str) -> None:
        """End a call that waits or runs; it then has an outcome that says so. From any thread."""
        ...

    def acknowledge(self, call_ids: Sequence[str]) -> None:
        """Say that these outcomes are safely recorded and may be forgotten by the sandbox."""
        ...

    def outputs(self) -> Outputs:
        """List the regular files under the outputs folder, each path once."""
        ...

    def read_output(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of one output file in pieces of at most 1 MiB."""
        ...

    def keep(self, keep_until: str) -> JsonObject | None:
        """Keep the state of the whole sandbox until a time (RFC 3339), for when the session goes on later.

        Returns the members of ``local.checkpoint``; None where there is nothing to keep that the
        record of the files has not. Raises SandboxError.
        """
        ...

    def leave(self) -> None:
        """Have ``close`` end our side only: somebody else may have taken the sandbox over."""
        ...

    def close(self) -> None:
        """End every process of the sandbox and remove it; may be called twice, never raises."""
        ...
