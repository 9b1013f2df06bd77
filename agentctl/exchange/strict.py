"""JSON from anybody: one reading of it, and bounds on what reading it may take."""

import json
import math
from typing import Any, NoReturn

from agentctl.canonical import JsonObject
from agentctl.errors import UsageError

DEEPEST = 256
"""How many objects and lists may lie inside each other."""

MOST_DIGITS = 4_300
"""Digits of a number; Python itself reads no longer ones."""

LONGEST_LINE = 64 << 20
"""Bytes of one line of JSON."""


def read_object(text: str | bytes) -> JsonObject:
    """Read one JSON object. Raises UsageError for anything else, for keys that come twice, and beyond the bounds."""
    value = read_value(text)
    if not isinstance(value, dict):
        raise UsageError("it is JSON, but no object")
    return value


def read_value(text: str | bytes) -> Any:
    """Read one JSON value, as ``read_object`` does."""
    if len(text) > LONGEST_LINE:
        raise UsageError(f"it is longer than {LONGEST_LINE >> 20} MiB")
    try:
        value = _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError as error:
        raise UsageError(f"it is not UTF-8 (byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        raise UsageError(
            f"it is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]} (column {error.colno})"
        ) from None
    except ValueError as error:
        raise UsageError(f"it is not valid JSON: {error}") from None
    _refuse_depth(value)
    return value


def _members(pairs: list[tuple[str, Any]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r:.80} comes twice")
    return members


def _whole_number(text: str) -> int:
    if len(text.lstrip("-")) > MOST_DIGITS:
        raise ValueError(f"a number has more than {MOST_DIGITS:,} digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _unwanted(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number that JSON has")


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    if any(isinstance(each, dict | list) for each in level):
        raise _too_deep()


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return [each for each in value.values() if isinstance(each, dict | list)]
    return [each for each in value if isinstance(each, dict | list)] if isinstance(value, list) else ()


def _too_deep() -> UsageError:
    return UsageError(f"it is nested deeper than {DEEPEST} levels")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_whole_number, parse_float=_number, parse_constant=_unwanted
)
