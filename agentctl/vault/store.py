"""Vaults on disk: one encrypted file each, replaced whole, written by one process at a time.

What was replaced or removed stays in the file, encrypted: it is never used again, but it may still
turn up in what a program prints, and is to be found there.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from agentctl.canonical import JsonObject, canonical_json
from agentctl.errors import NotFoundError, StoreError, UsageError
from agentctl.ids import Clock, new_id, timestamp
from agentctl.paths import Home
from agentctl.private import read_private, write_private
from agentctl.vault.credentials import (
    MOST_CREDENTIALS,
    EnvironmentVariable,
    McpOauth,
    StaticBearer,
    read_auth,
    refuse_weak,
)
from agentctl.vault.keys import find_key, find_or_make_key
from agentctl.vault.sealing import Key, seal, unseal

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_REMOVED = ".removed"
_SUFFIX = ".vault"
_MOST_RETIRED = 500
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential of a vault. ``length`` is how long its placeholder is, whatever the secret becomes."""

    id: str
    auth: EnvironmentVariable | StaticBearer | McpOauth
    length: int
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault as it is on disk. ``seed`` is what placeholders are made from; ``retired`` are former secrets."""

    name: str
    created_at: str
    seed: bytes = field(repr=False)
    credentials: tuple[Credential, ...] = ()
    retired: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def secrets(self) -> Iterator[tuple[str, str]]:
        """Every secret by its name, former ones last."""
        for credential in self.credentials:
            yield from credential.auth.secrets.items()
        yield from self.retired

    def credential(self, key: str) -> Credential:
        """Return the credential of a variable or a server. Raises NotFoundError."""
        for credential in self.credentials:
            if credential.auth.key == key:
                return credential
        raise NotFoundError(f"vault {self.name} has no {key}", hint=f"see: agentctl vault ls {self.name}")


def vault_names(home: Home) -> list[str]:
    """Return the names of the vaults there are, sorted."""
    try:
        found = sorted(home.vaults.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path.name.removesuffix(_SUFFIX) for path in found if _NAME.fullmatch(path.stem) and path.suffix == _SUFFIX]


def open_vault(home: Home, name: str) -> Vault:
    """Read a vault. Raises NotFoundError, and UsageError where its file or its key is not as it must be."""
    data = _read(home, name)
    key = find_key(home)
    if key is None:
        raise UsageError(f"vault {name} is locked, and there is no key: {home.vault_key} is missing")
    return _from_json(name, unseal(data, name, key))


def create_vault(home: Home, name: str, clock: Clock) -> Vault:
    """Make an empty vault, and a key where there is none. Raises UsageError, also where it is there."""
    if not _NAME.fullmatch(name):
        raise UsageError("a vault's name is 1 to 64 of a-z, 0-9, - and _, the first a letter or a digit")
    with _locked(home):
        if path_of(home, name).exists():
            raise UsageError(f"there is a vault {name} already", hint=f"see: agentctl vault ls {name}")
        key = _key_for(home)
        return _write(home, Vault(name, timestamp(clock.now()), os.urandom(32)), key)


def add_credential(home: Home, name: str, body: JsonObject, clock: Clock) -> Credential:
    """Add a credential, given as the API's ``auth``. Raises UsageError, NotFoundError."""
    auth, now = read_auth(body), timestamp(clock.now())
    refuse_weak(auth)

    def add(vault: Vault) -> Vault:
        if any(credential.auth.key == auth.key for credential in vault.credentials):
            raise UsageError(
                f"vault {name} has {auth.key} already", hint=f"a new secret: agentctl vault rotate {name} {auth.key}"
            )
        if len(vault.credentials) >= MOST_CREDENTIALS:
            raise UsageError(f"vault {name} is full: it holds {MOST_CREDENTIALS} credentials")
        length = len(next(iter(auth.secrets.values())))
        added = Credential(new_id("vcrd_", clock), auth, length, now, now)
        return replace(vault, credentials=(*vault.credentials, added))

    return _change(home, name, add).credentials[-1]


def rotate_credential(home: Home, name: str, key: str, secret: str, clock: Clock) -> Credential:
    """Give a credential a new secret. Raises UsageError, NotFoundError."""

    def rotate(vault: Vault) -> Vault:
        former = vault.credential(key)
        auth = read_auth(former.auth.model_dump(exclude_none=True) | {_SECRET_OF[former.auth.type]: secret})
        refuse_weak(auth)
        new = replace(former, auth=auth, updated_at=timestamp(clock.now()))
        kept = tuple(new if credential is former else credential for credential in vault.credentials)
        gone = {item for item in former.auth.secrets.items() if item[1] not in auth.secrets.values()}
        return replace(vault, credentials=kept, retired=(*vault.retired, *sorted(gone)))

    return _change(home, name, rotate).credential(key)


def remove_credential(home: Home, name: str, key: str) -> None:
    """Take a credential out of a vault. Raises UsageError, NotFoundError."""

    def remove(vault: Vault) -> Vault:
        former = vault.credential(key)
        kept = tuple(credential for credential in vault.credentials if credential is not former)
        return replace(vault, credentials=kept, retired=(*vault.retired, *former.auth.secrets.items()))

    _change(home, name, remove)


def remove_vault(home: Home, name: str, clock: Clock, *, forget: bool = False) -> None:
    """Remove a vault. Its secrets are kept to be found in text, unless ``forget``. Raises UsageError, NotFoundError."""
    with _locked(home):
        if not forget:
            key, gone = _key_for(home), open_vault(home, name)
            grave = _removed(home) or Vault(_REMOVED, timestamp(clock.now()), os.urandom(32))
            _write(home, replace(grave, retired=(*grave.retired, *gone.secrets)), key)
        try:
            path_of(home, name).unlink()
        except FileNotFoundError:
            raise _missing(name) from None
        except OSError as error:
            raise UsageError(f"cannot remove {path_of(home, name)}: {error.strerror}") from error


def all_secrets(home: Home) -> dict[str, str]:
    """Return every secret of every vault that can be opened, with its name; of what cannot be opened, nothing."""
    found: dict[str, str] = {}
    for name in (*vault_names(home), _REMOVED):
        with contextlib.suppress(UsageError):
            found = {value: secret for secret, value in open_vault(home, name).secrets} | found
    return found


def path_of(home: Home, name: str) -> Path:
    """Say where a vault's file is."""
    return home.vaults / f"{name}{_SUFFIX}"


_SECRET_OF = {"environment_variable": "secret_value", "static_bearer": "token", "mcp_oauth": "access_token"}


def _change(home: Home, name: str, deed: Callable[[Vault], Vault]) -> Vault:
    with _locked(home):
        return _write(home, deed(open_vault(home, name)), _key_for(home))


def _key_for(home: Home) -> Key:
    """Return the key to write with. A new one is made only where nothing is locked with another."""
    if home.vaults.is_dir() and any(path.suffix == _SUFFIX for path in home.vaults.iterdir()):
        key = find_key(home)
        if key is None:
            raise UsageError(f"there are vaults, but no key to them: {home.vault_key} is missing")
        return key
    return find_or_make_key(home)


def _removed(home: Home) -> Vault | None:
    try:
        return open_vault(home, _REMOVED)
    except NotFoundError:
        return None


def _read(home: Home, name: str) -> bytes:
    if name != _REMOVED and not _NAME.fullmatch(name):
        raise _missing(name)
    try:
        return read_private(path_of(home, name))
    except FileNotFoundError:
        raise _missing(name) from None


def _missing(name: str) -> NotFoundError:
    return NotFoundError(f"there is no vault {name}", hint="see: agentctl vault ls")


def _write(home: Home, vault: Vault, key: Key) -> Vault:
    write_private(path_of(home, vault.name), seal(_as_json(vault).encode(), vault.name, key))
    return vault


def _as_json(vault: Vault) -> str:
    credentials = [
        {
            "id": each.id,
            "auth": each.auth.model_dump(exclude_none=True),
            "length": each.length,
            "created_at": each.created_at,
            "updated_at": each.updated_at,
        }
        for each in vault.credentials
    ]
    body = {"created_at": vault.created_at, "seed": vault.seed.hex(), "credentials": credentials}
    return canonical_json(body | {"retired": [list(pair) for pair in vault.retired[-_MOST_RETIRED:]]})


def _from_json(name: str, data: bytes) -> Vault:
    body = json.loads(data)
    credentials = tuple(Credential(**(each | {"auth": read_auth(each["auth"])})) for each in body["credentials"])
    retired = tuple((str(secret), str(value)) for secret, value in body["retired"])
    return Vault(name, body["created_at"], bytes.fromhex(body["seed"]), credentials, retired)


@contextlib.contextmanager
def _locked(home: Home) -> Iterator[None]:
    """Keep other writers waiting; readers never wait, since a file is replaced whole."""
    try:
        home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.vaults.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(home.vaults / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreError(f"cannot write to {home.vaults}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
