"""Differences in words: in a line each, and the values that they are about."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from agentctl.canonical import canonical_json
from agentctl.compare.causes import cause_of
from agentctl.compare.difference import Difference, Layer, Step
from agentctl.compare.header import PACKAGE
from agentctl.compare.metrics import Amount, Metric
from agentctl.compare.moves import is_move
from agentctl.compare.sessions import Compared
from agentctl.compare.side import Side
from agentctl.render.calls import asked
from agentctl.render.numbers import count, duration, many, money

_HASH = "sha256:"
_HASH_CHARACTERS = 12
_MOST_VALUE = 400
_MOST_NAMES = 4

_SHOWN_METRICS = ("cost", "calls", "failed", "requests", "tokens", "seconds", "approvals")
_SINGULAR = {"calls": "call", "requests": "request", "tokens": "token", "approvals": "approval"}


def value_text(value: Any) -> str:
    """Write a value on one line, hashes and long text cut."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case str():
            text = value
        case {"sha256": str(digest)}:
            text = f"{_HASH}{digest}"
        case {"manager": str(_), "version": str(version)}:
            text = version
        case {"kind": "file", "cut": str(reason)}:
            text = f"not kept: {reason}"
        case {"kind": str(kind), "path": _}:
            text = kind
        case {"allowed": bool(allowed), "refused": bool(refused), "reasons": [*reasons]}:
            words = [*(["allowed"] if allowed else []), *(["refused"] if refused else [])]
            text = " and ".join(words) + (f" ({'; '.join(map(str, reasons))})" if reasons else "")
        case [*items] if all(isinstance(item, str) for item in items):
            text = ", ".join(items)
        case _:
            text = canonical_json(value)
    return _short(text) if text.startswith(_HASH) else text[:_MOST_VALUE]


def change_text(difference: Difference) -> str:
    """Say what a difference is: ``A > B``, or which side alone has it."""
    a = value_text(difference.a.value) if difference.a is not None else ""
    b = value_text(difference.b.value) if difference.b is not None else ""
    match difference.kind:
        case "only_a":
            return f"only in A: {a}" if a else "only in A"
        case "only_b":
            return f"only in B: {b}" if b else "only in B"
        case _ if is_move(difference):
            return "the same contents"
        case _ if a != b:
            return f"{a} > {b}"
        case _:
            return _modes_text(difference) or f"{a} (other contents)"


def _modes_text(difference: Difference) -> str:
    """Say how the permissions of a file differ that has the same contents; empty where nothing is known of that."""
    match [place.value if place is not None else None for place in (difference.a, difference.b)]:
        case [{"mode": int(one)}, {"mode": int(other)}] if one != other:
            return f"mode {one:o} > {other:o}"
        case _:
            return ""


def heading(compared: Compared) -> tuple[str, str]:
    """Say in a line what it comes to, the likely cause first, and in which style."""
    if compared.is_same:
        return "the same" + _but_for(compared), "good"
    header = compared.layers.get("header")
    if header is not None and header.differences:
        first, *others = header.differences
        more = f" (and {len(others):,} more)" if others else ""
        if is_package(first):
            return f"package moved: {package_text(first)}{_more_packages(others)}", "warning"
        name, _, inner = first.what.partition(": ")
        plural = "" if not name.startswith("files") else "s"
        verb = "differs" if not plural else "differ"
        return f"{name} {verb}: {inner + ' ' if inner else ''}{change_text(first)}{more}", "warning"
    first_step = compared.first
    if first_step is not None and first_step.step is not None:
        return _parting(first_step, first_step.step), "warning"
    layer = compared.differing[0]
    return f"{layer.name} differ{'' if layer.name == 'files' else 's'}: {layer_text(layer)}", "warning"


def is_package(difference: Difference) -> bool:
    """Say whether a difference is that of a package of the images."""
    return difference.what.startswith(f"{PACKAGE}: ")


def package_text(difference: Difference) -> str:
    """Say how a package moved: ``six 1.16.0 > 1.17.0 (pip)``; none is where an image does not have it."""
    places = (difference.a, difference.b)
    versions = [value_text(place.value) if place is not None else "none" for place in places]
    managers = [place.value["manager"] for place in places if place is not None]
    return f"{difference.what.removeprefix(f'{PACKAGE}: ')} {' > '.join(versions)} ({managers[0]})"


def name_text(difference: Difference) -> str:
    """Name what a difference is about, where several are listed."""
    if not is_package(difference):
        return difference.what
    managers = [place.value["manager"] for place in (difference.a, difference.b) if place is not None]
    return f"{difference.what} ({managers[0]})"


def _more_packages(others: Sequence[Difference]) -> str:
    """Say how many packages moved beside one; what else differs is told of where it stands."""
    number = sum(map(is_package, others))
    return f", and {many(number, 'more package')}" if number else ""


def cause_text(compared: Compared) -> str:
    """Say why the first call that parts gave something else, as far as that shows; empty where it parts otherwise."""
    first = compared.first
    if first is None or first.layer != "observations" or first.step is None:
        return ""
    step = first.step
    if step.a is None or step.b is None:
        return ""
    cause = cause_of(step.a, step.b, {})
    named = next((each.name for each in compared.packages.moved), None)
    return "" if cause.kind == "version_moved" and cause.subject == named else cause.line


def _parting(first: Difference, step: Step) -> str:
    before = "from the first call on" if step.number == 1 else f"after {many(step.number - 1, 'same call')}"
    match first.layer:
        case "trajectory":
            return f"the agents part {before}: {'A' if step.a else 'B'} calls {call_text(step)}"
        case "arguments":
            return f"the agents part {before}: {first.what} differs"
        case "observations":
            return f"the same call gave something else {before}: {call_text(step)}"
        case "network":
            return f"{first.what} differs {before}: {change_text(first)}"
        case _:
            return f"the same call left other files {before}: {call_text(step)}"


def _but_for(compared: Compared) -> str:
    rules = sum((layer.alike for layer in compared.layers.values()), Counter[str]())
    outcome = compared.layers.get("outcome")
    said = "the words of the answer" if outcome is not None and outcome.notes else ""
    noise = [*([said] if said else []), *rules]
    return f", but for {_listed(noise)}" if noise else ""


def call_text(step: Step) -> str:
    """Name a call: the tool and its most telling argument."""
    call = step.call
    told = asked(call.name, call.input)
    return " ".join(filter(None, (call.name, told.text, told.remark)))


def layer_text(layer: Layer) -> str:
    """Say in a line what differs in a layer."""
    found = layer.differences
    match layer.name:
        case "header":
            return _header(layer)
        case "trajectory":
            sides = [
                (side, sum(each.kind == kind for each in found)) for side, kind in (("A", "only_a"), ("B", "only_b"))
            ]
            return ", ".join(f"{many(number, 'call')} only in {side}" for side, number in sides if number)
        case "arguments" | "observations":
            steps = len({each.step.number for each in found if each.step is not None})
            return f"{steps:,} of {many(layer.compared, 'call')}: {_listed(_names(found))}{_alike(layer)}"
        case "files":
            return _files(found) + _alike(layer)
        case _:
            return _listed([f"{each.what} {change_text(each)}" for each in found]) + _alike(layer)


def _header(layer: Layer) -> str:
    """Say what two sessions began with otherwise: the first thing of it, the packages, and what is worth adding."""
    packages = [package_text(each) for each in layer.differences if is_package(each)]
    others = [each for each in layer.differences if not is_package(each)]
    more = f" (and {len(others) - 1:,} more)" if len(others) > 1 else ""
    parts = [f"{each.what} {change_text(each)}{more}" for each in others[:1]]
    if packages:
        parts.append(f"{'package' if len(packages) == 1 else 'packages'} {_listed(packages)}")
    if is_package(layer.differences[0]):
        parts.reverse()
    return "; ".join((*parts, *layer.notes))


def alike_text(layer: Layer) -> str:
    """Say by which rules things of a layer are alike; empty where there are none."""
    if not layer.alike_items:
        return ""
    noun = {"observations": "observation", "files": "file", "outcome": "output"}.get(layer.name, "thing")
    return f"{many(layer.alike_items, noun)} alike but for {_listed(list(layer.alike))}"


def _alike(layer: Layer) -> str:
    return f"; {alike_text(layer)}" if layer.alike_items else ""


def _names(found: Sequence[Difference]) -> list[str]:
    return list(dict.fromkeys(each.what for each in found))


def _files(found: Sequence[Difference]) -> str:
    final = [each for each in found if each.step is None]
    if not final:
        return f"the same at the end, made otherwise in {many(len(found), 'call')}"
    marks = {"changed": "", "only_a": " (only in A)", "only_b": " (only in B)"}
    return _listed([f"{each.what}{marks[each.kind]}" for each in final])


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def metrics_texts(metrics: Sequence[Metric]) -> list[str]:
    """Say which numbers differ, those that matter most first."""
    by_name = {metric.name: metric for metric in metrics}
    return [metric_text(by_name[name]) for name in _SHOWN_METRICS if by_name[name].differs]


def metric_text(metric: Metric) -> str:
    """Write a number of both sides: ``cost $0.0449 > $0.0521 (+16%)``."""
    share = f" ({share_text(metric)})" if share_text(metric) else ""
    return f"{metric.name} {amount_text(metric, metric.a)} > {amount_text(metric, metric.b)}{share}"


def share_text(metric: Metric) -> str:
    """Write by which part a metric has grown: ``+16%``; empty where that is not known or nothing."""
    return "" if metric.share is None or not metric.share else f"{metric.share:+.0%}"


def amount_text(metric: Metric, value: Amount) -> str:
    """Write a number as people read it."""
    if value is None:
        return "unknown"
    if metric.unit == "USD":
        return money(Decimal(str(value)))
    if metric.unit == "s":
        return duration(float(value))
    return count(round(float(value))) if metric.name.endswith("tokens") else f"{value:,}"


def side_text(side: Side) -> list[str]:
    """Say in a few words what a session is: its name, agent, model, sandbox and end."""
    created, result = side.created, side.result
    ended = str((result.stop_reason or {}).get("type", result.status)) if result.status == "idle" else result.status
    if created is None:
        return [side.name, ended]
    model = created.model
    model = f"script {model.rpartition('/')[2]}" if model.startswith("script:") else model
    return [
        side.name,
        str(created.agent.get("name", "")),
        model,
        str(created.sandbox.get("kind", "")),
        ended,
    ]


def relation(compared: Compared, difference: Difference) -> str | None:
    """Say how a difference of a call stands to the others: first, consequence or later; None for all else."""
    if difference.step is None:
        return None
    if difference is compared.first:
        return "first"
    asks = difference.layer in ("trajectory", "arguments")
    return "consequence" if asks and difference.step.number in compared.causes else "later"


def hints(compared: Compared, *, shown_all: bool, shown_text: bool) -> list[tuple[str, str]]:
    """Say what to do next: why, and the command."""
    found: list[tuple[str, str]] = []
    first = compared.first
    later = len(compared.in_steps) - 1
    names = f"{compared.a.name} {compared.b.name}"
    if later > 0 and not shown_all:
        found.append((f"{many(later, 'later difference')}:", f"agentctl diff {names} --all"))
    header = compared.layers.get("header")
    if first is not None and header is not None and not header.differences:
        found.append(("which side moved:", f"agentctl rerun {compared.a.name} --which-moved"))
    outcome = compared.layers.get("outcome")
    if outcome is not None and outcome.notes and not shown_text:
        found.append(("the words of the answers, which never count:", f"agentctl diff {names} --text"))
    return found


def _short(text: str) -> str:
    return f"{_HASH}{text[len(_HASH) :][:_HASH_CHARACTERS]}"
