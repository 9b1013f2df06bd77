"""Very many refusals in few events: none is lost, and no program fills the record by asking in vain."""

from agentctl.canonical import JsonObject

EACH = 1_000
"""So many refusals are told each; later ones are counted, and told together."""

MOST_KINDS = 100
"""So many hosts with their reasons are counted apart at a time, the others together."""

OTHERS = "(other hosts)"


class Refusals:
    """Decides what is told at once, and keeps count of the rest."""

    def __init__(self, each: int = EACH, most_kinds: int = MOST_KINDS) -> None:
        self._each = each
        self._most_kinds = most_kinds
        self._told = 0
        self._folded: dict[tuple[object, ...], JsonObject] = {}

    @property
    def are_waiting(self) -> bool:
        """Whether something was counted that nobody has been told."""
        return bool(self._folded)

    def take(self, refusal: JsonObject) -> JsonObject | None:
        """Return a refusal that is to be told at once; None for one that is only counted."""
        if self._told < self._each:
            self._told += 1
            return refusal
        key = tuple(refusal.get(name) for name in ("host", "port", "scheme", "reason"))
        if key not in self._folded and len(self._folded) >= self._most_kinds:
            key, refusal = (), refusal | {"host": OTHERS, "port": 0, "reason": "refused, each for a reason of its own"}
        former = self._folded.get(key)
        self._folded[key] = _more(former) if former else refusal | {"times": 1}
        return None

    def drain(self) -> list[JsonObject]:
        """Return what was counted, as one refusal of each kind, and begin anew."""
        folded, self._folded = self._folded, {}
        return list(folded.values())


def _more(folded: JsonObject) -> JsonObject:
    return folded | {"times": folded["times"] + 1}
