"""How an event is stored: canonical JSON, with its strings of 64 KiB and more taken out of it.

What was taken out is a JSON object of JSON Pointers (RFC 6901) to the SHA-256 of each string in UTF-8,
or an empty text. The hash of an event is ``sha256(hash of the one before ‖ body ‖ what was taken out)``.
"""

import json
from collections.abc import Callable, Iterator

from agentctl.canonical import JsonObject, canonical_json, sha256_hex

_LARGE_BYTES = 64 * 1024
_FEWEST_CHARACTERS = _LARGE_BYTES // 4  # none takes more than four bytes


def chained(former: str, body: object, taken: object) -> str:
    """Return the hash of an event, from that of the one before it and from what is stored of it."""
    return sha256_hex(f"{former}{body}{taken}")


def detached(body: JsonObject, keep: Callable[[bytes], str]) -> tuple[str, str]:
    """Return what is stored of an event; ``keep`` takes a large string and returns its SHA-256."""
    text = canonical_json(body)
    if len(text) < _FEWEST_CHARACTERS:
        return text, ""
    taken: dict[str, str] = {}
    small = _without_large(body, "", taken, keep)
    return (canonical_json(small), canonical_json(taken)) if taken else (text, "")


def put_back(body: JsonObject, taken: str, find: Callable[[str], bytes]) -> None:
    """Put the large strings of an event back into it; ``find`` returns one by its SHA-256.

    Raises ValueError, KeyError, IndexError, TypeError or AttributeError where they do not fit.
    """
    for pointer, digest in json.loads(taken).items():
        _put_back(body, pointer, find(digest).decode("utf-8"))


def taken_out(taken: str) -> Iterator[str]:
    """Yield the SHA-256 of each string that was taken out."""
    yield from (json.loads(taken) if taken else {}).values()


def _without_large(value: object, pointer: str, taken: dict[str, str], keep: Callable[[bytes], str]) -> object:
    if isinstance(value, str):
        if len(value) < _FEWEST_CHARACTERS or not _is_large(value):
            return value
        taken[pointer] = keep(value.encode("utf-8"))
        return ""
    if isinstance(value, dict):
        return {name: _without_large(item, f"{pointer}/{_escaped(name)}", taken, keep) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_large(item, f"{pointer}/{index}", taken, keep) for index, item in enumerate(value)]
    return value


def _is_large(text: str) -> bool:
    try:
        return len(text.encode("utf-8")) >= _LARGE_BYTES
    except UnicodeEncodeError:  # a lone surrogate cannot be a blob's bytes; it stays in the row, escaped
        return False


def _put_back(value: JsonObject, pointer: str, text: str) -> None:
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    place: object = value
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]  # type: ignore[index]
    if isinstance(place, list):
        place[int(last)] = text
    else:
        place[last] = text  # type: ignore[index]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
