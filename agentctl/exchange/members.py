"""Events from anybody: each member of the type that its class says, and what is inside of the shape it must have.

Reading a record of our own takes what is there. Here the whole of it is checked, so that nothing that
is stored trips up whoever reads it later.
"""

import re

from agentctl.canonical import JsonObject
from agentctl.errors import StoreError, UsageError
from agentctl.events.base import Event, UnknownEvent
from agentctl.events.codec import decode, known_types
from agentctl.events.local import LocalCompactionResponse, LocalModelResponse
from agentctl.exchange.strict import read_object
from agentctl.ids import time_of
from agentctl.session.files import File
from agentctl.session.members import KINDS, check_file_members, check_members

_TYPE = re.compile(r"[\x21-\x7e]{1,200}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


def read_event(body: JsonObject) -> Event:
    """Read an event. Raises UsageError for one that is not what its type says."""
    kind = body.get("type")
    if not isinstance(kind, str) or _TYPE.fullmatch(kind) is None:
        raise UsageError("it has no type")
    event = decode(body)
    name = body.get("id")
    if not isinstance(name, str) or _ID.fullmatch(name) is None:
        raise UsageError(f"{kind}: its id is none")
    time = body.get("processed_at")
    if time is not None and (not isinstance(time, str) or time_of(time) is None):
        raise UsageError(f"{kind}: processed_at is no time")
    if isinstance(event, UnknownEvent) and kind in known_types():
        raise UsageError(f"{kind}: it lacks something that events of this type have")
    if isinstance(event, LocalModelResponse | LocalCompactionResponse) and isinstance(event.raw, str):
        _check_raw(kind, event.raw)
    check_members(event)
    return event


def _check_raw(kind: str, raw: str) -> None:
    try:
        read_object(raw)
    except UsageError as error:
        raise UsageError(f"{kind}: {error.message}") from None


def check_file(body: JsonObject) -> None:
    """Check a line of the manifest of uploaded files. Raises UsageError."""
    check_file_members(body, "path", "kind")
    if body["kind"] not in KINDS:
        raise UsageError("a file is of no kind")
    try:
        File.from_json(body)
    except StoreError as error:
        raise UsageError(error.message) from None
