"""What two sessions began with: definitions, model, environment, files, messages.

Where this differs it is often the whole answer, so it is looked at first.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from agentctl.canonical import JsonObject
from agentctl.compare.arguments import ABSENT
from agentctl.compare.definitions import members_apart
from agentctl.compare.difference import Difference, Kind, Layer, Place, kind_of
from agentctl.compare.moves import with_moves
from agentctl.compare.normalise import names_taken_out
from agentctl.compare.packages import PackagesOfTwo
from agentctl.compare.places import short
from agentctl.compare.side import Side
from agentctl.errors import StoreError
from agentctl.events.local import LocalSessionCreated
from agentctl.session.files import Contents, File, read_manifest

_SANDBOX = ("image", "image_digest", "version", "user", "isolated")
_NO_DEFINITIONS = "a transcript of another program has no definitions"
_IMAGE = "environment: image digest"
_STARTED = ("python", "platform")
PACKAGE, FILE, LIMITS = "package", "input file", "limits"
"""What the names of differences begin with: a package of the image, a file that the session began with, limits."""

_OWN_NAMES = ("source",)
"""Members of an upload that say where it was on the machine, which is no matter."""


def header_layer(
    a: Side,
    b: Side,
    contents: Contents | None = None,
    packages: PackagesOfTwo = PackagesOfTwo(),  # noqa: B008
) -> Layer:
    """Compare what two sessions depend on: what somebody wrote down before what came of it.

    ``contents`` are where manifests of uploaded files can be read.
    """
    if a.created is None or b.created is None:
        return Layer("header", notes=("a record that does not begin with its definitions says nothing of them",))
    if a.is_imported or b.is_imported:
        model = _leaves(a, b, "model", a.created.model, b.created.model)
        found = [*(list(model) or _models(a, b)), *_told(a, b)]
        return Layer("header", tuple(found), compared=1, notes=(_NO_DEFINITIONS,))
    kinds = {a.created.sandbox.get("kind"), b.created.sandbox.get("kind")}
    plays_record = "recorded" in kinds
    is_of_one_kind = len(kinds) == 1
    environment = list(_leaves(a, b, "environment", a.created.environment, b.created.environment))
    said = {place.pointer for each in environment for place in (each.a, each.b) if place is not None}
    found = [
        *(_members(a, b, a.created, b.created, ("kind",)) if not plays_record else ()),
        *environment,
        *_packages(a, b, packages),
        *(_surroundings(a, b, a.created, b.created, said) if is_of_one_kind else ()),
        *_definitions(a, b, a.created, b.created, is_of_one_kind=is_of_one_kind),
        *_uploads(a, b, a.created, b.created, contents),
        *_told(a, b),
    ]
    is_another = packages.are_the_same and any(each.what == _IMAGE for each in found)
    notes = (f"the {packages.a:,} packages of both images are the same",) if is_another else ()
    return Layer("header", tuple(found), compared=1, notes=notes)


def _members(
    a: Side, b: Side, one: LocalSessionCreated, other: LocalSessionCreated, names: Sequence[str]
) -> Iterator[Difference]:
    for name in names:
        if (difference := _member(a, b, one.sandbox, other.sandbox, name)) is not None:
            yield difference


def _surroundings(
    a: Side, b: Side, one: LocalSessionCreated, other: LocalSessionCreated, said: Collection[str]
) -> Iterator[Difference]:
    """Compare what two sandboxes of a kind are made of, but for what the definitions have ``said`` already."""
    yield from _members(a, b, one, other, [name for name in _SANDBOX if f"/environment/config/{name}" not in said])
    yield from _started(a, b)


def _packages(a: Side, b: Side, packages: PackagesOfTwo) -> Iterator[Difference]:
    """Tell of each package that moved; the list that has it is a content, which the event names."""
    for each in packages.moved:
        one, other = (
            None if version is None else Place(seq, "/facts/packages", {"manager": each.kind, "version": version})
            for seq, version in ((a.sandbox_seq, each.before), (b.sandbox_seq, each.after))
        )
        yield Difference("header", kind_of(one, other), f"{PACKAGE}: {each.name}", one, other)


def _started(a: Side, b: Side) -> Iterator[Difference]:
    for name in _STARTED:
        mine, theirs = a.sandbox.get(name), b.sandbox.get(name)
        if mine is not None and theirs is not None and mine != theirs:
            first = Place(a.sandbox_seq, f"/facts/{name}", mine)
            yield Difference(
                "header", "changed", f"environment: {name}", first, Place(b.sandbox_seq, f"/facts/{name}", theirs)
            )


def _member(a: Side, b: Side, one: JsonObject, other: JsonObject, name: str) -> Difference | None:
    mine, theirs = one.get(name), other.get(name)
    if mine == theirs:
        return None
    places = Place(a.created_seq, f"/sandbox/{name}", mine), Place(b.created_seq, f"/sandbox/{name}", theirs)
    what = "sandbox" if name == "kind" else f"environment: {name.replace('_', ' ')}"
    return Difference("header", "changed", what, *places)


def _definitions(
    a: Side, b: Side, one: LocalSessionCreated, other: LocalSessionCreated, *, is_of_one_kind: bool
) -> Iterator[Difference]:
    """Compare agents, models and what else was chosen. What a member says that stands before is not said again."""
    agents = list(_leaves(a, b, "agent", one.agent, other.agent))
    yield from agents
    if one.model == other.model:
        yield from _models(a, b)
    elif not any(place.pointer.startswith("/agent/model") for each in agents for place in (each.a, each.b) if place):
        yield from _leaves(a, b, "model", one.model, other.model)
    if not agents:
        if is_of_one_kind and one.model == other.model:
            yield from filter(_is_more_than_names, _leaves(a, b, "request", one.request, other.request))
        yield from _leaves(a, b, LIMITS, one.limits, other.limits)
    yield from _leaves(a, b, "vaults", one.vaults, other.vaults)
    yield from _leaves(a, b, "prices", one.prices, other.prices)
    yield from _leaves(a, b, "agentctl_version", one.agentctl_version, other.agentctl_version)


def _leaves(a: Side, b: Side, name: str, one: Any, other: Any) -> Iterator[Difference]:
    # Another name is another thing: then nothing else tells as much.
    found = sorted(members_apart(one, other, f"/{name}"), key=lambda apart: apart.names != ("name",))
    for apart in found:
        inner = ".".join(apart.names)
        shown = name.replace("agentctl_version", "agentctl")
        what = f"{shown}: {inner}" if inner else shown
        yield Difference(
            "header",
            _kind(apart.a, apart.b),
            what,
            _place(a.created_seq, apart.pointer_a, apart.a),
            _place(b.created_seq, apart.pointer_b, apart.b),
        )


def _is_more_than_names(difference: Difference) -> bool:
    """Say whether a text differs by more than what names a thing of one run alone, such as its sandbox's folder."""
    values = [place.value if place is not None else None for place in (difference.a, difference.b)]
    texts = [names_taken_out(value) for value in values if isinstance(value, str)]
    return len(texts) < len(values) or texts[0] != texts[1]


def _kind(one: object, other: object) -> Kind:
    if one is ABSENT:
        return "only_b"
    return "only_a" if other is ABSENT else "changed"


def _place(event: int | None, pointer: str, value: object) -> Place | None:
    return None if value is ABSENT else Place(event, pointer, value)


def _models(a: Side, b: Side) -> Iterator[Difference]:
    """Compare which models answered; a session that nobody answered says nothing."""
    if a.models != b.models and a.models and b.models:
        first, second = (Place(side.model_seqs[0], "/model", ", ".join(side.models)) for side in (a, b))
        yield Difference("header", "changed", "model that answered", first, second)


def _uploads(
    a: Side, b: Side, one: LocalSessionCreated, other: LocalSessionCreated, contents: Contents | None
) -> Iterator[Difference]:
    if a.uploaded is not None and b.uploaded is not None:
        if a.uploaded.manifest != b.uploaded.manifest:
            yield from with_moves(_manifests(a, b, contents), f"{FILE}: ")
        return
    mine, theirs = ([_without_source(body) for body in created.uploads] for created in (one, other))
    yield from _leaves(a, b, "uploads", mine, theirs)


def _without_source(upload: JsonObject) -> JsonObject:
    return {name: value for name, value in upload.items() if name not in _OWN_NAMES}


def _manifests(a: Side, b: Side, contents: Contents | None) -> Iterator[Difference]:
    mine, theirs = began_with(a, contents), began_with(b, contents)
    if mine is None or theirs is None:
        yield Difference("header", "changed", f"{FILE}s", *_uploaded(a, b))
        return
    for path in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get(path), theirs.get(path)
        if one == other:
            continue
        first = None if one is None else Place(a.uploaded_seq, "/manifest", one.as_json())
        second = None if other is None else Place(b.uploaded_seq, "/manifest", other.as_json())
        yield Difference("header", kind_of(one, other), f"{FILE}: {short(path)}", first, second)


def began_with(side: Side, contents: Contents | None) -> dict[str, File] | None:
    """Return the files that a session began with, by path; None where that cannot be read."""
    if contents is None or side.uploaded is None:
        return None
    try:
        return {file.path: file for file in read_manifest(side.uploaded.manifest, contents)}
    except StoreError:
        return None


def _uploaded(a: Side, b: Side) -> tuple[Place, Place]:
    found = [
        Place(side.uploaded_seq, "/manifest", side.uploaded.manifest if side.uploaded else None) for side in (a, b)
    ]
    return found[0], found[1]


def _told(a: Side, b: Side) -> Iterator[Difference]:
    for number in range(max(len(a.told), len(b.told))):
        one = a.told[number] if number < len(a.told) else None
        other = b.told[number] if number < len(b.told) else None
        if one is not None and other is not None and one.text == other.text:
            continue
        first = None if one is None else Place(one.seq, "/content", one.text)
        second = None if other is None else Place(other.seq, "/content", other.text)
        is_only = len(a.told) == len(b.told) == 1
        yield Difference(
            "header", kind_of(one, other), "message" if is_only else f"message {number + 1}", first, second
        )
