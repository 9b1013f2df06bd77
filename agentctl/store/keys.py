"""The key that seals the heads of sessions, so that nobody without it can rewrite one unseen.

The variable ``AGENTCTL_VERIFY_KEY`` counts first, then the file ``verify.key`` beside the store. The key
is text: what the file holds can be put into the variable of another machine. Whoever can read it can
seal what they have rewritten, so it is worth most where it is not on the machine that runs the sessions.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from agentctl.canonical import JsonObject, canonical_json
from agentctl.errors import StoreError, UsageError
from agentctl.paths import Home
from agentctl.private import read_private, write_private

VARIABLE = "AGENTCTL_VERIFY_KEY"

_FEWEST_CHARACTERS = 32
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A key, and where it was found."""

    text: str = field(repr=False)
    source: str

    def seal(self, session_id: str, seq: int, head: str) -> str:
        """Return what only somebody with this key can say of the head of a session: 64 hexadecimal digits."""
        return self._sealed({"of": "agentctl session", "session": session_id, "seq": seq, "hash": head})

    def fits(self, seal: str, session_id: str, seq: int, head: str) -> bool:
        """Say whether a seal was made with this key, for this head."""
        return _are_same(self.seal(session_id, seq, head), seal)

    def seal_computed(self, seq: int, head: str, version: int, text: str) -> str:
        """Return the seal of what was computed from all events up to the one of that number and hash."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self._sealed({"of": "agentctl snapshot", "seq": seq, "hash": head, "version": version, "sha256": digest})

    def fits_computed(self, seal: str, seq: int, head: str, version: int, text: str) -> bool:
        """Say whether a seal was made with this key, for what was computed."""
        return _are_same(self.seal_computed(seq, head, version, text), seal)

    def _sealed(self, body: JsonObject) -> str:
        key = self.text.encode("utf-8", "surrogateescape")
        return hmac.new(key, canonical_json(body).encode(), hashlib.sha256).hexdigest()


def find_verify_key(home: Home) -> VerifyKey | None:
    """Find the key; None where there is none. Raises StoreError for one that is not safe, or is none."""
    text, source = os.environ.get(VARIABLE), VARIABLE
    if not text:
        try:
            text, source = read_private(home.verify_key).decode("utf-8", "replace").strip(), str(home.verify_key)
        except FileNotFoundError:
            return None
        except UsageError as error:
            raise StoreError(error.message, hint=error.hint) from error
    if len(text) < _FEWEST_CHARACTERS:
        hint = f"a good one: {VARIABLE}=$(openssl rand -hex {_KEY_BYTES})"
        raise StoreError(f"the key in {source} is shorter than {_FEWEST_CHARACTERS} characters", hint=hint)
    return VerifyKey(text, source)


def key_of_reader(home: Home) -> VerifyKey | None:
    """Find the key that what a reader is to believe must be sealed with; None where there is none.

    One that is there and cannot be read counts as one that nothing was sealed with.
    """
    try:
        return find_verify_key(home)
    except StoreError:
        return VerifyKey(secrets.token_hex(_KEY_BYTES), "")


def make_verify_key(home: Home) -> Path:
    """Make a key at random, and keep it in the file. Raises UsageError where there is one already."""
    write_private(home.verify_key, f"{secrets.token_hex(_KEY_BYTES)}\n".encode("ascii"), replace=False)
    return home.verify_key


def _are_same(made: str, given: str) -> bool:
    return hmac.compare_digest(made.encode(), given.encode("utf-8", "surrogatepass"))
