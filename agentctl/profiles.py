"""What is secret in the profiles of Anthropic's own tools (``ant auth login``): the SDK uses one where no key is given.

Theirs is the layout: ``credentials/*.json`` in the folder of the configuration, or where ``configs/*.json`` says; a
federated identity is a file too. Which one will be used is the SDK's to know, so all of them are read.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MOST_BYTES = 1 << 20
_PLAIN = ("type", "version", "expires_at", "expires_in", "token_type", "scope")
"""Members of a file of credentials that are no secrets (``anthropic.lib.credentials``); every other text is one."""


def profile_secrets() -> dict[str, str]:
    """Return every secret of every profile, with its name. What cannot be read is left out."""
    folder = _folder()
    configs = [_read_json(path) for path in _files(folder / "configs")]
    elsewhere = [Path(path) for config in configs for path in _texts(config, "credentials_path")]
    found = dict[str, str]()
    for path in [*_files(folder / "credentials"), *elsewhere]:
        body = _read_json(path)
        for name, value in body.items() if isinstance(body, dict) else ():
            if isinstance(value, str) and name not in _PLAIN:
                found[value] = f"ANTHROPIC_{re.sub(r'[^A-Z0-9_]', '_', name.upper())}"
    identities = [path for config in configs for path in _texts(config, "path")]
    for identity in filter(None, [os.environ.get("ANTHROPIC_IDENTITY_TOKEN_FILE"), *identities]):
        if token := _read(Path(identity)).strip():
            found[token] = "ANTHROPIC_IDENTITY_TOKEN"
    return found


def _folder() -> Path:
    given = os.environ.get("ANTHROPIC_CONFIG_DIR")
    return Path(given or os.path.expanduser("~/.config/anthropic"))  # noqa: PTH111 - it raises nothing


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        path = path.expanduser()
        if not path.is_file():
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_BYTES)
    except (OSError, ValueError, RuntimeError):
        return ""


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except (ValueError, RecursionError):
        return None


def _texts(body: Any, name: str) -> Iterator[str]:
    """Yield the texts of that name that a configuration has under ``authentication``, at any depth."""
    if isinstance(body, dict):
        for key, value in body.items():
            if key == name and isinstance(value, str):
                yield value
            elif key in ("authentication", "identity_token"):
                yield from _texts(value, name)
