"""YAML to nodes: a small, strict part of YAML that every reader of it understands alike.

Plain words mean what the core schema of YAML 1.2 says: ``true``, ``false``, ``null`` and ``~``,
whole numbers and numbers; ``yes``, ``on``, ``12:30:45`` and ``2026-11-20`` are text. Numbers with
a leading zero, which YAML 1.1 and 1.2 read differently, are refused, and so are anchors, aliases,
merge keys, tags of no core type, keys that are not text or come twice, a second document, and
nesting deeper than 32. The loader is PyYAML's own in Python: the one in C crashes on deep nesting.
"""

import math
import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from agentctl.definitions.document import DEEPEST, LARGEST_NUMBER, MOST_VALUES, Node, Source, Step, path_text, quoted
from agentctl.errors import DefinitionError

_CORE = "tag:yaml.org,2002:"
_TAGS = frozenset(_CORE + name for name in ("null", "bool", "int", "float", "str", "map", "seq"))

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+\Z")
# YAML 1.1 ends a line at these and YAML 1.2 does not; a comment could end where no editor shows it.
_DISPUTED_BREAK = re.compile("[\x85\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Loader(yaml.SafeLoader):
    """Composes nodes, and refuses what this module's description says as soon as it comes."""

    # Not those of SafeLoader, which are YAML 1.1; filled below.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, source: Source, text: str, begin: int) -> None:
        super().__init__(text)
        self.source, self.begin, self.depth, self.values = source, begin, 0, 0

    def offset(self, mark: Any) -> int:
        """Return where in the file a mark of PyYAML's is."""
        return self.begin + int(mark.index)

    def problem(self, mark: Any, what: str, hint: str | None = None) -> DefinitionError:
        """Make the error that says ``what`` is wrong at ``mark``."""
        return self.source.problem(self.offset(mark), what, hint=hint)

    def compose_node(self, parent: YamlNode | None, index: int) -> YamlNode | None:
        """Compose the next node, unless it is one that is refused."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise self.problem(event.start_mark, f"aliases (*{event.anchor}) are not allowed", "Write the value out.")
        if event.anchor is not None:
            raise self.problem(event.start_mark, f"anchors (&{event.anchor}) are not allowed", "Leave it out.")
        if event.tag is not None and event.tag not in _TAGS:
            raise self.problem(event.start_mark, f"the tag {quoted(event.tag)} is not allowed", "Leave it out.")
        self.depth += 1
        self.values += 1
        if self.values > MOST_VALUES:
            raise self.problem(event.start_mark, f"is one value more than the {MOST_VALUES:,} that are allowed")
        if self.depth > DEEPEST and not isinstance(event, yaml.ScalarEvent):
            raise self.problem(event.start_mark, f"is nested deeper than {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in (
    ("null", _NULL, ["~", "n", "N", ""]),
    ("bool", _BOOL, list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_CORE + _tag, _pattern, _first)


def parse_yaml(source: Source, begin: int = 0, end: int | None = None) -> Node:
    """Read the part of ``source`` from ``begin`` to ``end`` as one YAML document.

    Raises DefinitionError, with the place, for whatever is not one.
    """
    text = source.text[begin:end]
    _refuse_odd_characters(source, text, begin)
    loader = _Loader(source, text, begin)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark or loader.get_mark()
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise loader.problem(mark, f"is not valid YAML: {_one_line(what)}") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # PyYAML hands the numbers of escapes and directives on to Python unchecked.
        what = "is not valid YAML: an escape or a directive has a number that is out of range"
        raise loader.problem(loader.get_mark(), what) from None
    if node is None:
        raise source.problem(begin, "is empty")
    return _convert(loader, node, ())


def _refuse_odd_characters(source: Source, text: str, begin: int) -> None:
    if match := yaml.reader.Reader.NON_PRINTABLE.search(text):
        what = f"holds the character U+{ord(match.group()):04X}, which YAML does not allow"
        raise source.problem(begin + match.start(), what)
    if match := _DISPUTED_BREAK.search(text):
        what = f"holds an invisible line break, U+{ord(match.group()):04X}"
        hint = "Remove it, or write it as an escape in double quotes."
        raise source.problem(begin + match.start(), what, hint=hint)


def _one_line(text: str) -> str:
    return " ".join(text.encode("ascii", "backslashreplace").decode().split())


def _convert(loader: _Loader, node: YamlNode, at: tuple[Step, ...], key_offset: int | None = None) -> Node:
    offset = loader.offset(node.start_mark)
    if isinstance(node, MappingNode) and node.tag == f"{_CORE}map":
        return Node(_members(loader, node, at), offset, key_offset)
    if isinstance(node, SequenceNode) and node.tag == f"{_CORE}seq":
        entries = [_convert(loader, entry, (*at, number)) for number, entry in enumerate(node.value)]
        return Node(entries, offset, key_offset)
    if isinstance(node, ScalarNode):
        written = None if node.style else node.value
        return Node(_scalar(loader, node), offset, key_offset, written)
    raise _misfit(loader, node)


def _members(loader: _Loader, node: MappingNode, at: tuple[Step, ...]) -> dict[str, Node]:
    members: dict[str, Node] = {}
    for key_node, value_node in node.value:
        key = _key(loader, key_node)
        path = (*at, key)
        if key in members:
            first = loader.source.line(members[key].key_offset or 0)
            raise loader.problem(key_node.start_mark, f"{path_text(path)}: is written twice, first in line {first}")
        members[key] = _convert(loader, value_node, path, loader.offset(key_node.start_mark))
    return members


def _key(loader: _Loader, node: YamlNode) -> str:
    if not isinstance(node, ScalarNode):
        raise loader.problem(node.start_mark, "a key must be text")
    if node.value == "<<" and not node.style:
        raise loader.problem(node.start_mark, "merge keys (<<) are not allowed", "Write the values out.")
    key = _scalar(loader, node)
    if not isinstance(key, str):
        raise loader.problem(node.start_mark, f"a key must be text: write {quoted(node.value)} in quotes")
    return key


def _scalar(loader: _Loader, node: ScalarNode) -> str | bool | int | float | None:
    text, kind = node.value, node.tag.removeprefix(_CORE)
    if kind == "str":
        return _text(loader, node)
    if kind == "null" and _NULL.match(text):
        return None
    if kind == "bool" and _BOOL.match(text):
        return bool(text.lower() == "true")
    if kind == "int" and _INT.match(text):
        return _whole_number(loader, node)
    if kind == "float" and _FLOAT.match(text):
        return _number(loader, node)
    raise _misfit(loader, node)


def _misfit(loader: _Loader, node: YamlNode) -> DefinitionError:
    return loader.problem(node.start_mark, f"the tag {quoted(node.tag)} does not fit the value")


def _text(loader: _Loader, node: ScalarNode) -> str:
    text: str = node.value
    if _SURROGATE.search(text):
        try:
            # JSON writes a character beyond U+FFFF as two escapes: put them together.
            text = text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise loader.problem(node.start_mark, "holds half a character (an unpaired surrogate escape)") from None
    if "\0" in text:
        raise loader.problem(node.start_mark, "holds the character U+0000")
    return text


def _whole_number(loader: _Loader, node: ScalarNode) -> int:
    text: str = node.value
    if _LEADING_ZERO.match(text):
        what = f"{quoted(text)} begins with a zero: readers of YAML disagree on what that means"
        raise loader.problem(node.start_mark, what, "Write it in quotes, or without the zero.")
    value = int(text, 0) if len(text) <= 30 else LARGEST_NUMBER + 1
    if abs(value) > LARGEST_NUMBER:
        raise loader.problem(node.start_mark, "is a number that does not fit 64 bits")
    return value


def _number(loader: _Loader, node: ScalarNode) -> float:
    value = float(re.sub(r"\.(?=[a-zA-Z])", "", node.value)) if len(node.value) <= 400 else math.inf
    if not math.isfinite(value):
        raise loader.problem(node.start_mark, "is not a finite number")
    return value
