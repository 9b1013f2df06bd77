"""The file that says what is checked.

::

    must_call: [read, {tool: bash, input: {command: "*pytest*"}}]
    must_not_call: [web_fetch, {tool: bash, input: {command: "*rm -rf*"}}]
    order: [read, edit, {tool: bash, input: {command: "*pytest*"}}]
    paths: {only: ["src/**", "tests/**"], never: ["**/.env"]}
    hosts: {only: ["*.example.com"], never: [tracker.example.net]}
    limits: {cost: "2.00", turns: 30, calls: 60, seconds: 10m, failed_calls: 3}
    stop_reason: end_turn
    text:
      - {contains: "March 2014"}
      - {where: any, lacks: "TODO"}
    no_secrets: true
    outputs: [report.md, "*.png"]

Each entry of a list is a check of its own.
"""

import re
from pathlib import Path
from typing import Annotated, Generic, Literal, Self, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic.json_schema import GenerateJsonSchema

from agentctl.canonical import JsonObject
from agentctl.definitions.fields import Definition, Duration, Items, Shape, spelled_out, wrong
from agentctl.definitions.problems import in_words
from agentctl.definitions.reading import read_yaml

_MOST = 200

Pattern: TypeAlias = Annotated[str, Field(min_length=1, max_length=1_000)]
Amount: TypeAlias = Annotated[
    str, Shape(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?", 'must be US dollars in quotes, such as "2.00"')
]

PathPattern: TypeAlias = Annotated[
    Pattern,
    Shape(
        r"(?!~)(?!(?:.*/)?\.{1,2}(?:/|$))(?!.*//).*[^/]",
        "would fit no file: written without ~, ., .. and a slash at the end; src/** is everything in src",
    ),
]
HostPattern: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=260),
    Shape(
        r"\*|(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|(?=.*:.*:)[0-9A-Fa-f:.]+",
        "must be a host, *.x for every host below x, or *: without scheme, port and path, in ASCII",
    ),
]
Named = TypeVar("Named")


class Call(Definition):
    """Calls of a tool, all of them or those with certain arguments."""

    tool: Pattern = Field(description="The tool's name; * stands for anything")
    input: dict[str, Pattern] = Field({}, description="Arguments and what they must be; * stands for anything")
    result: Pattern | None = Field(None, description="What the text of its result must be; * stands for anything")


class CountedCall(Call):
    """Calls of a tool, and how many there must be."""

    at_least: int | None = Field(None, ge=0, description="How often at least; once unless something is written")
    at_most: int | None = Field(None, ge=0, description="How often at most")

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.at_most is not None and (self.at_least or 0) > self.at_most:
            raise wrong(f"can never be: at least {self.at_least}, and at most {self.at_most}")
        return self


CallOrName: TypeAlias = Annotated[
    Call, BeforeValidator(lambda value: spelled_out(value, tool=None), json_schema_input_type=Pattern | Call)
]
CountedCallOrName: TypeAlias = Annotated[
    CountedCall,
    BeforeValidator(lambda value: spelled_out(value, tool=None), json_schema_input_type=Pattern | CountedCall),
]


class Allowed(Definition, Generic[Named]):
    """What may be, and what may not."""

    only: Annotated[tuple[Named, ...], Field(strict=False)] | None = Field(
        None, max_length=_MOST, description="Nothing but these"
    )
    never: Items[Named] = Field((), max_length=_MOST, description="None of these")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.only is None and not self.never:
            raise wrong("must say what may be (only), or what may not (never)")
        return self


class Limits(Definition):
    """What may be used at most."""

    cost: Amount | None = Field(None, description='US dollars, in quotes: "2.00"')
    turns: int | None = Field(None, ge=0, description="Requests to the model")
    calls: int | None = Field(None, ge=0, description="Calls of tools")
    failed_calls: int | None = Field(None, ge=0, description="Calls that failed")
    seconds: Duration | None = Field(None, description="The time that the session was at work")
    input_tokens: int | None = Field(None, ge=0, description="Tokens that the model read, from the cache or not")
    output_tokens: int | None = Field(None, ge=0, description="Tokens that the model wrote")


class Text(Definition):
    """What the agent must have said, or must not."""

    where: Literal["final", "any"] = Field("final", description="In its last message, or in any")
    contains: Pattern | None = Field(None, description="A text that must be in it")
    lacks: Pattern | None = Field(None, description="A text that must not be in it")
    matches: Pattern | None = Field(None, description="A regular expression that must match somewhere in it")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if sum(each is not None for each in (self.contains, self.lacks, self.matches)) != 1:
            raise wrong("must say one of contains, lacks and matches")
        try:
            re.compile(self.matches or "")
        except (re.error, OverflowError, RecursionError) as error:
            raise wrong(f"is no regular expression: {error}", "matches") from None
        return self


class Checks(Definition):
    """What a session is checked for."""

    description: str | None = Field(None, max_length=2_048, description="What this is for")
    must_call: Items[CountedCallOrName] = Field((), max_length=_MOST, description="Calls that there must be")
    must_not_call: Items[CallOrName] = Field((), max_length=_MOST, description="Calls that there must not be")
    order: Items[CallOrName] = Field((), max_length=_MOST, description="Calls that there must be, in this order")
    paths: Allowed[PathPattern] | None = Field(None, description="Files that may be written; ** stands for folders too")
    hosts: Allowed[HostPattern] | None = Field(None, description="Hosts that may be contacted; *.x is all below x")
    limits: Limits | None = Field(None, description="What may be used at most")
    status: Literal["idle", "running", "rescheduling", "terminated", "interrupted"] | None = Field(
        None, description="What the session's status must be in the end"
    )
    stop_reason: Pattern | None = Field(None, description="Why it must have come to rest: end_turn")
    outcome: Literal["satisfied", "needs_revision", "max_iterations_reached", "failed", "interrupted"] | None = Field(
        None, description="What its outcome must have been judged"
    )
    text: Items[Text] = Field((), max_length=_MOST, description="What the agent must have said")
    no_secrets: bool = Field(False, description="Whether known secrets, and what looks like one, must not be in it")
    outputs: Items[Pattern] = Field((), max_length=_MOST, description="Output files that there must be")

    @model_validator(mode="after")
    def _checks_something(self) -> Self:
        checked = (getattr(self, name) for name in Checks.model_fields if name != "description")
        if not any(each.model_dump(exclude_none=True) if isinstance(each, Limits) else each for each in checked):
            raise wrong("checks nothing, and would pass whatever happened")
        return self


def load_checks(path: Path) -> Checks:
    """Read a file of checks. Raises DefinitionError with the place of each problem, NotFoundError."""
    document = read_yaml(path)
    try:
        return Checks.model_validate(document.value)
    except ValidationError as error:
        raise in_words(error, Checks, document) from None


def checks_schema() -> JsonObject:
    """Return the JSON Schema (2020-12) of a file of checks."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:agentctl:schema:checks:1",
        **Checks.model_json_schema(schema_generator=_WithoutFieldTitles),
        "title": "agentctl checks",
    }


class _WithoutFieldTitles(GenerateJsonSchema):
    """Leaves out titles that only repeat the names of fields."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the name is pydantic's
        """Say no."""
        return False
