"""JSON values, and the one way in which they are written when their bytes matter.

Canonical JSON here: keys sorted, no spaces, no NaN and no infinity, UTF-8 as it is; a value that
holds a lone surrogate (which UTF-8 cannot carry) is written in ASCII escapes instead. Equal values
give equal bytes on every machine, so hashes of them can be compared.
"""

import hashlib
import json
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]

# Made once: every event is written, and hashed, and making an encoder takes as long as using it.
_EXACT = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_CANONICAL_IN_ASCII = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: object) -> str:
    """Write ``value`` canonically. Raises ValueError for NaN and infinities, TypeError for what is not JSON."""
    text = _CANONICAL.encode(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _CANONICAL_IN_ASCII.encode(value)
    return text


def sorted_keys(value: Any) -> Any:
    """Return a JSON value with the keys of every object in canonical order, as it is after being stored."""
    match value:
        case dict():
            return {name: sorted_keys(value[name]) for name in sorted(value)}
        case list():
            return [sorted_keys(item) for item in value]
        case _:
            return value


def exact_json(value: object) -> str:
    """Write ``value`` compactly with its keys in the order they have, as model messages must keep them."""
    return _EXACT.encode(value)


def sha256_hex(data: str | bytes) -> str:
    """Return the SHA-256 of ``data`` (text as UTF-8) as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data.encode("utf-8") if isinstance(data, str) else data).hexdigest()


def hash_of(value: object) -> str:
    """Name a JSON value by its content: ``sha256:`` and the hash of its canonical form."""
    return "sha256:" + sha256_hex(canonical_json(value))
