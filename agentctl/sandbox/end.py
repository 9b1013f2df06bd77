"""The far end of a pipe: what differs between one kind of sandbox and another."""

from typing import Literal, Protocol

from agentctl.canonical import JsonObject
from agentctl.sandbox.base import Layout, Progress
from agentctl.sandbox.pipe.streams import ByteStream


class End(Protocol):
    """What a supervisor runs in, for one session."""

    @property
    def kind(self) -> Literal["docker", "bubblewrap", "none"]:
        """Say which it is."""
        ...

    @property
    def layout(self) -> Layout:
        """Say where things are inside."""
        ...

    def check(self) -> JsonObject:
        """As ``Sandbox.check``."""
        ...

    def prepare(self, progress: Progress) -> JsonObject:
        """As ``Sandbox.prepare``."""
        ...

    def open(self, session_id: str) -> ByteStream:
        """Start the process. Raises SandboxError and leaves nothing behind."""
        ...

    def config(self) -> JsonObject:
        """Tell the supervisor about its place: ``home``, ``limits``, ``memory_limit``, ``quit_at_end``."""
        ...

    def facts(self) -> JsonObject:
        """Return facts for the record."""
        ...

    def cause_of_death(self) -> str:
        """Say in a few words why the process is no more."""
        ...

    def close(self) -> None:
        """End the process, and whatever it started, and remove what was made; never raises."""
        ...
