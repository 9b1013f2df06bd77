"""Where an imported session comes from, and what it came to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agentctl.canonical import JsonObject
from agentctl.events.base import Event
from agentctl.session.members import is_session_id

_LONGEST_ID = 64


@dataclass(slots=True)
class Origin:
    """Where a session comes from.

    ``format`` is whose transcript it is, ``sha256`` that of its file, ``gaps`` what of it is not told by events;
    ``says_less`` is set where more may have been used than it says.
    """

    format: str
    name: str
    sha256: str
    more: JsonObject = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    says_less: bool = False

    def as_json(self) -> JsonObject:
        """Write it as ``local.session_created`` has it."""
        gaps = {"gaps": self.gaps} if self.gaps else {}
        less = {"says_less": True} if self.says_less else {}
        return {"format": self.format, "name": self.name, "sha256": self.sha256, **self.more, **gaps, **less}

    def session_id(self, program: str, name: str) -> str:
        """Return the id of a session that is called that; of its file, where that cannot be an id."""
        found = f"{program}-{name}".lower()[:_LONGEST_ID]
        return found if name and is_session_id(found) else f"{program}-{self.sha256[:32]}"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A session that another program has recorded."""

    session_id: str
    events: Sequence[Event]
