"""The JSON Schema of ``agentctl.diff/1``: what a script can rely on."""

from collections.abc import Mapping
from typing import Any

from agentctl.canonical import JsonObject
from agentctl.compare.difference import LAYERS
from agentctl.compare.metrics import NAMES
from agentctl.render.diff.body import SCHEMA

_TEXT = {"type": "string"}
_WHOLE = {"type": "integer", "minimum": 0}
_BOOLEAN = {"type": "boolean"}


def diff_schema() -> JsonObject:
    """Return the schema of what ``agentctl diff -o json`` prints of two sessions."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **_closed(
            {
                "type": {"const": "diff"},
                "schema": {"const": SCHEMA},
                "same": _BOOLEAN | {"description": "Whether nothing differs that counts"},
                "exit_code": {"enum": [0, 1]},
                "summary": _TEXT | {"description": "The likely cause, in a line"},
                "cause": _or_null(_TEXT) | {"description": "Why the first call that parts gave something else"},
                "a": _side(),
                "b": _side(),
                "packages": _closed({"a": _packages(), "b": _packages()}),
                "metrics": {"type": "array", "items": _metric()},
                "layers": {"type": "array", "items": _layer()},
                "first": _or_null(_first()),
                "failed": _or_null({"type": "array", "items": _closed({"demand": _TEXT, "why": _TEXT})}),
            }
        ),
    }


def _closed(members: Mapping[str, Any]) -> JsonObject:
    """Describe an object that has all of these members and, until a later version adds some, no others."""
    return {"type": "object", "required": list(members), "properties": dict(members), "additionalProperties": False}


def _or_null(schema: JsonObject) -> JsonObject:
    return {"anyOf": [schema, {"type": "null"}]}


def _side() -> JsonObject:
    names = ("session_id", "agent", "model", "environment", "stop_reason")
    return _closed({**{name: _or_null(_TEXT) for name in names}, "status": _TEXT, "events": _WHOLE, "calls": _WHOLE})


def _packages() -> JsonObject:
    return {"type": ["integer", "null"], "description": "How many packages its image has; null where it is not known"}


def _metric() -> JsonObject:
    amount = {"type": ["number", "string", "null"], "description": "Money as exact text; null where it is not known"}
    share = {"type": ["number", "null"], "description": "By which part of A it is more in B"}
    units = {"enum": ["USD", "s", ""]}
    return _closed({"name": {"enum": list(NAMES)}, "unit": units, "a": amount, "b": amount, "change": share})


def _layer() -> JsonObject:
    rules = {
        "type": "object",
        "additionalProperties": _WHOLE,
        "description": "How often each rule for noise was needed",
    }
    return _closed(
        {
            "name": {"enum": [name for name in LAYERS if name != "metrics"]},
            "differs": _BOOLEAN,
            "unknown": _BOOLEAN | {"description": "Whether a record has nothing of it, so that nothing was compared"},
            "compared": _WHOLE,
            "alike": _closed({"items": _WHOLE, "rules": rules}),
            "notes": {"type": "array", "items": _TEXT},
            "differences": {"type": "array", "items": _difference()},
        }
    )


def _difference() -> JsonObject:
    cause = _closed({"event": _WHOLE, "value": _TEXT})
    return _closed(
        {
            "kind": {"enum": ["changed", "only_a", "only_b"]},
            "what": _TEXT,
            "call": {"type": ["integer", "null"], "description": "The place in the calls of both sides, from 1"},
            "relation": {"enum": ["first", "consequence", "later", None]},
            "cause": _or_null(cause),
            "same_effects": _BOOLEAN,
            "a": _or_null(_place()),
            "b": _or_null(_place()),
        }
    )


def _place() -> JsonObject:
    pointer = {"type": "string", "pattern": "^(/.*)?$", "description": "A JSON Pointer inside the event"}
    event = {"type": ["integer", "null"], "description": "The number of the event"}
    return _closed({"event": event, "pointer": pointer, "value": {}, "cut": _BOOLEAN})


def _first() -> JsonObject:
    event = _closed({"event": _WHOLE, "type": _TEXT})
    side = _closed({"event": {"type": ["integer", "null"]}, "context": {"type": "array", "items": event}})
    return _closed({"layer": {"enum": list(LAYERS)}, "call": _WHOLE, "a": side, "b": side})
