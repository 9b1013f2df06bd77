"""Packages that two images have in other versions, those that tell most first."""

import re
from collections.abc import Collection, Iterable

from agentctl.compare.causes import MovedPackage
from agentctl.session.packages import Packages

_OF_SYSTEMS = ("Debian", "Alpine")
"""Managers whose packages move in herds, whatever else does: those of the languages stand before them."""


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


def by_weight(
    moved: Iterable[MovedPackage], texts: Collection[str], wanted: Collection[str]
) -> tuple[MovedPackage, ...]:
    """Put first the packages that ``texts`` name, then those that a definition has ``wanted``."""
    lower = [text.lower() for text in texts]

    def weight(package: MovedPackage) -> tuple[bool, bool]:
        return not is_named(package, lower), package.name not in wanted

    return tuple(sorted(moved, key=weight))


def is_named(package: MovedPackage, texts: Iterable[str]) -> bool:
    """Say whether texts in small letters name a package, as managers or as programs write it."""
    names = {package.name.lower(), package.name.lower().replace("-", "_")}
    return any(name in text and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for text in texts for name in names)
