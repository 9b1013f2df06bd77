"""What two sessions came to: status, stop reason, failure, outputs; and what they said in the end.

What an agent says is never a difference: two runs of the same agent hardly ever use the same words.
"""

from collections import Counter
from collections.abc import Iterator

from agentctl.canonical import JsonObject
from agentctl.compare.difference import Difference, Layer, Place, kind_of
from agentctl.compare.files import Texts
from agentctl.compare.moves import with_moves
from agentctl.compare.side import Side
from agentctl.session.files import Contents

_OUTPUT = "output "
OTHER_TEXT = "the last messages differ, which is no difference"


def outcome_layer(a: Side, b: Side, contents: Contents | None = None) -> Layer:
    """Compare what two sessions came to."""
    rules = Counter[str]()
    are_kept = not (a.is_imported or b.is_imported)
    outputs = with_moves(_outputs(a, b, Texts(contents), rules), _OUTPUT) if are_kept else []
    found = [*_ends(a, b), *outputs]
    notes = (OTHER_TEXT,) if a.result.text.strip() != b.result.text.strip() else ()
    return Layer("outcome", tuple(found), 1, rules, rules.total(), notes)


def ending(side: Side) -> JsonObject:
    """Say how a session ended, in words that can be compared."""
    result = side.result
    error = result.body()["error"] or {}
    return {
        "status": result.status,
        "stop_reason": (result.stop_reason or {}).get("type"),
        "limit": side.limit,
        "error": error.get("type"),
    }


def _ends(a: Side, b: Side) -> Iterator[Difference]:
    one, other = ending(a), ending(b)
    for name in one:
        if one[name] != other[name]:
            pointer = "/stop_reason/type" if name == "stop_reason" else ""
            first, second = (Place(side.rest_seq, pointer, end[name]) for side, end in ((a, one), (b, other)))
            yield Difference("outcome", "changed", name.replace("_", " "), first, second)


def _outputs(a: Side, b: Side, texts: Texts, rules: Counter[str]) -> Iterator[Difference]:
    one, other = _files(a), _files(b)
    for path in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(path), other.get(path)
        if mine is not None and theirs is not None:
            if mine.get("sha256", mine.get("size")) == theirs.get("sha256", theirs.get("size")):
                continue
            fired = texts.rules(mine, theirs, _time(a), _time(b))
            if fired is not None:
                rules.update(fired[:1] or ("contents",))
                continue
        first = None if mine is None else Place(a.outputs_seq, "/files", mine)
        second = None if theirs is None else Place(b.outputs_seq, "/files", theirs)
        yield Difference("outcome", kind_of(mine, theirs), f"{_OUTPUT}{path}", first, second)


def _files(side: Side) -> dict[str, JsonObject]:
    return {} if side.outputs is None else {str(file.get("path")): file for file in side.outputs.files}


def _time(side: Side) -> str | None:
    return None if side.outputs is None else side.outputs.processed_at
