"""The events that a rerun begins with: the header of the record, with what is otherwise."""

from dataclasses import replace

from agentctl import __version__
from agentctl.canonical import JsonObject
from agentctl.definitions.agent import Agent, definition_hash
from agentctl.definitions.fields import snapshot
from agentctl.events.base import Event
from agentctl.events.local import LocalFilesUploaded, LocalForked, LocalSessionCreated
from agentctl.ids import Clock, new_id, timestamp
from agentctl.launch.again.recording import Recording
from agentctl.launch.again.request import RerunRequest
from agentctl.launch.parts import SCRIPT
from agentctl.launch.request import durable_name, header_with
from agentctl.model.request import RequestHeader

_LIMITS_ON_TIME = ("timeout_seconds", "max_active_seconds")


def opening_of(
    request: RerunRequest,
    recording: Recording,
    header: LocalSessionCreated,
    session_id: str,
    sandbox: JsonObject,
    clock: Clock,
) -> tuple[LocalSessionCreated, list[Event]]:
    """Return what the rerun ``session_id`` depends on, and the events that it begins with.

    ``header`` is that of the record, ``sandbox`` the facts of the sandbox that is used.
    """
    opening = recording.opening
    assert opening is not None
    changes = _changes(request, recording, header, session_id, sandbox)
    first = replace(opening, id=new_id("sevt_", clock), processed_at=timestamp(clock.now()), **changes)
    uploaded = _uploaded_of_fork(recording, clock)
    return replace(header, **changes), [first, *([uploaded] if uploaded else [])]


def _changes(
    request: RerunRequest, recording: Recording, header: LocalSessionCreated, session_id: str, sandbox: JsonObject
) -> JsonObject:
    of = {"session_id": request.session_id, "at": recording.last.seq, "head": recording.last.hash}
    limits = {name: value for name, value in header.limits.items() if name not in _LIMITS_ON_TIME}
    changes: JsonObject = {
        "session_id": session_id,
        "agentctl_version": __version__,
        "rerun_of": {**of, "live": request.live},
        "limits": limits | request.limits.as_json(),
        "sandbox": sandbox,
        "vaults": list(request.vaults) or None,
        "title": _title(request.session_id, recording.opening.title if recording.opening else None),
    }
    if request.live == "model" and request.model:
        changes["model"] = durable_name(request.model)
        if not request.model.startswith(SCRIPT):
            head = RequestHeader.from_json(header.request)
            changes["request"] = header_with(head, Agent.model_validate(header.agent), request.model).as_json()
    if request.environment:
        changes["environment"] = snapshot(request.environment)
        changes["environment_hash"] = definition_hash(request.environment)
    return changes


def _title(session_id: str, title: str | None) -> str:
    """Name a rerun so that nobody takes it for another run of the same, in a list of sessions say."""
    return f"rerun of {session_id}: {title}" if title else f"rerun of {session_id}"


def _uploaded_of_fork(recording: Recording, clock: Clock) -> Event | None:
    """A fork before its first sandbox began with the files that its parent was given."""
    opening, records = recording.opening, recording.records
    if not isinstance(opening, LocalForked) or len(records) <= opening.at + 1:
        return None
    second = records[opening.at + 1].event
    return replace(second, id=new_id("sevt_", clock)) if isinstance(second, LocalFilesUploaded) else None
