"""A session is done again and compared: from the record that is read to the verdict.

What is recorded is played from the record and costs nothing: there is no client behind it. The new
session says what it is a rerun of.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from agentctl.canonical import JsonObject
from agentctl.compare.again.findings import Findings
from agentctl.errors import AgentctlError, ImageGoneError, SandboxError, UsageError
from agentctl.events.local import LocalModelResponse, LocalSessionCreated, LocalToolStarted
from agentctl.launch.again.course import Course
from agentctl.launch.again.places import Hole
from agentctl.launch.again.recording import Recording, recording_of
from agentctl.launch.again.request import RerunRequest
from agentctl.launch.parts import making_what_stays, open_log
from agentctl.launch.secrets import learn_secrets, redacted_errors
from agentctl.paths import Home
from agentctl.sandbox.base import Progress
from agentctl.session.fork import header_of, whole
from agentctl.session.log import Listener, Record
from agentctl.session.redacting import RedactedPreviews
from agentctl.signals import Interrupted, interruptible
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import header_events, read_events
from agentctl.store.leases import Lease

_OF_IMAGE = "--accept-image takes an image made anew from the same recipe, -e ENV another environment"


@dataclass(frozen=True, slots=True)
class Rerun:
    """What a rerun came to.

    ``session_id`` is the new session, None where none was made: the environment is not there, and ``mismatch``
    says how, or nothing of the record can be given again. ``notes`` are what a person should know beside the verdict.
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


class RerunStoppedError(AgentctlError):
    """A signal ended a rerun, so it has no verdict; the exit code is 128 and the signal's number."""

    type = "rerun_stopped_error"

    def __init__(self, told: Interrupted, session_id: str) -> None:
        super().__init__(
            f"the rerun was stopped ({told.name}), so nothing is known of what would have come",
            hint=f"what was done by then: agentctl show {session_id}",
        )
        self.exit_code = told.exit_code


def rerun(request: RerunRequest, home: Home, listeners: Sequence[Listener], progress: Progress) -> Rerun:
    """Do a session again, and compare.

    Raises NotFoundError, UsageError for what cannot be done again, ModelError where a live model was asked
    for and there is none, StoreError, RerunStoppedError.
    """
    with contextlib.ExitStack() as held:
        held.enter_context(interruptible())
        redactor = learn_secrets(home)
        held.enter_context(redacted_errors(redactor))
        with making_what_stays():
            records, header = _read(request, home)
        if header.imported is not None:
            return Rerun(request, None, Findings(missing=(_of_transcript(header.imported),)))
        recording = _recording(request, records)
        course = Course(request, recording, header, home, progress)
        try:
            course.make_ready(held)
        except SandboxError as error:
            if request.live != "sandbox":
                raise
            hint = _OF_IMAGE if isinstance(error, ImageGoneError) else error.hint
            return Rerun(request, None, Findings(), mismatch=error.message, hint=hint)
        lease = Lease(home, course.session_id)
        # What is made of a record alone can be made again: no step of it waits for the disk.
        log = held.enter_context(open_log(home, lease.check, synced=request.live is not None))
        held.enter_context(lease)
        try:
            course.drive(log, [RedactedPreviews(listener, redactor) for listener in listeners])
        except Interrupted as told:
            raise RerunStoppedError(told, course.session_id) from told
        findings = course.findings(log)
        return Rerun(request, course.session_id, findings, notes=course.notes_beside(findings))


def _read(request: RerunRequest, home: Home) -> tuple[list[Record], LocalSessionCreated]:
    """Read the record, up to where it is to be done again, and what the session began with."""
    session_id = request.session_id
    with reading(home) as connection:
        blobs, anchor = Blobs(home.blobs), read_anchor(home, session_id)
        records = [*whole(read_events(connection, blobs, session_id, anchor=anchor), request.until)]
        return records, header_of(session_id, header_events(connection, blobs, session_id, len(records)))


def _of_transcript(imported: JsonObject) -> str:
    return (
        f"the session was imported from a transcript of {imported.get('format')}: "
        "what its model was told and what its tools were is not in it, so none of it can be given again"
    )


def _recording(request: RerunRequest, records: list[Record]) -> Recording:
    """Return what can be done again of the record."""
    session_id = request.session_id
    recording = recording_of(session_id, records)
    if request.live != "sandbox" or not recording.interrupted:
        return recording
    # A command that somebody broke off may run for hours: it is not begun again.
    first = next(record.seq for record in records if record.event.id in recording.interrupted)
    answers = (each.seq for each in records[: first - 1] if isinstance(each.event, LocalModelResponse))
    end = max(answers, default=0)
    before = records[recording.own - 1 : max(end - 1, 0)]
    if not any(isinstance(each.event, LocalToolStarted) for each in before):
        raise UsageError(
            f"a person broke off #{first}, the first call of session {session_id}, so it is not begun again",
            hint=f"what can be done again from the record alone: agentctl rerun {session_id}",
        )
    shorter = recording_of(session_id, records[: end - 1])
    shorter.holes.append(Hole(first, "a call that a person broke off is not begun again, nor what came after it"))
    return shorter
