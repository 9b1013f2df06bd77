"""The vaults that one session was given: what its sandbox sees of them, and what goes out in its place.

A sandbox sees placeholders: random letters and digits, the same ones for as long as the session
lives, on whatever day it is taken up again. A vault's file is read again when it has changed, so a new
secret is used by the next request of a session that runs, and one that was removed by none.
"""

import hashlib
import string
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agentctl.errors import NotFoundError
from agentctl.paths import Home
from agentctl.redaction import Redactor
from agentctl.vault.credentials import EnvironmentVariable
from agentctl.vault.store import Vault, open_vault, path_of

_LETTERS = string.ascii_letters
_ALPHABET = string.ascii_letters + string.digits
_MOST_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Swap:
    """A placeholder, the secret that takes its place, and where. ``hosts`` is None for every host."""

    name: str
    placeholder: str
    secret: str = field(repr=False)
    hosts: tuple[str, ...] | None
    in_header: bool
    in_body: bool


class Credentials:
    """The credentials of one session. Safe to be asked from any thread."""

    def __init__(
        self, home: Home, names: Sequence[str], session_id: str, redactor: Redactor, *, is_resumed: bool = False
    ) -> None:
        """Open the vaults; the redactor learns what is in them, now and later.

        Raises UsageError, and NotFoundError for one that is not there; of a session that is taken up
        again it may have been removed meanwhile.
        """
        self._home = home
        self._session_id = session_id
        self._redactor = redactor
        self._lock = threading.Lock()
        self._stamps = {name: self._stamp(name) for name in dict.fromkeys(names)}
        is_left = {name: not is_resumed or stamp is not None for name, stamp in self._stamps.items()}
        self._vaults = {name: open_vault(home, name) for name in self._stamps if is_left[name]}
        self._learn()
        self.placeholders: Mapping[str, str] = {
            name: _placeholder(vault.seed, session_id, name, length)
            for name, (vault, _, length) in self._first_of_each().items()
        }
        self.authority_seed = self._seed_for_authority()

    def swaps(self) -> tuple[Swap, ...]:
        """Return what is to be put in place of what, as the vaults are now. Raises UsageError."""
        with self._lock:
            self._read_again()
            found = self._first_of_each()
            return tuple(
                Swap(name, placeholder, auth.secret_value, auth.hosts, auth.in_header, auth.in_body)
                for name, placeholder in self.placeholders.items()
                if name in found
                for _, auth, _ in [found[name]]
            )

    def secrets(self) -> tuple[tuple[str, str], ...]:
        """Return every secret of these vaults with its name, former ones too."""
        with self._lock:
            return tuple(pair for vault in self._vaults.values() for pair in vault.secrets)

    def _read_again(self) -> None:
        for name, former in self._stamps.items():
            stamp = self._stamp(name)
            if stamp == former:
                continue
            try:
                self._vaults[name] = open_vault(self._home, name)
            except NotFoundError:
                self._vaults.pop(name, None)
            self._stamps[name] = stamp
            self._learn()

    def _stamp(self, name: str) -> tuple[int, int, int] | None:
        try:
            status = path_of(self._home, name).lstat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _learn(self) -> None:
        self._redactor.learn({value: name for vault in self._vaults.values() for name, value in vault.secrets})

    def _first_of_each(self) -> dict[str, tuple[Vault, EnvironmentVariable, int]]:
        """Return the credential of each variable: that of the first vault that has one."""
        found: dict[str, tuple[Vault, EnvironmentVariable, int]] = {}
        for vault in (self._vaults[name] for name in self._stamps if name in self._vaults):
            for credential in vault.credentials:
                if isinstance(credential.auth, EnvironmentVariable):
                    found.setdefault(credential.auth.secret_name, (vault, credential.auth, credential.length))
        return found

    def _seed_for_authority(self) -> bytes:
        seeds = b"".join(vault.seed for vault in self._vaults.values())
        return _derived(seeds, self._session_id, "certificate authority", 48)


def _placeholder(seed: bytes, session_id: str, name: str, length: int) -> str:
    first, *rest = _derived(seed, session_id, f"placeholder {name}", min(length, _MOST_LENGTH))
    return _LETTERS[first % len(_LETTERS)] + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in rest)


def _derived(seed: bytes, session_id: str, purpose: str, length: int) -> bytes:
    text = f"{session_id}\n{purpose}".encode()
    return hashlib.shake_256(len(seed).to_bytes(4, "big") + seed + text).digest(length)
