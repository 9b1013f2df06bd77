"""A session is done again and compared: from the record that is read to the verdict.

What is recorded is played from the record and costs nothing: there is no client behind it. The new
session says what it is a rerun of.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from agentctl.compare.again.findings import Findings
from agentctl.errors import SandboxError
from agentctl.events.local import LocalSessionCreated
from agentctl.launch.again.course import Course
from agentctl.launch.again.recording import Hole, Recording, recording_of
from agentctl.launch.again.request import RerunRequest
from agentctl.launch.parts import open_log
from agentctl.launch.secrets import learn_secrets, redacted_errors
from agentctl.paths import Home
from agentctl.sandbox.base import Progress
from agentctl.session.fork import header_of, refuse_imported
from agentctl.session.log import Listener
from agentctl.session.redacting import RedactedPreviews
from agentctl.signals import interruptible
from agentctl.store.anchors import read_anchor
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import header_events, read_events
from agentctl.store.leases import Lease


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
        course = Course(request, recording, header, home, progress)
        try:
            course.make_ready(held)
        except SandboxError as error:
            if request.live != "sandbox":
                raise
            return Rerun(request, None, Findings(), mismatch=error.message, hint=error.hint)
        lease = Lease(home, course.session_id)
        log = held.enter_context(open_log(home, lease.check))
        held.enter_context(lease)
        course.drive(log, [RedactedPreviews(listener, redactor) for listener in listeners])
        findings = course.findings(log)
        return Rerun(request, course.session_id, findings, notes=course.notes_beside(findings))


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
