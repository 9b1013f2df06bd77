"""The first line of a comparison: the likely cause, and why, as far as that shows."""

from collections import Counter
from collections.abc import Sequence

from agentctl.compare.calls import Call
from agentctl.compare.causes import cause_of
from agentctl.compare.difference import LAYERS, Difference, Layer, Place, Step
from agentctl.compare.header import FILE, LIMITS
from agentctl.compare.moves import is_move
from agentctl.compare.outcome import ending
from agentctl.compare.sessions import Compared
from agentctl.compare.side import Side
from agentctl.render.diff.values import call_text, change_text, given_text, is_package, package_text
from agentctl.render.diff.words import layer_text, listed
from agentctl.render.numbers import many

_CERTAIN = ("network_denied", "command_missing", "module_missing", "timeout", "memory")
"""Causes that a call says so plainly that nothing beside it tells more."""

_OF_RERUNS = ("sandbox_lost", "not_made")
"""Causes that a rerun knows, and two sessions do not."""

_ENDS = {
    "max_tokens": "ended at the most tokens of an answer",
    "refusal": "ended because the model declined",
    "requires_action": "waits for a person",
}


def heading(compared: Compared) -> tuple[str, str]:
    """Say in a line what it comes to, the likely cause first, and in which style."""
    if compared.is_same:
        return _same(compared), "good"
    header = compared.layers.get("header")
    if header is not None and header.differences:
        return _began(header.differences), "warning"
    if ended := _ended_early(compared):
        return ended, "warning"
    first = compared.first
    if first is not None and first.step is not None:
        return _parting(compared, first, first.step), "warning"
    layer = compared.differing[0]
    return f"{layer.name} differ{'' if layer.name == 'files' else 's'}: {layer_text(layer)}", "warning"


def cause_text(compared: Compared) -> str:
    """Say why the first call that parts gave something else, as far as that shows; empty where it parts otherwise."""
    first = compared.first
    if first is None or first.layer != "observations" or first.step is None:
        return ""
    step = first.step
    if step.a is None or step.b is None:
        return ""
    if (denied := [_is_denied(call) for call in (step.a, step.b)]) in ([True, False], [False, True]):
        return f"it was denied in {'A' if denied[0] else 'B'}"
    cause = cause_of(step.a, step.b, {})
    if cause.kind in _OF_RERUNS:
        return ""
    if cause.kind not in _CERTAIN and (host := _host(compared, step)):
        return host
    named = next((each.name for each in compared.packages.moved), None)
    return "" if cause.kind == "version_moved" and cause.subject == named else cause.line


def _is_denied(call: Call) -> bool:
    return "deny" in (call.permission, call.answer)


def _host(compared: Compared, step: Step) -> str:
    """Say what came of a host while a step ran, where that differs; empty where nothing did."""
    layer = compared.layers.get("network")
    for each in layer.differences if layer is not None else ():
        sides = ((step.a, each.a), (step.b, each.b))
        if each.step is None and any(_is_within(call, place) for call, place in sides):
            return f"network: {each.what} {change_text(each)}"
    return ""


def _is_within(call: Call | None, place: Place | None) -> bool:
    seen = call.observation if call is not None else None
    event = place.event if place is not None else None
    return call is not None and seen is not None and event is not None and call.seq < event < (seen.seq or 0)


def _began(differences: Sequence[Difference]) -> str:
    """Say what two sessions began with otherwise."""
    first, *others = differences
    more = f" (and {len(others):,} more)" if others else ""
    if is_package(first):
        packages = sum(map(is_package, others))
        return f"package moved: {package_text(first)}" + (f", and {many(packages, 'more package')}" if packages else "")
    name, _, inner = first.what.partition(": ")
    if is_move(first):
        return f"{name} moved: {inner.removeprefix('moved ')}{more}"
    verb = "differ" if name == LIMITS or name == f"{FILE}s" else "differs"
    return f"{name} {verb}: {inner + ' ' if inner else ''}{change_text(first)}{more}"


def _ended_early(compared: Compared) -> str:
    """Say that one side did not come to its end, where the other goes on or that alone tells them apart."""
    outcome, first = compared.layers.get("outcome"), compared.first
    if first is None and outcome is not None and _ends(outcome):
        for name, side, other in _sides(compared):
            if _why(side) and not _why(other):
                return f"{name} {_why(side)} after {many(len(side.calls), 'same call')}"
        return ""
    if first is None or first.step is None or first.layer != "trajectory":
        return ""
    step = first.step
    for name, side, _ in _sides(compared):
        is_over = (step.b is None and step.next_b is None) if name == "B" else (step.a is None and step.next_a is None)
        if is_over and (why := _why(side)):
            return f"{name} {why} {_after(step)}"
    return ""


def _sides(compared: Compared) -> tuple[tuple[str, Side, Side], ...]:
    a, b = compared.a, compared.b
    return ("B", b, a), ("A", a, b)


def _ends(outcome: Layer) -> bool:
    return any(each.what in ("status", "stop reason", "limit", "error") for each in outcome.differences)


def _why(side: Side) -> str:
    """Say how a session came to an end that is none, or that it has not come to one; empty for a usual end."""
    result, end = side.result, ending(side)
    error = result.body()["error"]
    if error is not None and result.status != "running":
        return f"failed ({error['message']})"
    if end["limit"] is not None:
        return f"came to its limit ({end['limit']})"
    if result.status == "interrupted":
        return f"was stopped ({result.signal})"
    if result.status != "idle":
        return "has not come to rest"
    reason = end["stop_reason"]
    if reason in (None, "end_turn"):
        return ""
    return _ENDS.get(reason, f"ended with {reason}")


def _after(step: Step) -> str:
    return "before its first call" if step.number == 1 else f"after {many(step.number - 1, 'same call')}"


def _instead(compared: Compared, step: Step) -> str:
    """Say what the other side does in the place of a call that only one side has."""
    own, other = ("A", "B") if step.a else ("B", "A")
    if (step.next_b if step.a else step.next_a) is None:
        return f", where {other} ends"
    for later in compared.steps[step.number :]:
        if later.a is not None and later.b is not None:
            break
        if (later.a is None) == (own == "A"):
            return f", {other} calls {call_text(later)}"
    return ""


def _parting(compared: Compared, first: Difference, step: Step) -> str:
    before = "from the first call on" if step.number == 1 else f"after {many(step.number - 1, 'same call')}"
    match first.layer:
        case "trajectory":
            return (
                f"the agents part {before}: {'A' if step.a else 'B'} calls {call_text(step)}{_instead(compared, step)}"
            )
        case "arguments":
            return f"the agents part {before}: {given_text(first)}"
        case "observations":
            return f"the same call gave something else {before}: {call_text(step)}"
        case "network":
            return f"{first.what} differs {before}: {change_text(first)}"
        case _:
            return f"the same call left other files {before}: {call_text(step)}"


def _same(compared: Compared) -> str:
    """Say that nothing differs that counts, and in what, where not everything was looked at."""
    names = list(compared.layers)
    if names == ["metrics"]:
        return "numbers are never a difference"
    where = "" if len(names) == len(LAYERS) else f" in {listed([name for name in names if name != 'metrics'])}"
    return f"the same{where}{_but_for(compared)}"


def _but_for(compared: Compared) -> str:
    rules = sum((layer.alike for layer in compared.layers.values()), Counter[str]())
    outcome = compared.layers.get("outcome")
    said = "the words of the answer" if outcome is not None and outcome.notes else ""
    noise = [*([said] if said else []), *rules]
    return f", but for {listed(noise)}" if noise else ""
