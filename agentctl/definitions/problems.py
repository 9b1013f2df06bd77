"""What pydantic finds wrong with a file, in words and with its place.

pydantic names the place of a problem by the steps it took, among them the tags of unions, which are
not in the file. Here the steps are walked along the models' own types, which tells tags from keys
and says which keys would have been right.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agentctl.definitions.document import Document, Node, Step, path_text, quoted, together
from agentctl.definitions.fields import Definition
from agentctl.errors import DefinitionError
from agentctl.spelling import did_you_mean

_MOST_PROBLEMS = 100

_ANSWERED = frozenset({"id", "version", "created_at", "updated_at", "archived_at"})

_YES_AND_NO = MappingProxyType(
    dict.fromkeys(("yes", "on", "y", "1"), "true") | dict.fromkeys(("no", "off", "n", "0"), "false")
)


def in_words(error: ValidationError, model: Any, document: Document) -> DefinitionError:
    """Turn what pydantic says into one DefinitionError that holds all the problems, by place.

    ``model`` is what the file was validated as: a Definition, or a mapping or list of them.
    More than a hundred problems of one file are not worth reading: the rest is left out.
    """
    found = _without_echoes(error.errors(include_url=False, include_input=False)[:_MOST_PROBLEMS])
    # What is missing has no place of its own: what stands at the place that it gets goes before it.
    found.sort(key=lambda each: each["type"] == "missing")
    return together(_problem(each, model, document) for each in found)


def _without_echoes(found: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short where that is only because its entries are wrong."""
    return [
        each
        for each in found
        if each["type"] != "too_short"
        or not any(other["loc"][: len(each["loc"])] == each["loc"] for other in found if other is not each)
    ]


def _problem(found: ErrorDetails, model: Any, document: Document) -> DefinitionError:
    place = _in_file(_walk(model, found["loc"]), document)
    context = found.get("ctx", {})
    match found["type"]:
        case "extra_forbidden":
            return _unknown_key(place, model, document)
        case "missing":
            return document.problem(place.at, "is missing")
        case "union_tag_not_found":
            tags = [tag for kind in place.kinds for tag in _tags(kind)]
            return document.problem((*place.at, "type"), f"is missing: {_one_of(tags)}")
        case "union_tag_invalid":
            place = replace(place, at=(*place.at, "type"))
        case "definition":
            return document.problem((*place.at, *context["at"]), context["what"])
    node = document.find(place.at) or document.root
    sentence = _SENTENCES.get(found["type"])
    what = sentence(context, node) if sentence else found["msg"]
    return document.problem(place.at, what, on_key=place.on_key, hint=_hint(found["type"], node))


# --- where ---


@dataclass(frozen=True, slots=True)
class _Place:
    """A path in the file, what its value may be, the model that has its last step as a key, if any does,
    and whether the key itself is meant."""

    at: tuple[Step, ...]
    kinds: tuple[Any, ...] = ()
    model: type[Definition] | None = None
    on_key: bool = False


def _walk(model: Any, steps: Iterable[Step]) -> _Place:
    place = _Place((), _kinds(model))
    for step in steps:
        if len(place.kinds) > 1:
            place = replace(place, kinds=tuple(kind for kind in place.kinds if step in _tags(kind)))
        elif step == "[key]":
            place = replace(place, on_key=True)
        else:
            owner = next(filter(_is_model, place.kinds), None)
            place = _Place((*place.at, step), _inside(place.kinds, step), owner)
    return place


def _in_file(place: _Place, document: Document) -> _Place:
    """Drop the steps into a short form, which stands in the file as one scalar."""
    for length in range(len(place.at)):
        node = document.find(place.at[:length])
        if node is not None and not isinstance(node.content, dict | list):
            return replace(place, at=place.at[:length])
    return place


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Return what a value may be: more than one kind for a union, whose steps then begin with a tag."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for one in get_args(annotation) if one is not NoneType for kind in _kinds(one))
    return (annotation,)


def _inside(kinds: tuple[Any, ...], step: Step) -> tuple[Any, ...]:
    if len(kinds) != 1:
        return ()
    kind, arguments = kinds[0], get_args(kinds[0])
    if _is_model(kind):
        field = kind.model_fields.get(step)
        return _kinds(field.annotation) if field else ()
    if get_origin(kind) is tuple:
        return _kinds(arguments[0])
    return _kinds(arguments[1]) if get_origin(kind) is dict else ()


def _tags(kind: Any) -> tuple[Any, ...]:
    return get_args(kind.model_fields["type"].annotation) if _is_model(kind) else ()


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Definition)


# --- what ---


def _unknown_key(place: _Place, root: Any, document: Document) -> DefinitionError:
    key = str(place.at[-1])
    if len(place.at) == 1 and key in _ANSWERED:
        what = "is what the API answers, not part of a definition: leave it out"
        return document.problem(place.at, what, on_key=True)
    known = tuple(place.model.model_fields) if place.model else ()
    what = f"is not a known key{_did_you_mean(key, known, _elsewhere(root, key, place.at))}"
    return document.problem(place.at, what, on_key=True, hint=f"The keys here are: {', '.join(known)}.")


def _elsewhere(root: Any, key: str, at: tuple[Step, ...]) -> str | None:
    """Find the same key in another place that needs no list to get to."""
    paths = (path for path in _paths(root, ()) if path[-1] == key and path != at) if _is_model(root) else iter(())
    return next((path_text(path) for path in paths), None)


def _paths(kind: Any, at: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    for name, field in kind.model_fields.items():
        yield (*at, name)
        inner = _kinds(field.annotation)
        if len(inner) == 1 and _is_model(inner[0]):
            yield from _paths(inner[0], (*at, name))


def _did_you_mean(word: str, words: Iterable[str], elsewhere: str | None = None) -> str:
    return did_you_mean(word, words) or (f"; did you mean {elsewhere}?" if elsewhere else "")


def _one_of(words: Sequence[str]) -> str:
    return f"must be {words[0]}" if len(words) == 1 else f"must be one of {', '.join(words)}"


def _not_one_of(expected: str, node: Node) -> str:
    text = node.content if isinstance(node.content, str) else ""
    words = re.findall("'([^']*)'", expected)
    return f"{_one_of(words)}, not {_shown(node)}{_did_you_mean(text, words)}"


def _shown(node: Node) -> str:
    """Say what stands there, in a word or by itself."""
    match node.content:
        case None:
            return "null" if node.written else "nothing"
        case bool() | int() | float():
            return (node.written or str(node.content))[:60]
        case str():
            return quoted(node.content)
        case list():
            return "a list"
    return "keys and values"


def _hint(kind: str, node: Node) -> str | None:
    written = node.written or ""
    if kind == "string_type" and isinstance(node.content, bool | int | float):
        return f"Write it in quotes: {quoted(written)}."
    if kind == "bool_type" and written.lower() in _YES_AND_NO:
        return f"Write {_YES_AND_NO[written.lower()]}."
    if kind == "tuple_type" and isinstance(node.content, str):
        return f"Write it as a list: [{quoted(node.content)}]."
    return None


_Sentence: TypeAlias = Callable[[Mapping[str, Any], Node], str]


def _must_be(what: str) -> _Sentence:
    return lambda _, node: f"must be {what}, not {_shown(node)}"


_SENTENCES: Mapping[str, _Sentence] = MappingProxyType(
    {
        "string_type": _must_be("text"),
        "bool_type": _must_be("true or false"),
        "int_type": _must_be("a whole number"),
        "int_from_float": _must_be("a whole number"),
        "float_type": _must_be("a number"),
        "tuple_type": _must_be("a list"),
        "dict_type": _must_be("keys and values"),
        "model_type": _must_be("keys and values"),
        "model_attributes_type": _must_be("keys and values"),
        "literal_error": lambda context, node: _not_one_of(context["expected"], node),
        "union_tag_invalid": lambda context, node: _not_one_of(context["expected_tags"], node),
        "string_too_short": lambda *_: "must not be empty",
        "string_too_long": lambda context, _: f"is longer than {context['max_length']:,} characters",
        "too_short": lambda context, _: f"must have at least {context['min_length']} entry",
        "too_long": lambda context, _: f"has more than {context['max_length']:,}, the most that are allowed",
        "greater_than": lambda context, _: f"must be greater than {context['gt']:g}",
        "greater_than_equal": lambda context, _: f"must be at least {context['ge']:,}",
        "less_than_equal": lambda context, _: f"must be at most {context['le']:,}",
        "value_error": lambda context, _: str(context["error"]),
    }
)
