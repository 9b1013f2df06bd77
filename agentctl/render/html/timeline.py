"""The time of a session as a bar: who worked when, and where its moments are, each with a link."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentctl.render.html.markup import Html, empty_tag, join, tag, text
from agentctl.render.moments import Kind
from agentctl.render.numbers import duration, many
from agentctl.render.spent import WORDS
from agentctl.session.timing import ACTIVITIES, Activity

_WIDTH, _HEIGHT = 1000, 26
_MOST_BARS = 250
_LONGEST_REST = 5.0
_MARKED = (Kind.ERROR, Kind.APPROVAL, Kind.FILES, Kind.COST)


@dataclass(frozen=True, slots=True)
class Passed:
    """What passed until an event: seconds of one activity; and what the event is looked for as."""

    seq: int
    activity: Activity
    seconds: float
    kinds: Kind


def timeline(passed: Sequence[Passed]) -> Html:
    """Draw the bar. Waiting for a person counts as a few seconds: a night would leave no room for the rest.

    Its parts are for a mouse. Whoever goes from one control to the next would have to pass hundreds of them.
    """
    lengths = [min(each.seconds, _LONGEST_REST) if each.activity == "person" else each.seconds for each in passed]
    total = sum(lengths)
    if total <= 0:
        return Html("")
    bars: list[Html] = []
    ticks: list[Html] = []
    begin = end = 0.0
    group: list[tuple[Passed, float]] = []
    for each, length in zip(passed, lengths, strict=True):
        group.append((each, length))
        end += length
        ticks += _ticks(each, _WIDTH * end / total)
        if end - begin >= total / _MOST_BARS or each is passed[-1]:
            bars.append(_bar(group, begin, total))
            begin, group = end, []
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    drawn = tag("g", join(bars), join(_thinned(ticks)), aria_hidden="true")
    return tag("svg", drawn, viewBox=box, preserveAspectRatio="none", role="img",
               aria_label="as a bar; its sums stand below")  # fmt: skip


def legend(seconds: dict[Activity, float], passed: Sequence[Passed]) -> Html:
    """Say what the colours of the bar are and how long each was, and what the marks below it are."""
    parts = [
        tag("span", text(f"{WORDS[name]} {duration(seconds[name])}"), kind=f"key {name}")
        for name in ACTIVITIES
        if seconds[name] >= 0.05
    ]
    marked = [next((kind for kind in _MARKED if kind in each.kinds), None) for each in passed]
    parts += [
        tag("span", text(many(marked.count(kind), kind.noun)), kind=f"key {_name(kind)}")
        for kind in _MARKED
        if kind in marked
    ]
    return tag("p", *parts, kind="legend")


def _bar(group: Sequence[tuple[Passed, float]], begin: float, total: float) -> Html:
    lengths: dict[Activity, float] = {}
    for each, length in group:
        lengths[each.activity] = lengths.get(each.activity, 0.0) + length
    most = max(lengths, key=lambda name: lengths[name])
    length = sum(lengths.values())
    shape = empty_tag("rect", x=_place(begin, total), y=0, width=_place(length, total), height=16, kind=most)
    first = group[0][0].seq
    told = tag("title", text(f"#{first}: {WORDS[most]} {duration(length)}"))
    return tag("a", Html(f"{shape}{told}</rect>"), href=f"#e{first}", tabindex=-1)


def _ticks(each: Passed, place: float) -> list[Html]:
    kinds = [kind for kind in _MARKED if kind in each.kinds]
    return [
        tag(
            "a",
            Html(f"{empty_tag('rect', x=f'{place - 1:.1f}', y=18, width=3, height=8, kind=f'tick {_name(kind)}')}"
                 f"{tag('title', text(f'#{each.seq}: {kind.noun}'))}</rect>"),
            href=f"#e{each.seq}",
            tabindex=-1,
        )
        for kind in kinds[:1]
    ]  # fmt: skip


def _thinned(ticks: Sequence[Html]) -> Sequence[Html]:
    """Of very many, leave out what would stand on top of each other."""
    return ticks if len(ticks) <= 2 * _MOST_BARS else ticks[:: -(-len(ticks) // (2 * _MOST_BARS))]


def _place(seconds: float, total: float) -> str:
    return f"{_WIDTH * seconds / total:.1f}"


def _name(kind: Kind) -> str:
    return (kind.name or "").lower()
