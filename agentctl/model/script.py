"""Scripts: a YAML list of answers that a scripted model gives, one for each request.

The format is described in docs/models.md. Whatever a script gets wrong is a DefinitionError with
its place in the file.
"""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agentctl.canonical import JsonObject
from agentctl.definitions.document import Document, Step, quoted
from agentctl.definitions.reading import read_yaml

_TURN_KEYS = ("expect", "thinking", "text", "tools", "stop_reason", "usage", "typing_seconds")
_CALL_KEYS = ("name", "input")
_EXPECT_KEYS = ("user_text", "tool_results", "result_text", "is_error")
_MOST_TYPING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that a turn calls, and with what."""

    name: str
    input: JsonObject


@dataclass(frozen=True, slots=True)
class Expectation:
    """What has to be true of the request that a turn answers.

    ``user_text``: each occurs in what the person wrote last. ``tool_results``: how many results the
    request ends with. ``result_text``: each occurs in one of them. ``is_error``: whether they are
    errors, all of them or none.
    """

    user_text: tuple[str, ...] = ()
    tool_results: int | None = None
    result_text: tuple[str, ...] = ()
    is_error: bool | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer. ``usage`` replaces single counts of the estimated ones."""

    thinking: str | None
    text: str | None
    tools: tuple[Call, ...]
    stop_reason: str
    usage: JsonObject = field(default_factory=dict)
    typing_seconds: float = 0.0
    expect: Expectation = Expectation()


@dataclass(frozen=True, slots=True)
class Script:
    """Answers in the order they are given; ``name`` is the file's, without its ending."""

    name: str
    turns: tuple[Turn, ...]


def read_script(path: Path) -> Script:
    """Read a script. Raises DefinitionError with the place of what is wrong, or NotFoundError."""
    document = read_yaml(path)
    reader = _Reader(document)
    turns = tuple(_turn(reader, at) for at in reader.entries((), "turns"))
    if not turns:
        raise document.problem((), "holds no turns")
    return Script(path.stem, turns)


def relocated(script: Script, places: Mapping[str, str]) -> Script:
    """Return the script for a sandbox whose folders lie elsewhere: ``places`` are the usual paths and theirs."""
    return replace(script, turns=tuple(_moved_turn(turn, places) for turn in script.turns))


def _moved_turn(turn: Turn, places: Mapping[str, str]) -> Turn:
    expected = tuple(_moved(text, places) for text in turn.expect.result_text)
    tools = tuple(Call(call.name, _moved(call.input, places)) for call in turn.tools)
    return replace(turn, tools=tools, expect=replace(turn.expect, result_text=expected))


def _moved(value: Any, places: Mapping[str, str]) -> Any:
    match value:
        case str():
            return re.sub("|".join(map(re.escape, places)), lambda match: places[match[0]], value)
        case dict():
            return {name: _moved(item, places) for name, item in value.items()}
        case list():
            return [_moved(item, places) for item in value]
        case _:
            return value


def _turn(reader: "_Reader", at: tuple[Step, ...]) -> Turn:
    reader.check_keys(at, _TURN_KEYS)
    tools = tuple(_call(reader, call) for call in reader.entries((*at, "tools"), "tool calls"))
    stated = reader.text((*at, "stop_reason"))
    text = reader.text((*at, "text"))
    if stated is None and text is None and not tools:
        raise reader.document.problem(at, "says nothing: it needs text, tools or a stop_reason")
    return Turn(
        thinking=reader.text((*at, "thinking")),
        text=text,
        tools=tools,
        stop_reason=stated or ("tool_use" if tools else "end_turn"),
        usage=_usage(reader, (*at, "usage")),
        typing_seconds=reader.seconds((*at, "typing_seconds")),
        expect=_expectation(reader, (*at, "expect")),
    )


def _call(reader: "_Reader", at: tuple[Step, ...]) -> Call:
    reader.check_keys(at, _CALL_KEYS)
    name = reader.text((*at, "name"))
    if name is None:
        raise reader.document.problem((*at, "name"), "is missing")
    return Call(name, reader.mapping((*at, "input")))


def _expectation(reader: "_Reader", at: tuple[Step, ...]) -> Expectation:
    if reader.value(at) is None:
        return Expectation()
    reader.check_keys(at, _EXPECT_KEYS)
    return Expectation(
        user_text=reader.texts((*at, "user_text")),
        tool_results=reader.count((*at, "tool_results")),
        result_text=reader.texts((*at, "result_text")),
        is_error=reader.truth((*at, "is_error")),
    )


def _usage(reader: "_Reader", at: tuple[Step, ...]) -> JsonObject:
    return {name: reader.count((*at, name)) for name in reader.mapping(at)}


class _Reader:
    """Takes the parts of a document by their path and refuses those of the wrong kind."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def value(self, at: tuple[Step, ...]) -> Any:
        node = self.document.find(at)
        return None if node is None else node.plain()

    def check_keys(self, at: tuple[Step, ...], known: tuple[str, ...]) -> None:
        for key in self.mapping(at):
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
                raise self.document.problem((*at, key), "is not known", on_key=True, hint=hint)

    def mapping(self, at: tuple[Step, ...]) -> JsonObject:
        value = self.value(at)
        if value is not None and not isinstance(value, dict):
            raise self.document.problem(at, "must be a mapping")
        return value or {}

    def entries(self, at: tuple[Step, ...], of_what: str) -> list[tuple[Step, ...]]:
        value = self.value(at)
        if value is not None and not isinstance(value, list):
            raise self.document.problem(at, f"must be a list of {of_what}")
        return [(*at, number) for number in range(len(value or ()))]

    def text(self, at: tuple[Step, ...]) -> str | None:
        value = self.value(at)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise self.document.problem(at, f"must be text, and not empty, but is {_shown(value)}")
        return value

    def texts(self, at: tuple[Step, ...]) -> tuple[str, ...]:
        if not isinstance(self.value(at), list):
            text = self.text(at)
            return () if text is None else (text,)
        return tuple(self.text(entry) or "" for entry in self.entries(at, "texts"))

    def count(self, at: tuple[Step, ...]) -> int | None:
        value = self.value(at)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.document.problem(at, f"must be a whole number, but is {_shown(value)}")
        return value

    def truth(self, at: tuple[Step, ...]) -> bool | None:
        value = self.value(at)
        if value is not None and not isinstance(value, bool):
            raise self.document.problem(at, f"must be true or false, but is {_shown(value)}")
        return value

    def seconds(self, at: tuple[Step, ...]) -> float:
        value = self.value(at)
        if value is None:
            return 0.0
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= _MOST_TYPING_SECONDS or math.isnan(value):
            limit = f"must be seconds from 0 to {_MOST_TYPING_SECONDS:g}"
            raise self.document.problem(at, f"{limit}, but is {_shown(value)}")
        return float(value)


def _shown(value: object) -> str:
    return quoted(value) if isinstance(value, str) else quoted(repr(value))
