"""The heads of the hash chains, kept outside the database.

A chain alone does not show that its tail was cut off; the head that was written down elsewhere
does. One small file for each session, replaced whenever the session comes to rest. Where there is a
key (``store.keys``), the head is sealed with it.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from agentctl.canonical import canonical_json
from agentctl.errors import StoreError
from agentctl.paths import Home
from agentctl.store.keys import VerifyKey

_MOST_BYTES = 4_096
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError)


class Anchor(NamedTuple):
    """The number of a session's last event when it came to rest, and its hash."""

    seq: int
    hash: str


def read_anchor(home: Home, session_id: str) -> Anchor | None:
    """Return what was written down last; None where nothing was, or nothing that can be read."""
    try:
        body = _body(home, session_id)
        anchor = Anchor(int(body["seq"]), str(body["hash"]))
    except _UNREADABLE:
        return None
    return anchor if 0 < anchor.seq < 1 << 63 else None


def read_seal(home: Home, session_id: str) -> str | None:
    """Return the seal of what was written down last; None where there is none."""
    try:
        seal = _body(home, session_id)["hmac"]
    except _UNREADABLE:
        return None
    return seal if isinstance(seal, str) else None


def has_anchor_file(home: Home, session_id: str) -> bool:
    """Say whether there is a file where something would be written down, whatever is in it."""
    return os.path.lexists(_place(home, session_id))


def _body(home: Home, session_id: str) -> Any:
    # Without waiting, and never all of it: whoever can write the folder can put anything there.
    descriptor = os.open(_place(home, session_id), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return json.loads(os.read(descriptor, _MOST_BYTES))
    finally:
        os.close(descriptor)


def _place(home: Home, session_id: str) -> Path:
    return home.anchors / f"{session_id}.json"


def drop_anchor(home: Home, session_id: str) -> None:
    """Forget what was written down of a former session of that name. Raises StoreError."""
    place = _place(home, session_id)
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove {place}: {error.strerror}") from error


def write_anchor(home: Home, session_id: str, anchor: Anchor, key: VerifyKey | None = None) -> None:
    """Write down the head of a session's chain, durably, and seal it with ``key``. Raises StoreError."""
    place = _place(home, session_id)
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
