"""Layers, numbers and sides in words: a line each."""

from collections.abc import Sequence
from decimal import Decimal

from agentctl.compare.difference import Difference, Layer
from agentctl.compare.metrics import Amount, Metric
from agentctl.compare.sessions import Compared
from agentctl.compare.side import Side
from agentctl.render.diff.values import change_text, is_package, package_text
from agentctl.render.numbers import count, duration, many, money

_MOST_NAMES = 4

_SHOWN_METRICS = ("cost", "calls", "failed", "requests", "tokens", "seconds", "approvals")


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
            return f"{steps:,} of {many(layer.compared, 'call')}: {listed(_names(found))}{_alike(layer)}"
        case "files":
            return _files(found) + _alike(layer)
        case _:
            return listed([f"{each.what} {change_text(each)}" for each in found]) + _alike(layer)


def _header(layer: Layer) -> str:
    """Say what two sessions began with otherwise: the first thing of it, the packages, and what is worth adding."""
    packages = [package_text(each) for each in layer.differences if is_package(each)]
    others = [each for each in layer.differences if not is_package(each)]
    more = f" (and {len(others) - 1:,} more)" if len(others) > 1 else ""
    parts = [f"{each.what} {change_text(each)}{more}" for each in others[:1]]
    if packages:
        parts.append(f"{'package' if len(packages) == 1 else 'packages'} {listed(packages)}")
    if is_package(layer.differences[0]):
        parts.reverse()
    return "; ".join((*parts, *layer.notes))


def alike_text(layer: Layer) -> str:
    """Say by which rules things of a layer are alike; empty where there are none."""
    if not layer.alike_items:
        return ""
    noun = {"observations": "observation", "files": "file", "outcome": "output"}.get(layer.name, "thing")
    return f"{many(layer.alike_items, noun)} alike but for {listed(list(layer.alike))}"


def _alike(layer: Layer) -> str:
    return f"; {alike_text(layer)}" if layer.alike_items else ""


def _names(found: Sequence[Difference]) -> list[str]:
    return list(dict.fromkeys(each.what for each in found))


def _files(found: Sequence[Difference]) -> str:
    final = [each for each in found if each.step is None]
    if not final:
        return f"the same at the end, made otherwise in {many(len(found), 'call')}"
    marks = {"changed": "", "only_a": " (only in A)", "only_b": " (only in B)"}
    return listed([f"{each.what}{marks[each.kind]}" for each in final])


def listed(names: Sequence[str]) -> str:
    """Name a few things and count the others."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def metrics_texts(metrics: Sequence[Metric]) -> list[str]:
    """Say which numbers differ as people read them, those that matter most first."""
    by_name = {metric.name: metric for metric in metrics}
    return [metric_text(by_name[name]) for name in _SHOWN_METRICS if shows(by_name[name])]


def shows(metric: Metric) -> bool:
    """Say whether a number differs as people read it."""
    return amount_text(metric, metric.a) != amount_text(metric, metric.b)


def metric_text(metric: Metric) -> str:
    """Write a number of both sides: ``cost $0.0449 -> $0.0521 (+16%)``."""
    share = share_text(metric)
    numbers = f"{amount_text(metric, metric.a)} -> {amount_text(metric, metric.b)}"
    return f"{metric.name} {numbers}{f' ({share})' if share else ''}"


def share_text(metric: Metric) -> str:
    """Write by which part a metric has grown: ``+16%``; empty where that is not known, or nothing that can be read."""
    text = "" if metric.share is None or not shows(metric) else f"{metric.share:+.0%}"
    return "" if text in ("+0%", "-0%") else text


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


def _can_be_done_again(side: Side) -> bool:
    created = side.created
    if created is None or created.imported is not None or not side.models:
        return False
    return created.sandbox.get("kind") in ("docker", "bubblewrap")


def hints(compared: Compared, *, shown_all: bool, shown_text: bool) -> list[tuple[str, str]]:
    """Say what to do next: why, and the command."""
    found: list[tuple[str, str]] = []
    first = compared.first
    later = len(compared.in_steps) - 1
    names = f"{compared.a.name} {compared.b.name}"
    if later > 0 and not shown_all:
        found.append((f"{many(later, 'later difference')}:", f"agentctl diff {names} --all"))
    header = compared.layers.get("header")
    if first is not None and header is not None and not header.differences and _can_be_done_again(compared.a):
        found.append(("which side moved:", f"agentctl rerun {compared.a.name} --which-moved"))
    outcome = compared.layers.get("outcome")
    if outcome is not None and outcome.notes and not shown_text:
        found.append(("the words of the answers, which never count:", f"agentctl diff {names} --text"))
    return found
