"""Encryption of a vault's file: AES-256-GCM, under a key made anew for each writing.

A sealed file is a line of header and a line of ciphertext. The header says the version, the salt
and the nonce, and by what the right key is known; it is authenticated along with the vault's name, so
neither can a file take another's place nor can a part of it be changed.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agentctl.errors import UsageError

_VERSION = "agentctl-vault/1"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Key:
    """What opens vaults. ``is_passphrase`` says that a person made it up; ``source`` where it was found."""

    secret: bytes = field(repr=False)
    source: str
    is_passphrase: bool = False


def seal(plain: bytes, name: str, key: Key) -> bytes:
    """Encrypt the contents of the vault of that name."""
    salt, nonce = os.urandom(16), os.urandom(12)
    derived = _derived(key, salt)
    head = " ".join([_VERSION, salt.hex(), nonce.hex(), _mark(derived)])
    sealed = AESGCM(derived).encrypt(nonce, plain, _bound(head, name))
    return f"{head}\n{base64.b64encode(sealed).decode('ascii')}\n".encode("ascii")


def unseal(data: bytes, name: str, key: Key) -> bytes:
    """Decrypt the contents of the vault of that name.

    Raises UsageError for another key's vault, and for one that was cut off or changed.
    """
    try:
        head, body, end = data.decode("ascii").split("\n")
        version, salt, nonce, mark = head.split(" ")
        derived = _derived(key, bytes.fromhex(salt))
        sealed = base64.b64decode(body, validate=True)
        nonce_bytes = bytes.fromhex(nonce)
    except ValueError:
        raise _damaged(name) from None
    if version != _VERSION or end or len(nonce_bytes) != 12:
        raise _damaged(name)
    if not hmac.compare_digest(mark, _mark(derived)):
        raise UsageError(f"vault {name}: the key of {key.source} is not the one it was locked with")
    try:
        return AESGCM(derived).decrypt(nonce_bytes, sealed, _bound(head, name))
    except InvalidTag:
        raise _damaged(name) from None


def _damaged(name: str) -> UsageError:
    return UsageError(
        f"vault {name} is damaged: it was cut off or changed, or written by a newer agentctl",
        hint="put back a copy of its file, or remove it and enter its secrets again",
    )


def _bound(head: str, name: str) -> bytes:
    return f"{head}\n{name}".encode()


def _mark(derived: bytes) -> str:
    return hmac.new(derived, b"agentctl vault mark", hashlib.sha256).hexdigest()[:16]


def _derived(key: Key, salt: bytes) -> bytes:
    if key.is_passphrase:
        return hashlib.scrypt(key.secret, salt=salt, n=1 << 15, r=8, p=1, maxmem=64 << 20, dklen=_KEY_BYTES)
    return hmac.new(key.secret, b"agentctl vault" + salt, hashlib.sha256).digest()
