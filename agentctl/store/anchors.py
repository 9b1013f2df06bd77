"""The heads of the hash chains, kept outside the database.

A chain alone does not show that its tail was cut off; the head that was written down elsewhere
does. One small file for each session, replaced whenever the session comes to rest. Where there is a
key (``store.keys``), the head is sealed with it.
"""

import json
import os
from typing import NamedTuple

from agentctl.canonical import canonical_json
from agentctl.errors import StoreError
from agentctl.paths import Home
from agentctl.store.keys import VerifyKey


class Anchor(NamedTuple):
    """The number of a session's last event when it came to rest, and its hash."""

    seq: int
    hash: str


def read_anchor(home: Home, session_id: str) -> Anchor | None:
    """Return what was written down last; None where nothing was, or nothing that can be read."""
    try:
        body = json.loads((home.anchors / f"{session_id}.json").read_bytes())
        return Anchor(int(body["seq"]), str(body["hash"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_seal(home: Home, session_id: str) -> str | None:
    """Return the seal of what was written down last; None where there is none."""
    try:
        seal = json.loads((home.anchors / f"{session_id}.json").read_bytes())["hmac"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return seal if isinstance(seal, str) else None


def drop_anchor(home: Home, session_id: str) -> None:
    """Forget what was written down of a former session of that name. Raises StoreError."""
    place = home.anchors / f"{session_id}.json"
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove {place}: {error.strerror}") from error


def write_anchor(home: Home, session_id: str, anchor: Anchor, key: VerifyKey | None = None) -> None:
    """Write down the head of a session's chain, durably, and seal it with ``key``. Raises StoreError."""
    place = home.anchors / f"{session_id}.json"
    waiting = place.with_suffix(f".{os.getpid()}")
    body = {"seq": anchor.seq, "hash": anchor.hash}
    sealed = {"hmac": key.seal(session_id, anchor.seq, anchor.hash)} if key else {}
    try:
        home.anchors.mkdir(mode=0o700, exist_ok=True)
        with open(os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(canonical_json(body | sealed) + "\n")
            file.flush()
            os.fsync(file.fileno())
        waiting.rename(place)
    except OSError as error:
        raise StoreError(f"cannot write {place}: {error.strerror}") from error
