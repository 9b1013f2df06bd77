"""Where an imported session comes from, and what it came to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agentctl.canonical import JsonObject
from agentctl.events.base import Event


@dataclass(slots=True)
class Origin:
    """Where a session comes from.

    ``format`` is whose transcript it is, ``sha256`` that of its file, ``gaps`` what of it is not told by events.
    """

    format: str
    name: str
    sha256: str
    more: JsonObject = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)

    def as_json(self) -> JsonObject:
        """Write it as ``local.session_created`` has it."""
        gaps = {"gaps": self.gaps} if self.gaps else {}
        return {"format": self.format, "name": self.name, "sha256": self.sha256, **self.more, **gaps}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A session that another program has recorded."""

    session_id: str
    events: Sequence[Event]
