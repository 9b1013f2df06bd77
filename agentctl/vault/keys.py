"""Where the key to the vaults is: a variable, the system's keyring, or a file that only its owner can read.

The first that there is counts: ``AGENTCTL_VAULT_KEY`` (32 bytes in base64, or a passphrase), then an
entry in the keyring, if the package ``keyring`` is installed, then ``vault.key`` beside the store. Where there is none,
one is made at random when the first vault is: in the keyring if there is one, else in the file.
"""

import base64
import binascii
import contextlib
import importlib
import os
from typing import Any

from agentctl.errors import UsageError
from agentctl.paths import Home
from agentctl.private import read_private, write_private
from agentctl.vault.sealing import Key

VARIABLE = "AGENTCTL_VAULT_KEY"

_KEY_BYTES = 32
_SHORTEST_PASSPHRASE = 16
_SERVICE = "agentctl vault"


def find_key(home: Home) -> Key | None:
    """Find the key; None where there is none yet. Raises UsageError for one that is not safe, or is none."""
    text = os.environ.get(VARIABLE)
    if text:
        return _from_variable(text)
    if (kept := _from_keyring(home)) is not None:
        return Key(_read(kept, "the keyring"), "the keyring")
    try:
        data = read_private(home.vault_key)
    except FileNotFoundError:
        return None
    return Key(_read(data.decode("ascii", "replace"), str(home.vault_key)), str(home.vault_key))


def find_or_make_key(home: Home) -> Key:
    """Find the key, or make one at random and keep it. Raises UsageError."""
    found = find_key(home)
    if found is not None:
        return found
    secret = os.urandom(_KEY_BYTES)
    text = base64.b64encode(secret).decode("ascii")
    if (ring := _keyring()) is not None:
        with contextlib.suppress(Exception):  # whatever a keyring's backend does, the file is there
            ring.set_password(_SERVICE, str(home.root), text)
            return Key(secret, "the keyring")
    write_private(home.vault_key, f"{text}\n".encode("ascii"), replace=False)
    return Key(secret, str(home.vault_key))


def _from_variable(text: str) -> Key:
    with contextlib.suppress(UsageError):
        return Key(_read(text, VARIABLE), VARIABLE)
    if len(text) < _SHORTEST_PASSPHRASE:
        raise UsageError(f"{VARIABLE} is shorter than {_SHORTEST_PASSPHRASE} characters")
    return Key(text.encode("utf-8", "surrogateescape"), VARIABLE, is_passphrase=True)


def _read(text: str, source: str) -> bytes:
    """Read a key as it is kept. Raises UsageError."""
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        secret = b""
    if len(secret) != _KEY_BYTES:
        raise UsageError(f"what {source} holds is not the key to a vault", hint="was it cut off? put back a copy of it")
    return secret


def _from_keyring(home: Home) -> str | None:
    ring = _keyring()
    if ring is None:
        return None
    try:
        kept: str | None = ring.get_password(_SERVICE, str(home.root))
    except Exception as error:  # backends raise what they like
        raise UsageError(f"the system's keyring cannot be asked: {error}", hint=f"set {VARIABLE} instead") from error
    return kept


def _keyring() -> Any:
    """Return the keyring package; None where it is not installed or has nowhere to keep anything."""
    try:
        ring = importlib.import_module("keyring")
    except ImportError:
        return None
    return ring if getattr(ring.get_keyring(), "priority", 0) > 0 else None
