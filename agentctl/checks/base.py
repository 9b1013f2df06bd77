"""What a check is: a fold over a log that can say at every event how it stands."""

from dataclasses import dataclass
from typing import Literal, Protocol

from agentctl.session.log import Record


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a check stands. ``event`` is the number of the event that decided it, None where none did.

    ``unknown``: the record lacks what would decide it; ``why`` says what.
    """

    status: Literal["pass", "fail", "unknown"]
    why: str = ""
    event: int | None = None


class Check(Protocol):
    """One assertion, told the events of a session one by one."""

    @property
    def name(self) -> str:
        """Say which it is, as its file does: ``must_call[0]: bash``."""
        ...

    def add(self, record: Record) -> None:
        """Take one more event."""
        ...

    def verdict(self) -> Verdict:
        """Say how it stands, had the session ended here."""
        ...


PASS = Verdict("pass")
