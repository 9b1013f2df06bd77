"""The course of one rerun: its model and its sandbox are made, it is driven to the end, and compared.

What people said, allowed and changed is given again at the same places. A fresh sandbox has the recorded
files, and never the person's own folders.
"""

import contextlib
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agentctl.canonical import JsonObject
from agentctl.compare.again.findings import Findings
from agentctl.compare.again.log import log_findings
from agentctl.compare.again.model import model_findings
from agentctl.compare.again.sandbox import sandbox_findings
from agentctl.compare.causes import MovedPackage
from agentctl.definitions.agent import Agent
from agentctl.events.base import Event
from agentctl.events.local import LocalForked, LocalInterrupted, LocalLimitReached, LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.events.session import SessionStatusRunning
from agentctl.harness.hands import Hands, Supplied
from agentctl.harness.loop import Perform, run
from agentctl.harness.outlook import Outlook
from agentctl.harness.perform import Performer
from agentctl.harness.steps import AskModel, Compact, Step, has_work
from agentctl.harness.stop import Stop
from agentctl.ids import SystemClock, new_id
from agentctl.launch.again.fresh import FreshSandboxes
from agentctl.launch.again.giving import Giver
from agentctl.launch.again.losing import LosingSandbox, Untold
from agentctl.launch.again.opening import opening_of
from agentctl.launch.again.places import Hole
from agentctl.launch.again.recording import Recording
from agentctl.launch.again.request import RerunRequest
from agentctl.launch.driving import outlook_of
from agentctl.launch.parts import model_for, open_blobs
from agentctl.model.base import Model
from agentctl.model.recorded import RecordedModel
from agentctl.paths import Home
from agentctl.sandbox.base import Progress, Sandbox
from agentctl.sandbox.recorded import RecordedSandbox, StandIn, Tape
from agentctl.session.files import Restoring, read_manifest
from agentctl.session.log import EventLog, Listener, Record, Session
from agentctl.session.packages import packages_of_facts
from agentctl.signals import Interrupted, first_interrupt
from agentctl.tools.toolset import toolset_of


class Course:
    """One rerun under way; ``notes`` are what a person should know whatever the verdict is."""

    def __init__(
        self, request: RerunRequest, recording: Recording, header: LocalSessionCreated, home: Home, progress: Progress
    ) -> None:
        self.notes: list[str] = []
        self._request, self._recording, self._header = request, recording, header
        self._home, self._progress = home, progress
        self._blobs = open_blobs(home)
        self._make = Maker(SystemClock())
        self.session_id = new_id("sesn_", self._make.clock)
        self._agent = Agent.model_validate(header.agent)
        self._tape = Tape(recording.observed, recording.starts, recording.outputs, self._blobs)
        self._untold = Untold(recording.untold_calls if request.live == "sandbox" else ())
        self._facts: JsonObject = {"kind": "recorded"}
        self._packages: tuple[MovedPackage, ...] = ()
        self._session: Session[Outlook] | None = None
        self._not_given: list[Hole] = []

    def make_ready(self, held: contextlib.ExitStack) -> None:
        """Make the sandbox and the model. Raises SandboxError where the recorded environment is not there."""
        fresh = self._fresh = FreshSandboxes(self._request, self._header, self._home, self.session_id)
        self._sandbox = self._next_sandbox()
        held.callback(self._sandbox.close)
        self._toolset = toolset_of(self._agent, self._sandbox.layout.workspace)
        if self._request.live == "sandbox" and self._toolset.uses_sandbox:
            self._facts = self._prepared(self._sandbox, self._progress)
            start = next(iter(self._recording.starts), {})
            self._packages = fresh.moved_packages(self._facts, packages_of_facts(start, self._blobs))
        self._model = self._make_model()
        held.callback(self._model.close)

    def drive(self, log: EventLog, listeners: Sequence[Listener]) -> None:
        """Do everything again, until there is nothing more to do. Raises Interrupted, which is in the log then."""
        header, opening = opening_of(
            self._request, self._recording, self._header, self.session_id, self._facts, self._make.clock
        )
        if isinstance(opening[0], LocalForked):  # behind a past that has to be there before it is folded
            log.append(self.session_id, opening)
        session = self._session = Session(self.session_id, log, outlook_of(header), listeners)
        if not session.seen:
            session.append(*opening)
        keep_seconds = self._agent.local.keep
        hands = _Hands(
            self._sandbox, self._next_sandbox, self._supply, self._progress,
            keep_seconds=keep_seconds, prepared=self._facts,
        )  # fmt: skip
        way_out = self._fresh.way_out
        try:
            with contextlib.closing(way_out) if way_out else contextlib.nullcontext(), contextlib.closing(hands):
                self._go(session, hands)
        except Interrupted as told:
            session.append(self._make(LocalInterrupted, signal=told.name))
            raise

    def _go(self, session: Session[Outlook], hands: "_Hands") -> None:
        """Run, give what people said, and run on, until nothing is left. Raises Interrupted."""
        stop = Stop()
        perform = Performer(
            self._model, session.outlook.header, self._toolset, hands, self._make, self._blobs, stop, lambda: 0.0
        )
        giver = Giver(self._recording, hands, self._make, self._not_given.append)
        giving = self._giving(perform, hands, giver)
        giver.go_on(session, ())
        if session.state.calls and not has_work(session.state):  # a fork that waits says so when it runs
            session.append(self._make(SessionStatusRunning))
        while True:
            with stop.watched(lambda: False, perform.cancel), first_interrupt(stop.ask):
                run(session, giving, self._make, stop)
            if stop.is_asked:
                raise Interrupted(signal.SIGINT)
            if not giver.at_rest(session):
                return

    def _giving(self, perform: Perform, hands: "_Hands", giver: Giver) -> Perform:
        """Perform so that what is recorded is given at its places."""
        recorded = self._fresh.way_out.recording(perform) if self._fresh.way_out else perform

        def giving(step: Step, session: Session[Outlook]) -> Iterator[Sequence[Event]]:
            hands.is_kept = giver.renews
            if isinstance(step, AskModel | Compact) and self._is_at_end():
                yield [self._end()]
                return
            for events in recorded(step, session):
                yield events
                giver.go_on(session, events)

        return giving

    def notes_beside(self, findings: Findings) -> tuple[str, ...]:
        """Return the notes; that something was not given needs no word behind the first divergence."""
        first = findings.first
        not_given = [hole.line for hole in self._not_given if first is None or hole.seq < first.seq]
        return (*self.notes, *not_given)

    def findings(self, log: EventLog) -> Findings:
        """Compare what was done with what is recorded."""
        recording = self._recording
        records, own = recording.records, recording.own
        missing = [f"#{hole.seq}: {hole.line}" for hole in recording.holes]
        if self._request.live is None:
            found = log_findings(records, _Stored(log, self.session_id), own)
            if found.first is not None and any(hole.seq <= found.first.seq for hole in recording.holes):
                return replace(found, divergences=(), missing=tuple(missing))
            return found
        live = [*log.read(self.session_id)]
        if self._request.live == "sandbox":
            left_out = recording.interrupted | recording.unseen
            rules = self._request.rules
            found = sandbox_findings(records, live, own, left_out, self._packages, rules, self._blobs)
            return replace(found, missing=(*self._not_recorded(), *recording.untold(), *missing))
        found = model_findings(records, live, own, is_whole=recording.is_at_rest)
        return replace(found, missing=tuple(self._model_failure()))

    def _next_sandbox(self) -> Sandbox:
        if self._request.live == "sandbox":
            inner = self._fresh(self._session.state.checkpoint if self._session else None)
            return LosingSandbox(inner, self._untold)
        stand_in = StandIn(self._standing_in, self._files_now) if self._request.on_miss_sandbox else None
        return RecordedSandbox(self._tape, stand_in=stand_in)

    def _standing_in(self, progress: Progress) -> Sandbox:
        sandbox = self._fresh()
        self._prepared(sandbox, progress)
        return sandbox

    def _prepared(self, sandbox: Sandbox, progress: Progress) -> JsonObject:
        facts = self._fresh.prepare(sandbox, progress)
        line = self._fresh.is_another_image(facts)
        if line is not None and line not in self.notes:
            self.notes.append(line)
        return facts

    def _files_now(self) -> Restoring:
        assert self._session is not None
        return self._session.files.restoring(self._blobs)

    def _make_model(self) -> Model:
        if self._request.live != "model":
            return RecordedModel(self._recording.answers)
        return model_for(self._request.model or self._header.model, self._sandbox.layout)

    def _supply(self, prepared: JsonObject, attached: bool) -> Supplied:  # noqa: ARG002 - nothing is ever taken over
        assert self._session is not None
        files, uploaded = self._session.files, self._recording.uploaded
        if files.is_recorded:
            return Supplied(files.restoring(self._blobs, prepared.get("checkpoint")), self._blobs)
        if uploaded is None:
            return Supplied(Restoring(()), self._blobs)
        members = {name: getattr(uploaded, name) for name in ("manifest", "files", "bytes", "skipped")}
        return Supplied(Restoring(tuple(read_manifest(uploaded.manifest, self._blobs))), self._blobs, members)

    def _is_at_end(self) -> bool:
        return isinstance(self._model, RecordedModel) and not self._model.left

    def _end(self) -> Event:
        number = len(self._recording.answers)
        line = f"the record holds no answer after the {number} that were given"
        return self._make(LocalLimitReached, limit="recording", allowed=number, used=number, line=line)

    def _not_recorded(self) -> Iterator[str]:
        """Say which files the record does not hold, where calls may have seen them."""
        if self._header.uploads and self._recording.uploaded is None and self._recording.starts:
            yield "the files that were copied in at the start are not recorded"
            return
        if self._recording.uploaded is not None:
            begun = Restoring(tuple(read_manifest(self._recording.uploaded.manifest, self._blobs)))
            if begun.missing:
                yield f"{len(begun.missing):,} of the files at the start were too large to be kept"

    def _model_failure(self) -> Iterator[str]:
        assert self._session is not None
        failure = self._session.state.failure
        if failure is not None and self._tape.missed is None:
            yield f"the live model failed: {failure.get('message')}"


@dataclass(frozen=True, slots=True)
class _Stored:
    """The events of a session as they are stored, read anew each time that they are gone over."""

    log: EventLog
    session_id: str

    def __iter__(self) -> Iterator[Record]:
        return self.log.read(self.session_id)


class _Hands(Hands):
    """Hands that keep the state of a sandbox only where another one is to be made from it."""

    is_kept = False

    def keep(self, until: str) -> JsonObject | None:
        """Keep it, if it is needed."""
        return super().keep(until) if self.is_kept else None
