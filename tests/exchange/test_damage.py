"""Whatever was done to a transcript, it is read or refused in words: no damage brings anything down."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentctl.canonical import JsonObject
from agentctl.errors import UsageError
from agentctl.events.base import Event
from agentctl.events.codec import encode
from agentctl.events.local import LocalImported
from agentctl.exchange.foreign import read_foreign
from agentctl.ids import time_of
from tests.exchange.lines import CLAUDE_CODE, CODEX, HOSTED, among, jsonl, told
from tests.exchange.test_codex import BARE, PAGED

OF_PROGRAMS = {"Claude Code": CLAUDE_CODE, "Codex CLI": CODEX, "bare": BARE, "paginated": PAGED}
TRANSCRIPTS = {**OF_PROGRAMS, "Managed Agents": HOSTED}
NAMES = st.sampled_from(["type", "id", "content", "text", "input", "usage", "item", "name", "source"])
LEAVES = st.sampled_from([None, True, -1, 1.5, "", "\ud800", "<synthetic>", "tool_use", "text", 10**30])
ODD: st.SearchStrategy[Any] = st.recursive(
    LEAVES | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=4,
)


def read(data: bytes) -> list[Event] | None:
    """Return the events of a transcript, None for one that is refused in words."""
    try:
        return told(data)
    except UsageError:
        return None


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a transcript whose lines were changed within, cut, swapped, and mixed with what is none."""
    lines: list[Any] = json.loads(json.dumps(TRANSCRIPTS[draw(st.sampled_from(sorted(TRANSCRIPTS)))]))
    for _ in range(draw(st.integers(0, 3))):
        change(lines[draw(st.integers(0, len(lines) - 1))], draw)
    if draw(st.booleans()):
        lines = draw(st.permutations(lines))
    raw = [json.dumps(line).encode() for line in lines]
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(raw) - 1))
        raw[place] = draw(st.binary(max_size=9)) + raw[place][draw(st.integers(0, len(raw[place]))) :]
    return b"\n".join(raw)


def change(value: Any, draw: st.DrawFn) -> None:
    """Change one member, somewhere below."""
    while isinstance(value, dict | list) and value:
        keys = sorted(value) if isinstance(value, dict) else range(len(value))
        key = draw(st.sampled_from(keys))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            value[key] = draw(ODD)
            return
        value = inner


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_no_damage_brings_the_reading_down(data: bytes) -> None:
    assert read(data) == read(data)


@pytest.mark.parametrize("form", OF_PROGRAMS)
def test_every_beginning_of_a_transcript_is_read_as_far_as_it_goes(form: str) -> None:
    data = jsonl(TRANSCRIPTS[form]).encode()
    whole = data.index(b"\n", data.index(b"user")) + 1
    for end in range(whole, len(data), 97):
        events = told(data[:end])
        cut = data[:end].rsplit(b"\n", 1)[1]
        texts = [each.body.get("unreadable") for each in among(LocalImported, events)]
        assert not cut or cut.decode() in texts or cut in data.split(b"\n")


@pytest.mark.parametrize("form", TRANSCRIPTS)
def test_each_line_of_a_transcript_may_be_of_another_type_altogether(form: str) -> None:
    lines = TRANSCRIPTS[form]
    for place in range(len(lines)):
        for other in (5, [], "text", None, {}, {"type": []}, {"payload": {}}, {"type": "user", "message": {}}):
            changed: list[Any] = [*lines[:place], other, *lines[place + 1 :]]
            read(jsonl(changed).encode())


STRANGE: dict[str, Callable[[JsonObject], None]] = {
    "usage of another kind": lambda message: message.update(usage={"input_tokens": "many", "cache_creation": 5}),
    "usage that is a list": lambda message: message.update(usage=[]),
    "a model that is none": lambda message: message.update(model={"id": 5}),
    "an id that is none": lambda message: message.update(id=[1]),
    "content that is none": lambda message: message.update(content=7),
    "summaries of another kind": lambda message: message.update(usage={"iterations": [5]}),
}


@pytest.mark.parametrize("how", STRANGE)
def test_strange_members_of_an_answer_do_not_keep_the_rest_from_being_read(how: str) -> None:
    lines: list[JsonObject] = json.loads(jsonl(CLAUDE_CODE).replace("}\n{", "},{").join("[]"))
    STRANGE[how](next(line for line in lines if line.get("uuid") == "assistant-6")["message"])
    data = jsonl(lines).encode()
    foreign = read_foreign(io.BytesIO(data), "-")
    assert len(foreign.events) > len(lines)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what is said in a JSON value, with the name of the member; JSON in texts is looked into."""
    if isinstance(value, dict):
        for member, inner in value.items():
            yield from leaves(inner, member)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, name)
    else:
        yield name, value
        if isinstance(value, str) and value[:1] in ("{", "["):
            yield from leaves(json.loads(value), name)


def said_in(value: Any) -> set[Any]:
    """Return what is said in a JSON value; a time is one in whatever form."""
    return {time_of(each) or each for _, each in leaves(value) if isinstance(each, str)} | {
        each for _, each in leaves(value) if isinstance(each, int | float)
    }


@pytest.mark.parametrize("form", OF_PROGRAMS)
def test_all_that_a_transcript_says_is_in_its_session(form: str) -> None:
    lines = TRANSCRIPTS[form]
    known = said_in([encode(event) for event in told(jsonl(lines).encode())])
    for line in lines:
        for name, value in leaves(line):
            # What kind of thing it is, the type of an event says; texts that hold JSON were looked into.
            is_kind = name in ("type", "role") or value is None or value == ""
            is_json = isinstance(value, str) and value[:1] in ("{", "[")
            as_time = time_of(value) if isinstance(value, str) else None
            assert is_kind or is_json or value in known or as_time in known, f"{name}: {value}"
