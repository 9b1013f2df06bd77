"""What ``agentctl show`` says of a session: a fold over its log, cheap to keep and to take up again."""

from dataclasses import dataclass, field
from decimal import Decimal

from agentctl.canonical import JsonObject
from agentctl.events.base import Event
from agentctl.events.local import (
    LocalCheckpoint,
    LocalCheckpointFailed,
    LocalCompactionResponse,
    LocalForked,
    LocalLimitsChanged,
    LocalModelResponse,
    LocalSessionCreated,
)
from agentctl.events.span import SpanModelRequestEnd
from agentctl.session.completeness import Completeness
from agentctl.session.log import Record
from agentctl.session.summary import Summary
from agentctl.session.timing import Timing
from agentctl.session.usage import answering


@dataclass(slots=True)
class ModelSum:
    """What the answers of one model came to; ``cost`` is in US dollars, None where that is not known."""

    answers: int = 0
    cost: Decimal | None = field(default_factory=Decimal)


@dataclass(slots=True)
class Checkpoints:
    """How often the whole sandbox was kept, and what is known of the last time.

    ``failed`` counts how often it could not be kept; ``reason`` is why, if that was the last time.
    """

    count: int = 0
    size: int = 0
    keep_until: str = ""
    failed: int = 0
    reason: str | None = None


class Glance:
    """A session at a glance; ``seq`` is the number of the last event, ``hash`` its hash."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = ""
        self.summary = Summary()
        self.completeness = Completeness()
        self.timing = Timing()
        self.models: dict[str, ModelSum] = {}
        self.checkpoints = Checkpoints()
        self.limits: JsonObject = {}

    def add(self, record: Record) -> None:
        """Take one more event into account."""
        event, cost = record.event, self.summary.result.usage.cost
        self.timing.add(event, self.summary.state)
        self.summary.add(event)
        self.completeness.add(record)
        self._add(event, cost)
        self.seq, self.hash = record.seq, record.hash

    def _add(self, event: Event, before: Decimal | None) -> None:
        match event:
            case LocalModelResponse() | LocalCompactionResponse():
                self._add_answer(event.model, before)
            case SpanModelRequestEnd() if (model := answering(event)) is not None:
                self._add_answer(model, before)
            case LocalCheckpoint():
                self.checkpoints.count += 1
                self.checkpoints.size, self.checkpoints.keep_until = event.size, event.keep_until
                self.checkpoints.reason = None
            case LocalCheckpointFailed():
                self.checkpoints.failed += 1
                self.checkpoints.reason = event.reason
            case LocalLimitsChanged() | LocalSessionCreated():
                self.limits = event.limits
            case LocalForked():
                self.models = {}
                self.limits = self.limits if event.limits is None else event.limits
            case _:
                pass

    def _add_answer(self, model: str, before: Decimal | None) -> None:
        after = self.summary.result.usage.cost
        found = self.models.setdefault(model, ModelSum())
        found.answers += 1
        if before is None or after is None or found.cost is None:
            found.cost = None
        else:
            found.cost += after - before
