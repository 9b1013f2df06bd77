"""Places in a log, and what came from outside at them.

A place is told by what the harness had done by then: how many answers of the model there were, calls begun,
results, and rests. The times are no part of it.
"""

from dataclasses import dataclass

from agentctl.events.agent import AgentToolResult
from agentctl.events.base import Event
from agentctl.events.local import LocalCompactionResponse, LocalModelResponse, LocalToolStarted
from agentctl.events.session import SessionStatusIdle


@dataclass(frozen=True, slots=True)
class Place:
    """How far a session has come."""

    rests: int = 0
    answers: int = 0
    begun: int = 0
    results: int = 0

    def after(self, event: Event) -> "Place":
        """Return the place after one more event."""
        rests, answers, begun, results = self.rests, self.answers, self.begun, self.results
        match event:
            case SessionStatusIdle():
                return Place(rests + 1, answers, begun, results)
            case LocalModelResponse() | LocalCompactionResponse():
                return Place(rests, answers + 1, begun, results)
            case LocalToolStarted():
                return Place(rests, answers, begun + len(event.tool_use_ids), results)
            case AgentToolResult():
                return Place(rests, answers, begun, results + 1)
            case _:
                return self

    def is_reached_at(self, now: "Place") -> bool:
        """Say whether a session that is ``now`` somewhere has come as far as this."""
        if now.rests != self.rests:
            return now.rests > self.rests
        return (now.answers, now.begun, now.results) >= (self.answers, self.begun, self.results)


@dataclass(frozen=True, slots=True)
class Given:
    """Something that came from outside of the harness; ``event`` is None where a new sandbox was begun."""

    place: Place
    seq: int
    event: Event | None


@dataclass(frozen=True, slots=True)
class Hole:
    """Something of the record that cannot be given again, from event number ``seq`` on."""

    seq: int
    line: str
