"""Folds as JSON and back, so that one can be taken up where it was left.

Every attribute of a fold is written, by the name of its class, and read into an object of that class
without a call of its constructor. Only the classes named here can come out of it.
"""

import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from agentctl import __version__
from agentctl.canonical import JsonObject
from agentctl.catalog import Prices
from agentctl.events.base import Event
from agentctl.events.codec import decode, encode
from agentctl.session.completeness import Aspect, Completeness, Gap
from agentctl.session.egress import EgressSums, HostSum
from agentctl.session.filesums import FileSums
from agentctl.session.glance import Checkpoints, Glance, ModelSum
from agentctl.session.result import Result
from agentctl.session.state import OpenCall, SessionState
from agentctl.session.summary import Summary, ToolSum
from agentctl.session.timing import Timing
from agentctl.session.usage import Usage

_CLASSES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Aspect,
        Checkpoints,
        Completeness,
        EgressSums,
        FileSums,
        Gap,
        Glance,
        HostSum,
        ModelSum,
        OpenCall,
        Prices,
        Result,
        SessionState,
        Summary,
        Timing,
        ToolSum,
        Usage,
    )
}


_KEPT_AS = "a sum and a seal, then JSON"
"""How a fold is kept; another number comes of another way."""


@cache
def fold_version() -> int:
    """Return a number that is another one for every agentctl, and whenever a fold has other attributes."""
    shapes = sorted(f"{name} {' '.join(_names(kind))}" for name, kind in _CLASSES.items())
    return zlib.crc32("\n".join([__version__, _KEPT_AS, *shapes]).encode())


def frozen(value: object) -> Any:
    """Write a value as JSON. Raises TypeError for one of a class that is not known here."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [frozen(item) for item in value]
        case tuple():
            return {"$tuple": [frozen(item) for item in value]}
        case set():
            return {"$set": sorted(frozen(item) for item in value)}
        case Decimal():
            return {"$decimal": str(value)}
        case datetime():
            return {"$time": value.isoformat()}
        case Event():
            return {"$event": encode(value)}
        case Mapping():
            return _frozen_mapping(value)
        case _ if type(value).__name__ in _CLASSES:
            members = {name: frozen(getattr(value, name)) for name in _names_in(value)}
            return {"$of": type(value).__name__, **members}
        case _:
            raise TypeError(f"{type(value).__name__} is no part of a fold")


def thawed(body: Any) -> Any:
    """Read a value. Raises KeyError, TypeError, ValueError, AttributeError or ArithmeticError for what is none."""
    match body:
        case list():
            return [thawed(item) for item in body]
        case {"$tuple": items}:
            return tuple(thawed(item) for item in items)
        case {"$set": items}:
            return {thawed(item) for item in items}
        case {"$decimal": text}:
            return Decimal(text)
        case {"$time": text}:
            return datetime.fromisoformat(text)
        case {"$event": event}:
            return decode(event)
        case {"$pairs": pairs}:
            return {thawed(key): thawed(item) for key, item in pairs}
        case {"$of": str(name), **members}:
            return _thawed_object(_CLASSES[name], {str(key): item for key, item in members.items()})
        case dict():
            return {name: thawed(item) for name, item in body.items()}
        case _:
            return body


def _frozen_mapping(value: Mapping[Any, object]) -> JsonObject:
    if all(isinstance(name, str) and not name.startswith("$") for name in value):
        return {name: frozen(item) for name, item in value.items()}
    return {"$pairs": [[frozen(name), frozen(item)] for name, item in value.items()]}


def _thawed_object(kind: type[Any], members: JsonObject) -> Any:
    made = object.__new__(kind)
    for name, item in members.items():
        object.__setattr__(made, name, thawed(item))  # past the guard of frozen ones
    return made


def _names_in(value: object) -> list[str]:
    return [item.name for item in fields(value)] if is_dataclass(value) else list(vars(value))


def _names(kind: type[Any]) -> list[str]:
    return [item.name for item in fields(kind)] if is_dataclass(kind) else sorted(vars(kind()))
