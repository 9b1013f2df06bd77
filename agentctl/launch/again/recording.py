"""What the record of a session gives again: answers, observations, and what people said, each at its place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agentctl.canonical import JsonObject
from agentctl.errors import SandboxError, SandboxLimitError, UsageError
from agentctl.events.agent import AgentCustomToolUse, AgentToolResult, AgentToolUse
from agentctl.events.base import Event
from agentctl.events.content import text_block
from agentctl.events.local import (
    LocalCompactionResponse,
    LocalFilesChanged,
    LocalFilesUploaded,
    LocalForked,
    LocalInterrupted,
    LocalLimitReached,
    LocalLimitsChanged,
    LocalModelResponse,
    LocalOutputs,
    LocalSandboxLost,
    LocalSandboxStarted,
    LocalSessionCreated,
    LocalToolFacts,
    LocalToolStarted,
)
from agentctl.events.session import SessionError, SessionStatusIdle
from agentctl.events.user import (
    SystemMessage,
    UserCustomToolResult,
    UserInterrupt,
    UserMessage,
    UserToolConfirmation,
)
from agentctl.launch.again.places import Given, Hole, Place
from agentctl.model.recorded import RecordedAnswer
from agentctl.sandbox.recorded import Observed
from agentctl.session.log import Record
from agentctl.session.notices import without_notice

_TIMES = ("timeout", "max_active")
_NOT_TOLD = "What came of this call is not recorded."


@dataclass(slots=True)
class Recording:
    """A fold over the record of one session.

    ``records`` are all its events, a fork's past among them; what else is here is its own, but for calls of
    that past that had no result yet. ``uses`` are its calls in their order, ``starts`` the facts of its
    sandboxes, ``interrupted`` the calls that somebody broke off.
    """

    records: list[Record] = field(default_factory=list)
    opening: LocalSessionCreated | LocalForked | None = None
    answers: list[RecordedAnswer] = field(default_factory=list)
    inputs: list[Given] = field(default_factory=list)
    uses: list[AgentToolUse | AgentCustomToolUse] = field(default_factory=list)
    starts: list[JsonObject] = field(default_factory=list)
    outputs: list[tuple[int, list[JsonObject]]] = field(default_factory=list)
    uploaded: LocalFilesUploaded | None = None
    holes: list[Hole] = field(default_factory=list)
    interrupted: set[str] = field(default_factory=set)
    place: Place = field(default_factory=Place)
    _asked: dict[str, tuple[int, AgentToolUse]] = field(default_factory=dict)
    _started: set[str] = field(default_factory=set)
    _results: dict[str, AgentToolResult] = field(default_factory=dict)
    _observed: int = 0
    _facts: dict[str, JsonObject] = field(default_factory=dict)
    _changes: dict[str, JsonObject] = field(default_factory=dict)
    _between: dict[str, JsonObject] = field(default_factory=dict)
    _waiting: JsonObject | None = None
    _unseen: dict[str, SandboxError | None] = field(default_factory=dict)
    _lost: SandboxError | None = None
    _goes_on: bool = False
    _last_rest: tuple[Place, int] | None = None
    _used: bool = False

    @property
    def last(self) -> Record:
        """The last event."""
        return self.records[-1]

    @property
    def own(self) -> int:
        """The number of the first event that is not a fork's past."""
        return self.opening.at + 1 if isinstance(self.opening, LocalForked) else 1

    @property
    def is_at_rest(self) -> bool:
        """Whether the record ends where the session rested."""
        return isinstance(self.last.event, SessionStatusIdle)

    @property
    def observed(self) -> list[Observed]:
        """The calls that a sandbox was asked for, in the order of their results, and what they came to."""
        found = []
        for call_id, result in self._results.items():
            if call_id not in self._started:
                continue
            seq, use = self._asked[call_id]
            content = tuple(without_notice(result.content or ()))
            facts, lost = self._facts.get(call_id, {}), self._unseen.get(call_id)
            changes, between = self._changes.get(call_id), self._between.get(call_id)
            is_error = bool(result.is_error)
            found.append(Observed(seq, use.name, use.input, content, is_error, facts, changes, between, lost))
        return found

    @property
    def unseen(self) -> set[str]:
        """The calls whose outcome no sandbox told; a record that ends before a result is one of these."""
        return self._unseen.keys() | (self._started - self._results.keys())

    @property
    def untold_calls(self) -> list[tuple[str, JsonObject, Observed | None]]:
        """The name and the input of each call that a sandbox was asked for, and what it came to if none told it."""
        observed, unseen = {each.seq: each for each in self.observed}, self.unseen
        asked = [(name, *self._asked[name]) for name in self._asked if name in self._started]
        nothing = (text_block(_NOT_TOLD),)
        return [
            (
                use.name,
                use.input,
                observed.get(seq, Observed(seq, use.name, use.input, nothing, is_error=True, facts={})),
            )
            if name in unseen
            else (use.name, use.input, None)
            for name, seq, use in asked
        ]

    def untold(self) -> Iterator[str]:
        """Say of which calls nobody knows what came of them."""
        for call_id in sorted(self.unseen - self.interrupted, key=lambda name: self._asked[name][0]):
            seq, use = self._asked[call_id]
            yield f"#{seq}: what came of this call of {use.name} is not recorded"

    def add(self, record: Record) -> None:
        """Take one more event into account."""
        event = record.event
        self.records.append(record)
        self._take(record.seq, event)
        self.place = self.place.after(event)
        if isinstance(event, SessionStatusIdle):
            self._last_rest, self._used = (self.place, record.seq), False

    def _take(self, seq: int, event: Event) -> None:
        match event:
            case LocalSessionCreated():
                self.opening = event
            case LocalForked():
                self._begin_fork(event)
            case LocalModelResponse() | LocalCompactionResponse():
                self.answers.append(RecordedAnswer(event.raw, event.request_id))
            case (
                UserMessage() | SystemMessage() | UserToolConfirmation() | UserCustomToolResult() | LocalLimitsChanged()
            ):
                self.inputs.append(Given(self.place, seq, event))
            case UserInterrupt():
                self.inputs.append(Given(self.place, seq, event))
                self.interrupted |= self._started - self._results.keys()
            case AgentToolUse():
                self.uses.append(event)
                self._asked[event.id] = (seq, event)
            case AgentCustomToolUse():
                self.uses.append(event)
            case LocalToolStarted():
                self._started |= set(event.tool_use_ids)
            case LocalFilesUploaded():
                self.uploaded = event
            case LocalOutputs():
                self.outputs.append((self._observed, event.files))
            case _:
                self._take_of_sandbox(seq, event)

    def _take_of_sandbox(self, seq: int, event: Event) -> None:
        if self._lost is not None and isinstance(event, LocalLimitReached):
            self._end_at(self._lost, event)
        if not isinstance(event, AgentToolResult):
            self._lost = None
        match event:
            case LocalSandboxStarted():
                self._take_start(seq, event.facts)
            case LocalSandboxLost():
                self._lost = SandboxError(event.reason)
                self.holes.append(Hole(seq, f"the sandbox was lost: {event.reason}"))
            case AgentToolResult():
                self._observed += event.tool_use_id in self._started and event.tool_use_id not in self._results
                self._results[event.tool_use_id] = event
                if self._waiting is not None:
                    self._between[event.tool_use_id], self._waiting = self._waiting, None
                if event.tool_use_id in self._started:
                    self._unseen[event.tool_use_id] = self._lost  # until its facts come
                    self._goes_on |= self._lost is not None
            case LocalToolFacts():
                self._facts[event.tool_use_id] = event.facts
                self._unseen.pop(event.tool_use_id, None)
            case LocalFilesChanged():
                self._take_changes(event)
            case LocalLimitReached() if event.limit.startswith(_TIMES):
                self.holes.append(Hole(seq, "a limit on time was reached, which runs otherwise in a rerun"))
            case LocalInterrupted():
                self.holes.append(Hole(seq, f"the process was stopped ({event.signal})"))
            case SessionError() if _is_final(event):
                self.holes.append(Hole(seq, f"it failed: {event.error.get('message')}"))
            case _:
                pass

    def _end_at(self, lost: SandboxError, limit: LocalLimitReached) -> None:
        """Take into account that it was a limit for which a sandbox was lost."""
        ended = SandboxLimitError(lost.message, limit=limit.limit, allowed=limit.allowed, used=limit.used)
        self._unseen |= {name: ended for name, each in self._unseen.items() if each is lost}

    def _begin_fork(self, event: LocalForked) -> None:
        """Begin anew: what was before is the past that a rerun of a fork has too."""
        done = self._results
        self.opening = event
        self.answers, self.inputs, self.uses, self.starts, self.outputs = [], [], [], [], []
        self.holes, self.interrupted, self._unseen, self.place = [], set(), {}, Place()
        self._asked = {name: asked for name, asked in self._asked.items() if name not in done}
        self._started, self._results, self._observed = set(), {}, 0
        self._last_rest, self._used, self._lost, self._goes_on = None, False, None, False

    def _take_start(self, seq: int, facts: JsonObject) -> None:
        if facts.get("attached"):
            return
        if self.starts and not self._goes_on:
            # Another process took the session up, when it rested last: there its sandbox was another one.
            place, at = self._last_rest if self._last_rest and not self._used else (self.place, seq)
            self.inputs.append(Given(place, at, None))
            self.inputs.sort(key=lambda given: given.seq)
        self.starts.append(facts)
        self._used, self._goes_on = True, False

    def _take_changes(self, event: LocalFilesChanged) -> None:
        body: JsonObject = {"changes": event.changes, "cut": event.cut}
        if event.tool_use_id is None:
            self._waiting = body
        else:
            self._changes[event.tool_use_id] = body


def recording_of(session_id: str, records: Iterable[Record]) -> Recording:
    """Fold a record. Raises UsageError for one that cannot be given again at all."""
    recording = Recording()
    for record in records:
        recording.add(record)
    if recording.opening is None or not recording.records:
        raise UsageError(f"session {session_id} does not begin with its definitions, so it cannot be rerun")
    if not recording.answers and not recording.starts:
        end = f"up to #{recording.last.seq}"
        raise UsageError(f"session {session_id} holds no answer of the model {end}: there is nothing to rerun")
    return recording


def _is_final(event: SessionError) -> bool:
    status = (event.error.get("retry_status") or {}).get("type")
    return status in ("exhausted", "terminal")
