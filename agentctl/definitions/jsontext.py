"""JSON to nodes, with the bounds that YAML has: no key twice, no NaN, nothing deeper than 32."""

import json
import math
import re
from typing import Any, NoReturn

from agentctl.definitions.document import DEEPEST, LARGEST_NUMBER, MOST_VALUES, Node, Source, Step, path_text

_SPACE = re.compile(r"[ \t\n\r]*")
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_json(source: Source) -> Node:
    """Read ``source`` as one JSON value. Raises DefinitionError, with the place, for whatever is not one."""
    parser = _Parser(source)
    parser.skip_space()
    node = parser.value((), None)
    if parser.offset < len(source.text):
        parser.refuse("is not valid JSON: something follows the value")
    return node


class _Parser:
    """Reads from left to right; ``offset`` is where it has come to, spaces skipped."""

    def __init__(self, source: Source) -> None:
        self.source, self.text, self.offset, self.values = source, source.text, 0, 0

    def refuse(self, what: str, offset: int | None = None) -> NoReturn:
        raise self.source.problem(self.offset if offset is None else offset, what)

    def skip_space(self) -> None:
        match = _SPACE.match(self.text, self.offset)
        self.offset = match.end() if match else self.offset

    def next_is(self, character: str) -> bool:
        """Step over ``character`` and the space after it, if it is what comes next."""
        if not self.text.startswith(character, self.offset):
            return False
        self.offset += 1
        self.skip_space()
        return True

    def value(self, at: tuple[Step, ...], key_offset: int | None) -> Node:
        """Read one value at the path ``at``."""
        begin = self.offset
        self.values += 1
        if self.values > MOST_VALUES:
            self.refuse(f"is one value more than the {MOST_VALUES:,} that are allowed")
        if self.text.startswith(("{", "["), begin) and len(at) >= DEEPEST:
            self.refuse(f"is nested deeper than {DEEPEST} levels")
        if self.next_is("{"):
            return Node(self.members(at), begin, key_offset)
        if self.next_is("["):
            return Node(self.entries(at), begin, key_offset)
        content = self.scalar()
        written = None if isinstance(content, str) else self.text[begin : self.offset].rstrip()
        return Node(content, begin, key_offset, written)

    def members(self, at: tuple[Step, ...]) -> dict[str, Node]:
        """Read what follows a brace, and the brace that closes it."""
        members: dict[str, Node] = {}
        while not self.next_is("}"):
            if members and not self.next_is(","):
                self.refuse("is not valid JSON: a comma or a closing brace is missing here")
            begin, key = self.offset, self.key()
            if key in members:
                first = self.source.line(members[key].key_offset or 0)
                self.refuse(f"{path_text((*at, key))}: is written twice, first in line {first}", begin)
            if not self.next_is(":"):
                self.refuse("is not valid JSON: a colon is missing here")
            members[key] = self.value((*at, key), begin)
        return members

    def key(self) -> str:
        """Read the key of a member."""
        if not self.text.startswith('"', self.offset):
            self.refuse("is not valid JSON: a key in double quotes is missing here")
        self.values += 1
        return str(self.scalar())

    def entries(self, at: tuple[Step, ...]) -> list[Node]:
        """Read what follows a bracket, and the bracket that closes it."""
        entries: list[Node] = []
        while not self.next_is("]"):
            if entries and not self.next_is(","):
                self.refuse("is not valid JSON: a comma or a closing bracket is missing here")
            entries.append(self.value((*at, len(entries)), None))
        return entries

    def scalar(self) -> Any:
        """Read a string, a number, true, false or null, and the space after it."""
        begin = self.offset
        try:
            value, self.offset = _SCALARS.raw_decode(self.text, begin)
        except json.JSONDecodeError as error:
            self.refuse(f"is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}", error.pos)
        except ValueError as error:
            self.refuse(str(error))
        if isinstance(value, str) and ("\0" in value or _SURROGATE.search(value)):
            self.refuse("holds U+0000 or half a character (an unpaired surrogate escape)", begin)
        self.skip_space()
        return value


def _whole_number(text: str) -> int:
    value = int(text) if len(text) <= 20 else LARGEST_NUMBER + 1
    if abs(value) > LARGEST_NUMBER:
        raise ValueError("is a number that does not fit 64 bits")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("is not a finite number")
    return value


def _unwanted(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that JSON has")


_SCALARS = json.JSONDecoder(parse_int=_whole_number, parse_float=_number, parse_constant=_unwanted)
