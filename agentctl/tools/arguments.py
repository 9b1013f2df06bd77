"""Are a call's arguments what the tool takes?

A check of the part of JSON Schema that tool definitions here use: types, required members, unknown
members, enumerations, and items of arrays. What it does not know it lets pass, and so it does with what is
no schema (that of a custom tool is whatever its author wrote): the tool, or whoever answers a custom tool, has
the last word.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from agentctl.canonical import JsonObject

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
    "null": type(None),
}


def problems(schema: JsonObject, value: object, place: str = "input") -> list[str]:
    """List what is wrong with ``value`` under ``schema``, each in words that the model can act on."""
    return list(_problems(schema, value, place))


def _problems(schema: object, value: object, place: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        return  # true, which everything fits, or no schema at all
    names = [name for name in _listed(schema.get("type")) if isinstance(name, str)]
    if names and not any(_is(name, value) for name in names):
        yield f"{place} must be {_article(' or '.join(names))}, not {_article(_name_of(value))}"
        return
    choices = schema.get("enum")
    if isinstance(choices, list) and value not in choices:
        yield f"{place} must be one of {', '.join(map(repr, choices))}"
    if isinstance(value, dict):
        yield from _object_problems(schema, value, place)
    elif isinstance(value, list):
        yield from _array_problems(schema, value, place)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        least = schema.get("minimum")
        if isinstance(least, int | float) and value < least:
            yield f"{place} must be at least {least}"


def _object_problems(schema: JsonObject, value: JsonObject, place: str) -> Iterator[str]:
    required = [name for name in _listed(schema.get("required")) if isinstance(name, str)]
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    for name in required:
        if name not in value:
            yield f"{place} lacks {name!r}"
    for name, item in value.items():
        if item is None and name not in required:
            continue  # models write null for "not given"
        if name in properties:
            yield from _problems(properties[name], item, f"{place}.{name}")
        elif schema.get("additionalProperties") is False:
            near = get_close_matches(name, properties, n=1)
            yield f"{place} has no member {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _array_problems(schema: JsonObject, value: list[object], place: str) -> Iterator[str]:
    fewest, most = schema.get("minItems"), schema.get("maxItems")
    if isinstance(fewest, int) and fewest == most != len(value):
        yield f"{place} must have {fewest} items, not {len(value)}"
    elif isinstance(fewest, int) and len(value) < fewest:
        yield f"{place} must have at least {fewest} items, not {len(value)}"
    elif isinstance(most, int) and len(value) > most:
        yield f"{place} must have at most {most} items, not {len(value)}"
    for index, item in enumerate(value):
        yield from _problems(schema.get("items"), item, f"{place}[{index}]")


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _is(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES.get(name, object))


def _name_of(value: object) -> str:
    return next((name for name in _TYPES if _is(name, value)), "value")


def _article(name: str) -> str:
    return ("an " if name[0] in "aeio" else "a ") + name
