"""A session is its log: append stores, folds and tells, in that order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from agentctl.errors import StoreError, UnsavedError
from agentctl.events.agent import AgentMessage
from agentctl.events.base import Event
from agentctl.events.content import text_of
from agentctl.events.preview import Preview
from agentctl.session.files import FilesRecord
from agentctl.session.state import SessionState
from agentctl.session.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Record:
    """One event at its place: ``seq`` counts from 1 in its session; ``hash`` chains it to those before."""

    seq: int
    event: Event
    hash: str


class EventLog(Protocol):
    """Where a session's events are kept."""

    def append(self, session_id: str, events: Sequence[Event]) -> Sequence[Record]:
        """Store events, all or none, durable on return. Raises StoreError."""
        ...

    def read(self, session_id: str, *, after: int = 0) -> Iterator[Record]:
        """Yield the events behind number ``after``, in order. Raises StoreError."""
        ...


class Listener(Protocol):
    """Somebody who is told what happens while it happens."""

    def learn(self, record: Record) -> None:
        """Hear of an event that was stored before anybody listened."""
        ...

    def record(self, record: Record) -> None:
        """Hear of an event that has just been stored."""
        ...

    def preview(self, preview: Preview) -> None:
        """Hear a piece of text that is being written."""
        ...


class Fold(Protocol):
    """A value that takes one event after another."""

    def after(self, event: Event) -> Self:
        """Return the value after one more event."""
        ...


FoldT = TypeVar("FoldT", bound=Fold)


class Session(Generic[FoldT]):
    """One session over its log, with what the log comes to kept up to date.

    ``outlook`` is a fold of whoever drives the session.
    """

    def __init__(self, session_id: str, log: EventLog, outlook: FoldT, listeners: Sequence[Listener] = ()) -> None:
        """Fold the log as it is; the listeners learn it as the past."""
        self.outlook = outlook
        self.id = session_id
        self.state = SessionState()
        self.transcript = Transcript()
        self.files = FilesRecord()
        self._log = log
        self._listeners = listeners
        self._seen = 0
        for record in log.read(session_id):
            self._fold(record)
            for listener in listeners:
                listener.learn(record)

    @property
    def seen(self) -> int:
        """The number of the last event that was folded."""
        return self._seen

    def append(self, *events: Event) -> None:
        """Store events together, fold them, tell the listeners.

        Raises StoreError, which is UnsavedError for a session that has begun.
        """
        if not events:
            return
        try:
            records = self._log.append(self.id, events)
        except StoreError as error:
            if self._seen == 0:
                raise
            raise self._unsaved(error, events) from error
        if records[0].seq == self._seen + 1:
            self._take(records)
        else:
            self.catch_up()  # somebody else wrote in between, and comes first

    def catch_up(self) -> None:
        """Fold what others have appended, and tell the listeners."""
        self._take(self._log.read(self.id, after=self._seen))

    def show(self, preview: Preview) -> None:
        """Tell the listeners of text that is being written."""
        for listener in self._listeners:
            listener.preview(preview)

    def _unsaved(self, error: StoreError, events: Sequence[Event]) -> UnsavedError:
        said = [text_of(event.content) for event in events if isinstance(event, AgentMessage)]
        return UnsavedError(
            f"session {self.id} cannot be recorded any further: {error.message}",
            text=said[-1] if said else "",
            hint=f"{error.hint or 'mend that'}; then: agentctl resume {self.id}",
        )

    def _take(self, records: Iterable[Record]) -> None:
        for record in records:
            self._fold(record)
            for listener in self._listeners:
                listener.record(record)

    def _fold(self, record: Record) -> None:
        self._seen = record.seq
        self.state = self.state.after(record.event)
        self.outlook = self.outlook.after(record.event)
        self.transcript.add(record.event)
        self.files.add(record.event)
