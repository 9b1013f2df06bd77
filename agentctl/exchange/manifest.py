"""The first file in an exported session: what is in the others, and what was done to it on the way out."""

from dataclasses import dataclass, field

from agentctl.canonical import JsonObject, canonical_json
from agentctl.errors import UsageError
from agentctl.session.contents import is_digest
from agentctl.session.members import is_session_id

NAME = "manifest.json"
EVENTS = "events.jsonl"
BLOBS = "blobs/"
SCHEMA = "agentctl.session_file/1"
_SCHEMAS = "agentctl.session_file/"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is said of an exported session.

    ``head`` is the hash of the last of its ``events``. Where secrets were taken out on the way,
    ``redacted`` says which (``names``), from which ``events``, from how many ``contents``, and what the
    ``original_head`` was: all hashes from the first of them on are others. ``damage`` says what is wrong
    behind the last event where only a part could be saved; ``missing`` are contents that are not there.
    """

    session_id: str
    agentctl_version: str
    events: int
    head: str
    blobs: int
    redacted: JsonObject | None = None
    damage: str | None = None
    missing: list[str] = field(default_factory=list)

    def as_bytes(self) -> bytes:
        """Write it as a file."""
        body = {
            "type": "session_file",
            "schema": SCHEMA,
            "session_id": self.session_id,
            "agentctl_version": self.agentctl_version,
            "events": self.events,
            "head": self.head,
            "blobs": self.blobs,
            "redacted": self.redacted,
            "damage": self.damage,
            "missing": self.missing,
        }
        return f"{canonical_json(body)}\n".encode()


def read_manifest_file(body: JsonObject) -> Manifest:
    """Read what a manifest says. Raises UsageError."""
    schema = body.get("schema")
    if not isinstance(schema, str) or not schema.startswith(_SCHEMAS):
        raise UsageError(f"{NAME} does not say that this is a session of agentctl")
    if schema != SCHEMA:
        raise UsageError(f"it was written by a newer agentctl ({schema}; this one knows {SCHEMA})")
    missing = body.get("missing", [])
    sound = (
        is_session_id(body.get("session_id"))
        and isinstance(body.get("agentctl_version"), str)
        and all(isinstance(body.get(name), int) and body[name] >= 0 for name in ("events", "blobs"))
        and is_digest(body.get("head"))
        and isinstance(body.get("redacted"), dict | None)
        and isinstance(body.get("damage"), str | None)
        and isinstance(missing, list)
        and all(map(is_digest, missing))
    )
    if not sound:
        raise UsageError(f"{NAME} is not what it must be")
    return Manifest(
        session_id=str(body["session_id"]),
        agentctl_version=str(body["agentctl_version"]),
        events=int(body["events"]),
        head=str(body["head"]),
        blobs=int(body["blobs"]),
        redacted=body.get("redacted"),
        damage=body.get("damage"),
        missing=missing,
    )
