"""Sessions are done again: the recorded or a live model, against the recorded or a fresh sandbox.

What is recorded is played from the record and costs nothing: there is no client behind it. A fresh
sandbox has the recorded image and the recorded files, no network and no credentials unless they are
asked for, and never the person's own folders. What people said, allowed and changed is given again at the
same places. The new session says what it is a rerun of.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from agentctl import __version__
from agentctl.canonical import JsonObject
from agentctl.compare.again import Findings, log_findings, model_findings, sandbox_findings
from agentctl.compare.causes import MovedPackage
from agentctl.compare.rules import Rule
from agentctl.definitions.agent import Agent, definition_hash
from agentctl.definitions.environment import Environment
from agentctl.definitions.fields import snapshot
from agentctl.errors import SandboxError
from agentctl.events.base import Event
from agentctl.events.local import LocalFilesUploaded, LocalForked, LocalLimitReached, LocalSessionCreated
from agentctl.events.make import Maker
from agentctl.harness.hands import Hands, Supplied
from agentctl.harness.loop import run
from agentctl.harness.outlook import Outlook
from agentctl.harness.perform import Performer
from agentctl.harness.steps import AskModel, Compact, Step
from agentctl.harness.stop import Stop
from agentctl.ids import SystemClock, new_id, timestamp
from agentctl.launch.driving import outlook_of
from agentctl.launch.giving import Giver
from agentctl.launch.parts import (
    SCRIPT,
    Sandboxes,
    image_packages,
    model_for,
    open_blobs,
    open_log,
    open_vaults,
    way_out_for,
)
from agentctl.launch.recording import Hole, Recording, recording_of
from agentctl.launch.request import durable_name, header_with
from agentctl.launch.secrets import learn_secrets, redacted_errors
from agentctl.model.base import Model
from agentctl.model.recorded import RecordedModel
from agentctl.model.request import RequestHeader
from agentctl.paths import Home
from agentctl.policy.budget import Limits
from agentctl.sandbox.base import FIRST, Origin, Progress, Sandbox
from agentctl.sandbox.recorded import RecordedSandbox, StandIn, Tape
from agentctl.session.files import Restoring, read_manifest
from agentctl.session.fork import header_of, refuse_imported
from agentctl.session.log import EventLog, Listener, Session
from agentctl.session.redacting import RedactedPreviews
from agentctl.signals import first_interrupt, interruptible
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import header_events, read_events
from agentctl.store.leases import Lease
from agentctl.tools.toolset import toolset_of

if TYPE_CHECKING:
    from agentctl.launch.network import WayOut

Live: TypeAlias = Literal["sandbox", "model"]

_LIMITS_ON_TIME = ("timeout_seconds", "max_active_seconds")


@dataclass(frozen=True, slots=True)
class RerunRequest:
    """How a session is done again.

    ``live`` is what is not taken from the record; None takes both from it. ``on_miss_sandbox`` sends calls
    that the record does not hold to a fresh sandbox. ``until`` is the number of the last event that is
    done again. ``environment`` takes the place of the recorded one, ``accept_image`` allows an image made
    anew. ``network`` lets the fresh sandbox reach what the environment allows, with the credentials of
    ``vaults``. ``model`` takes the place of the session's own, live. ``rules`` say what else is noise.
    """

    session_id: str
    live: Live | None = None
    on_miss_sandbox: bool = False
    until: int | None = None
    environment: Environment | None = None
    accept_image: bool = False
    network: bool = False
    vaults: tuple[str, ...] = ()
    model: str | None = None
    limits: Limits = field(default_factory=Limits)
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Rerun:
    """What a rerun came to.

    ``session_id`` is the new session, None where none was made because the environment is not there:
    ``mismatch`` says how. ``notes`` are what a person should know beside the verdict.
    """

    request: RerunRequest
    session_id: str | None
    findings: Findings
    mismatch: str | None = None
    hint: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Say it in a word."""
        return "environment-mismatch" if self.mismatch is not None else self.findings.verdict


def rerun(request: RerunRequest, home: Home, listeners: Sequence[Listener], progress: Progress) -> Rerun:
    """Do a session again, and compare.

    Raises NotFoundError, UsageError for what cannot be done again, ModelError where a live model was asked
    for and there is none, StoreError.
    """
    with contextlib.ExitStack() as held:
        held.enter_context(interruptible())
        redactor = learn_secrets(home)
        held.enter_context(redacted_errors(redactor))
        recording, header = _read(request, home)
        again = _Again(request, recording, header, home, progress)
        try:
            again.make_ready(held)
        except SandboxError as error:
            if request.live != "sandbox":
                raise
            return Rerun(request, None, Findings(), mismatch=error.message, hint=error.hint)
        lease = Lease(home, again.session_id)
        log = held.enter_context(open_log(home, lease.check))
        held.enter_context(lease)
        again.drive(log, [RedactedPreviews(listener, redactor) for listener in listeners])
        findings = again.findings(log)
        return Rerun(request, again.session_id, findings, notes=tuple(again.notes))


def _read(request: RerunRequest, home: Home) -> tuple[Recording, LocalSessionCreated]:
    """Read the record as far as it can be done again."""
    session_id = request.session_id
    with reading(home) as connection:
        blobs, anchor = Blobs(home.blobs), read_anchor(home, session_id)
        records = [*read_events(connection, blobs, session_id, until=request.until, anchor=anchor)]
        header = header_of(session_id, header_events(connection, blobs, session_id, request.until))
    refuse_imported(header)
    recording = recording_of(session_id, records)
    if request.live != "sandbox" or not recording.interrupted:
        return recording, header
    # A command that somebody broke off may run for hours: it is not begun again.
    first = next(record.seq for record in records if record.event.id in recording.interrupted)
    answers = [each.seq for each in records if each.event.type == "local.model_response" and each.seq < first]
    shorter = recording_of(session_id, records[: answers[-1] - 1])
    shorter.holes.append(Hole(first, "a call that a person broke off is not begun again, nor what came after it"))
    return shorter, header


class _Again:
    """One rerun under way."""

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
        self._environment = request.environment or Environment.model_validate(header.environment)
        self._tape = Tape(recording.observed, recording.starts, recording.outputs, self._blobs)
        self._facts: JsonObject = {"kind": "recorded"}
        self._packages: tuple[MovedPackage, ...] = ()
        self._way_out: WayOut | None = None
        self._session: Session[Outlook] | None = None

    def make_ready(self, held: contextlib.ExitStack) -> None:
        """Make the sandbox and the model. Raises SandboxError where the recorded environment is not there."""
        self._fresh = self._make_sandboxes()
        is_live = self._request.live == "sandbox"
        self._sandbox = self._next_sandbox()
        held.callback(self._sandbox.close)
        self._toolset = toolset_of(self._agent, self._sandbox.layout.workspace)
        if is_live and self._toolset.uses_sandbox:
            self._facts = self._sandbox.prepare(self._progress)
            self._fresh.keep_to(self._facts)
            self._settle()
        self._model = self._make_model()
        held.callback(self._model.close)

    def drive(self, log: EventLog, listeners: Sequence[Listener]) -> None:
        """Do everything again, until there is nothing more to do."""
        header, opening = self._opening()
        log.append(self.session_id, opening)
        session = self._session = Session(self.session_id, log, outlook_of(header), listeners)
        stop = Stop()
        keep_seconds = self._agent.local.keep
        hands = _Hands(
            self._sandbox, self._next_sandbox, self._supply, self._progress,
            keep_seconds=keep_seconds, prepared=self._facts,
        )  # fmt: skip
        perform = Performer(
            self._model, session.outlook.header, self._toolset, hands, self._make, self._blobs, stop, lambda: 0.0
        )
        giver = Giver(self._recording, hands, self._make, self.notes.append)
        recorded = self._way_out.recording(perform) if self._way_out else perform

        def giving(step: Step, session: Session[Outlook]) -> Iterator[Sequence[Event]]:
            hands.is_kept = giver.renews
            if isinstance(step, AskModel | Compact) and self._is_at_end():
                yield [self._end()]
                return
            for events in recorded(step, session):
                yield events
                giver.go_on(session, events)

        with (
            contextlib.closing(self._way_out) if self._way_out else contextlib.nullcontext(),
            contextlib.closing(hands),
        ):
            giver.go_on(session, ())
            while True:
                with stop.watched(lambda: False, perform.cancel), first_interrupt(stop.ask):
                    run(session, giving, self._make, stop)
                if stop.is_asked:
                    self.notes.append("it was stopped before its end")
                    break
                if not giver.at_rest(session):
                    break

    def findings(self, log: EventLog) -> Findings:
        """Compare what was done with what is recorded."""
        recording, live = self._recording, [*log.read(self.session_id)]
        records, opening = recording.records, recording.opening
        own = opening.at + 1 if isinstance(opening, LocalForked) else 1
        missing = [f"#{hole.seq}: {hole.line}" for hole in recording.holes]
        missing += [note for note in self.notes if "stopped" in note]
        if self._request.live == "sandbox":
            left_out = recording.interrupted | recording.unseen
            rules = self._request.rules
            found = sandbox_findings(records, live, own, left_out, self._packages, rules, self._blobs)
            return replace(found, missing=(*self._not_recorded(), *recording.untold(), *missing))
        if self._request.live == "model":
            found = model_findings(records, live, own, is_whole=recording.is_at_rest)
            return replace(found, missing=tuple(self._model_failure()))
        found = log_findings(records, live, own)
        if found.first is not None and any(hole.seq <= found.first.seq for hole in recording.holes):
            return replace(found, divergences=(), missing=tuple(missing))
        return found

    def _make_sandboxes(self) -> Sandboxes:
        request, header = self._request, self._header
        kind = None if request.environment else header.sandbox.get("kind")
        if request.live == "sandbox" and kind == "none":
            raise SandboxError(
                "a sandbox of kind none is in another folder each time, so nothing would be comparable",
                hint="-e ENVIRONMENT reruns it in another one, for example with type: bubblewrap",
            )
        environment = self._environment if request.network else _without_network(self._environment)
        credentials = open_vaults(self._home, request.vaults, self.session_id) if request.network else None
        self._way_out = way_out_for(environment, self._home, self.session_id, credentials)
        gateway = self._way_out.gateway if self._way_out else None
        locked = Origin(header.sandbox, rebuild=request.accept_image)
        origin = FIRST if request.environment or "image_digest" not in header.sandbox else locked
        chosen = kind if kind in ("docker", "bubblewrap") else None
        return Sandboxes(environment, self._home, chosen, make_gateway=gateway, origin=origin)

    def _next_sandbox(self) -> Sandbox:
        if self._request.live == "sandbox":
            return self._fresh(self._session.state.checkpoint if self._session else None)
        stand_in = StandIn(self._fresh, self._files_now) if self._request.on_miss_sandbox else None
        return RecordedSandbox(self._tape, stand_in=stand_in)

    def _files_now(self) -> Restoring:
        assert self._session is not None
        return self._session.files.restoring(self._blobs)

    def _settle(self) -> None:
        """Settle what may be reached, and find out how the image is another one than the recorded."""
        if self._way_out:
            self._way_out.settle(self._facts)
        before, now = self._header.sandbox.get("image_digest"), self._facts.get("image_digest")
        if before is None or now is None or before == now:
            return
        self.notes.append(f"the image is another one: {str(before)[:19]} then, {str(now)[:19]} now")
        self._packages = _moved(*(image_packages(self._home, str(image)) for image in (before, now)))

    def _make_model(self) -> Model:
        if self._request.live != "model":
            return RecordedModel(self._recording.answers)
        return model_for(self._request.model or self._header.model, self._sandbox.layout)

    def _opening(self) -> tuple[LocalSessionCreated, list[Event]]:
        """Return what the rerun depends on, and the events that it begins with."""
        request, recording, opening = self._request, self._recording, self._recording.opening
        clock = self._make.clock
        assert opening is not None
        of = {"session_id": request.session_id, "at": recording.last.seq, "head": recording.last.hash}
        limits = {name: value for name, value in self._header.limits.items() if name not in _LIMITS_ON_TIME}
        changes: JsonObject = {
            "session_id": self.session_id,
            "agentctl_version": __version__,
            "rerun_of": {**of, "live": request.live},
            "limits": limits | request.limits.as_json(),
            "sandbox": self._facts,
            "vaults": list(request.vaults) or None,
            "title": opening.title,
        }
        if request.live == "model" and request.model:
            changes["model"] = durable_name(request.model)
            if not request.model.startswith(SCRIPT):
                head = RequestHeader.from_json(self._header.request)
                changes["request"] = header_with(head, self._agent, request.model).as_json()
        if request.environment:
            changes["environment"] = snapshot(request.environment)
            changes["environment_hash"] = definition_hash(request.environment)
        first = replace(opening, id=new_id("sevt_", clock), processed_at=timestamp(clock.now()), **changes)
        header = replace(self._header, **{**changes, "vaults": changes["vaults"]})
        uploaded = self._uploaded_of_fork()
        return header, [first, *([uploaded] if uploaded else [])]

    def _uploaded_of_fork(self) -> Event | None:
        """A fork before its first sandbox began with the files that its parent was given."""
        opening, records = self._recording.opening, self._recording.records
        if not isinstance(opening, LocalForked) or len(records) <= opening.at + 1:
            return None
        second = records[opening.at + 1].event
        return replace(second, id=new_id("sevt_", self._make.clock)) if isinstance(second, LocalFilesUploaded) else None

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


class _Hands(Hands):
    """Hands that keep the state of a sandbox only where another one is to be made from it."""

    is_kept = False

    def keep(self, until: str) -> JsonObject | None:
        """Keep it, if it is needed."""
        return super().keep(until) if self.is_kept else None


def _without_network(environment: Environment) -> Environment:
    body = snapshot(environment)
    return Environment.model_validate({**body, "config": {**body.get("config", {}), "networking": {"type": "none"}}})


def _moved(
    before: "dict[str, dict[str, str]] | None", now: "dict[str, dict[str, str]] | None"
) -> tuple[MovedPackage, ...]:
    """Return the packages that have another version now, those of the languages before the system's."""
    if before is None or now is None:
        return ()
    found = []
    for kind in ("pip", "Debian"):
        old, new = before.get(kind, {}), now.get(kind, {})
        names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        found += [MovedPackage(kind, name, old.get(name), new.get(name)) for name in names]
    return tuple(found)
