"""Kinds of value that more than one definition uses, and the class that all of them extend."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from agentctl.canonical import JsonObject, hash_of
from agentctl.definitions.amounts import DURATION, SIZE, parse_duration, parse_size

Item = TypeVar("Item")

LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
"""One part of the name of a host (RFC 1123, 2.1)."""


class Definition(BaseModel):
    """A part of a definition: never changed, no unknown keys, no value of one type taken for another."""

    # Built together with the model that holds it, or when it is first used: importing costs half.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True, allow_inf_nan=False)


def wrong(what: str, *at: str | int) -> PydanticCustomError:
    """Make the error of a validator: ``what`` is wrong with the value, or with the part ``at`` of it."""
    return PydanticCustomError("definition", "{what}", {"what": what, "at": at})


def refuse_twice(field: str, names: Sequence[str]) -> None:
    """Refuse a name that two entries of ``field`` have."""
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            raise wrong("is there twice", field, number, "name")
        seen.add(name)


def snapshot(definition: Definition) -> JsonObject:
    """Write a definition as plain JSON: validated, normalised, defaults filled in, nulls left out.

    Loading it gives the same definition again.
    """
    return definition.model_dump(mode="json", exclude_none=True)


def definition_hash(definition: Definition) -> str:
    """Name a definition by what it says, not by how it was written: ``sha256:…``."""
    return hash_of(snapshot(definition))


@dataclass(frozen=True, slots=True)
class NullMeans:
    """Marks a field in which null stands for ``value``, as it does in the hosted API."""

    value: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._filled, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonObject:
        return {"anyOf": [handler(schema), {"type": "null"}]}

    def _filled(self, value: object) -> object:
        return self.value if value is None else value


@dataclass(frozen=True, slots=True)
class Shape:
    """Marks a text that has to match ``pattern`` from end to end; ``must`` says so in words."""

    pattern: str
    must: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonObject:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}

    def _checked(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise PydanticCustomError("shape", "{must}", {"must": self.must})
        return text


@dataclass(frozen=True, slots=True)
class OnlySuchKeys:
    """Marks a mapping whose keys have a shape: pydantic forgets to tell JSON Schema that others are refused."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonObject:
        return {**handler(schema), "additionalProperties": False}


# A list is not a tuple to a strict model, so this one step is lax; what is in it stays strict.
Items: TypeAlias = Annotated[tuple[Item, ...], Field(strict=False), NullMeans(())]

Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=256)]

ModelId: TypeAlias = Annotated[str, Shape("[!-~]{1,256}", "must be a model's id, such as claude-opus-5-5")]

Metadata: TypeAlias = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=64)],
        Annotated[str, Field(max_length=512)],
    ],
    Field(max_length=16),
    NullMeans({}),
]


# --- sizes and durations ---

SMALLEST_SIZE = 6 * 1024**2
LARGEST_SIZE = 2**63 - 1
LONGEST_SECONDS = 366 * 24 * 3600


def _size(value: object) -> object:
    size = parse_size(value) if isinstance(value, str) else value
    if isinstance(size, int) and not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise ValueError("must be at least 6m" if size < SMALLEST_SIZE else "is larger than any machine")
    return size


def _duration(value: object) -> object:
    seconds = parse_duration(value) if isinstance(value, str) else value
    if isinstance(seconds, int | float) and not 0 < seconds <= LONGEST_SECONDS:
        raise ValueError("must be longer than nothing" if seconds <= 0 else "must be at most 366 days")
    return seconds


Size: TypeAlias = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": SMALLEST_SIZE, "maximum": LARGEST_SIZE},
                {"type": "string", "pattern": f"^(?:{SIZE})$"},
            ]
        }
    ),
]
"""Bytes; written as a number of them or as a size."""

Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_SECONDS},
                {"type": "string", "pattern": f"^(?:{DURATION})$"},
            ]
        }
    ),
]
"""Seconds; written as a number of them or as a duration."""


# --- short forms ---


def spelled_out(value: object, **form: object) -> object:
    """Turn the short form of an object, a text, into the object.

    ``form`` is the object; the text becomes the value of the key that has None there. An object
    stays what it is. Raises PydanticCustomError for what is neither.
    """
    if isinstance(value, str):
        return {key: value if given is None else given for key, given in form.items()}
    if isinstance(value, dict | Definition):
        return value
    raise PydanticCustomError("shape", "must be text, or keys and values")
