"""Packages that two images have in other versions, those that tell most first."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from agentctl.compare.causes import MovedPackage
from agentctl.compare.difference import Step
from agentctl.compare.normalise import ladder
from agentctl.compare.side import Side
from agentctl.session.files import Contents
from agentctl.session.packages import Packages, packages_of_facts

_OF_SYSTEMS = ("Debian", "Alpine")
"""Managers whose packages move in herds, whatever else does: those of the languages stand before them."""

_MOST_TEXT = 200_000
_VERSION_BEHIND = re.compile(r"[@=<>~! \[].*\Z")


@dataclass(frozen=True, slots=True)
class PackagesOfTwo:
    """What is known of the packages of two images: how many each has, None where that is not recorded; what moved."""

    a: int | None = None
    b: int | None = None
    moved: tuple[MovedPackage, ...] = ()

    @property
    def are_the_same(self) -> bool:
        """Whether both are known, and the same."""
        return self.a is not None and self.b is not None and not self.moved


def packages_of(a: Side, b: Side, steps: Sequence[Step], contents: Contents | None) -> PackagesOfTwo:
    """Compare the packages of two sessions' images, as their records tell of them."""
    one, other = (packages_of_facts(side.sandbox, contents) for side in (a, b))
    moved = moved_packages(one, other)
    counts = [None if each is None else sum(map(len, each.values())) for each in (one, other)]
    if len(moved) > 1:
        moved = _by_weight(moved, _first_that_parts(steps), _all_texts(steps), _wanted(a) | _wanted(b))
    return PackagesOfTwo(counts[0], counts[1], moved)


def moved_packages(before: Packages | None, now: Packages | None) -> tuple[MovedPackage, ...]:
    """Return the packages that have another version now; none where one side is not known."""
    if before is None or now is None:
        return ()
    found = []
    for manager in sorted(before.keys() | now.keys(), key=lambda name: (name in _OF_SYSTEMS, name != "pip", name)):
        old, new = before.get(manager, {}), now.get(manager, {})
        names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        found += [MovedPackage(manager, name, old.get(name), new.get(name)) for name in names]
    return tuple(found)


def _by_weight(
    moved: Iterable[MovedPackage], first: str, texts: str, wanted: Collection[str]
) -> tuple[MovedPackage, ...]:
    """Put first what the step names at which two sessions part, then what any step names, then what is asked for."""

    def weight(package: MovedPackage) -> tuple[bool, bool, bool]:
        return not package.is_named_in(first), not package.is_named_in(texts), package.name not in wanted

    return tuple(sorted(moved, key=weight))


def _first_that_parts(steps: Sequence[Step]) -> str:
    """Return what was asked and seen at the first step that is not the same on both sides."""
    return next((_text(step) for step in steps if _parts(step)), "")


def _parts(step: Step) -> bool:
    if step.a is None or step.b is None or not step.same_arguments:
        return True
    one, other = step.a.observation, step.b.observation
    if one is None or other is None:
        return one is not other
    return not ladder(one, other, tool=step.a.name, same_files=True).is_alike


def _all_texts(steps: Sequence[Step]) -> str:
    found, size = [], 0
    for step in steps:
        found.append(_text(step))
        size += len(found[-1])
        if size > _MOST_TEXT:
            break
    return "\n".join(found)


def _text(step: Step) -> str:
    calls = [call for call in (step.a, step.b) if call is not None]
    asked = [str(value) for call in calls for value in call.input.values()]
    seen = [call.observation.text for call in calls if call.observation is not None]
    return "\n".join((*asked, *seen))[:_MOST_TEXT].lower()


def _wanted(side: Side) -> set[str]:
    """Return the names of the packages that a session's definition asks for."""
    config = (side.created.environment if side.created is not None else {}).get("config")
    asked = config.get("packages") if isinstance(config, dict) else None
    lists = asked.values() if isinstance(asked, dict) else ()
    texts = [text for each in lists if isinstance(each, list) for text in each if isinstance(text, str)]
    return {_VERSION_BEHIND.sub("", text).lower() for text in texts}
