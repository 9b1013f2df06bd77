"""What two sessions made of their files: as they are at the end, and call by call.

Files are compared by the hashes of their contents. Where those differ and the contents are kept, text is
compared once more with its noise taken out. What programs write anew each time, such as bytecode and the
inside of ``.git``, is no difference.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from agentctl.canonical import JsonObject
from agentctl.compare.calls import Observation
from agentctl.compare.difference import NOT_IN_TRANSCRIPTS, Difference, Layer, Place, Step, kind_of
from agentctl.compare.header import began_with
from agentctl.compare.moves import with_moves
from agentctl.compare.normalise import alike
from agentctl.compare.places import is_derived, short
from agentctl.compare.rules import moment_of
from agentctl.compare.side import Side, Touched
from agentctl.errors import StoreError
from agentctl.session.files import Contents, File

_MOST_TEXT = 256 * 1024
_MOST_READ = 16 * 1024 * 1024


class Texts:
    """Compares the contents of files beyond their hashes, as far as they are kept and not too much to read."""

    def __init__(self, contents: Contents | None) -> None:
        self._contents = contents
        self._left = _MOST_READ
        self._known: dict[tuple[object, object], tuple[str, ...] | None] = {}

    def rules(self, one: JsonObject, other: JsonObject, at: str | None, other_at: str | None) -> tuple[str, ...] | None:
        """Return the rules that make two files alike, None where they are not. Times are when they were written."""
        if any(body.get("kind", "file") != "file" for body in (one, other)) or one.get("mode") != other.get("mode"):
            return None
        key = one.get("sha256"), other.get("sha256")
        if key not in self._known:
            self._known[key] = self._compare(one, other, at, other_at)
        return self._known[key]

    def _compare(
        self, one: JsonObject, other: JsonObject, at: str | None, other_at: str | None
    ) -> tuple[str, ...] | None:
        mine = self._text(one)
        theirs = None if mine is None else self._text(other)
        if mine is None or theirs is None:
            return None
        return alike(mine, theirs, moment_of(at), moment_of(other_at))

    def _text(self, body: JsonObject) -> str | None:
        digest, size = body.get("sha256"), body.get("size", _MOST_TEXT + 1)
        if self._contents is None or not isinstance(digest, str) or not isinstance(size, int) or size > _MOST_TEXT:
            return None
        self._left -= size
        if self._left < 0:
            return None
        try:
            return b"".join(self._contents.open(digest)).decode()
        except (StoreError, UnicodeDecodeError):
            return None


def files_layer(a: Side, b: Side, steps: Sequence[Step], contents: Contents | None = None) -> Layer:
    """Compare the files of two sessions: the final ones, then what each call did."""
    if a.is_imported or b.is_imported:
        return Layer("files", notes=(NOT_IN_TRANSCRIPTS,), is_unknown=True)
    texts, rules = Texts(contents), Counter[str]()
    final = with_moves(_final(a, b, contents, texts, rules))
    alike_files = rules.total()
    calls = [found for step in steps if (found := _call(step, texts)) is not None]
    notes = ("the files at the end are the same",) if calls and not final else ()
    compared = len(a.touched.keys() | b.touched.keys())
    return Layer("files", (*final, *calls), compared, rules, alike_files, notes)


def _final(a: Side, b: Side, contents: Contents | None, texts: Texts, rules: Counter[str]) -> Iterator[Difference]:
    paths = [path for path in sorted(a.touched.keys() | b.touched.keys()) if _may_differ(a, b, path)]
    if not paths:
        return
    began = [began_with(side, contents) for side in (a, b)]
    for path in paths:
        one, other = _state(a, path, began[0]), _state(b, path, began[1])
        if _is_same(one, other):
            continue
        if one is not None and other is not None:
            fired = texts.rules(one, other, _time(a, path), _time(b, path))
            if fired is not None:
                rules.update(fired[:1] or ("contents",))
                continue
        yield Difference("files", kind_of(one, other), short(path), _place(a, path, one), _place(b, path, other))


def _may_differ(a: Side, b: Side, path: str) -> bool:
    """Say whether the hashes leave a question about a path."""
    if is_derived(path):
        return False
    one, other = a.touched.get(path), b.touched.get(path)
    return one is None or other is None or not _is_same(_after(one), _after(other))


def _state(side: Side, path: str, began: dict[str, File] | None) -> JsonObject | None:
    """Return a path as it is at the end: as the last change left it, or as it was in the beginning."""
    if path in side.touched:
        return _after(side.touched[path])
    file = (began or {}).get(path)
    return None if file is None else file.as_json()


def _after(touched: Touched) -> JsonObject | None:
    return None if touched.change.get("change") == "deleted" else touched.change


def _is_same(one: JsonObject | None, other: JsonObject | None) -> bool:
    if one is None or other is None:
        return one is other
    return _contents_of(one) == _contents_of(other)


def _contents_of(body: JsonObject) -> tuple[object, ...]:
    """Return what counts of a file; one whose contents were not kept is the same as no other but by its size."""
    return tuple(body.get(name) for name in ("kind", "mode", "sha256", "target", "cut")) + (
        (body.get("size"),) if body.get("sha256") is None else ()
    )


def _time(side: Side, path: str) -> str | None:
    return side.touched[path].at if path in side.touched else None


def _place(side: Side, path: str, state: JsonObject | None) -> Place | None:
    touched = side.touched.get(path)
    seq = touched.seq if touched is not None else side.uploaded_seq
    return None if state is None else Place(seq, "/changes" if touched is not None else "/manifest", state)


def alike_effects(one: Observation, other: Observation, texts: Texts) -> tuple[str, ...] | None:
    """Return the rules without which two calls did something else to the files; None where they did all the same."""
    if one.changes == other.changes:
        return ()
    mine, theirs = one.effects - other.effects, other.effects - one.effects
    if {effect[:4] for effect in mine} != {effect[:4] for effect in theirs}:
        return None
    bodies = [{str(body.get("path")): body for body in seen.changes} for seen in (one, other)]
    fired: dict[str, None] = {}
    for path, *_ in sorted(mine, key=lambda effect: effect[0]):
        rules = texts.rules(bodies[0][path], bodies[1][path], one.at, other.at)
        if rules is None:
            return None
        fired |= dict.fromkeys(rules)
    return tuple(fired)


def _call(step: Step, texts: Texts) -> Difference | None:
    if step.a is None or step.b is None or not step.same_arguments:
        return None
    one, other = step.a.observation, step.b.observation
    if one is None or other is None or alike_effects(one, other, texts) is not None:
        return None
    mine, theirs = one.effects - other.effects, other.effects - one.effects
    names = list(dict.fromkeys(short(path) for path, *_ in sorted((*mine, *theirs), key=lambda effect: effect[0])))
    what = f"{step.a.name}: {', '.join(names)}"
    first, second = (
        Place(seen.changes_seq or seen.seq, "/changes", sorted(f"{change} {short(path)}" for path, change, *_ in own))
        for seen, own in ((one, mine), (other, theirs))
    )
    return Difference("files", "changed", what, first if mine else None, second if theirs else None, step)
