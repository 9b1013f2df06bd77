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

from agentctl.canonical import canonical_json
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
        said = canonical_json({"of": "agentctl session", "session": session_id, "seq": seq, "hash": head})
        return hmac.new(self.text.encode("utf-8", "surrogateescape"), said.encode(), hashlib.sha256).hexdigest()

    def fits(self, seal: str, session_id: str, seq: int, head: str) -> bool:
        """Say whether a seal was made with this key, for this head."""
        made = self.seal(session_id, seq, head)
        return hmac.compare_digest(made.encode(), seal.encode("utf-8", "surrogatepass"))


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


def make_verify_key(home: Home) -> Path:
    """Make a key at random, and keep it in the file. Raises UsageError where there is one already."""
    write_private(home.verify_key, f"{secrets.token_hex(_KEY_BYTES)}\n".encode("ascii"), replace=False)
    return home.verify_key
