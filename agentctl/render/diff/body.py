"""Two compared sessions as the object ``agentctl.diff/1``."""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.compare.demands import Failure
from agentctl.compare.difference import Difference, Layer, Place
from agentctl.compare.metrics import Amount, Metric
from agentctl.compare.sessions import Compared, around, focus
from agentctl.compare.side import Side
from agentctl.events.codec import type_of
from agentctl.render.diff.heading import cause_text, heading
from agentctl.render.diff.words import relation

SCHEMA = "agentctl.diff/1"
_MOST_TEXT = 2_000


def diff_body(compared: Compared, failed: Sequence[Failure] | None, exit_code: int) -> JsonObject:
    """Write a comparison as a script reads it. ``failed`` is None where nothing was demanded."""
    return {
        "type": "diff",
        "schema": SCHEMA,
        "same": compared.is_same,
        "exit_code": exit_code,
        "summary": heading(compared)[0],
        "cause": cause_text(compared) or None,
        "a": _side(compared.a),
        "b": _side(compared.b),
        "packages": {"a": compared.packages.a, "b": compared.packages.b},
        "metrics": [_metric(metric) for metric in compared.metrics],
        "layers": [_layer(compared, layer) for layer in compared.layers.values() if layer.name != "metrics"],
        "first": _first(compared),
        "failed": None if failed is None else [{"demand": str(each.demand), "why": each.why} for each in failed],
    }


def _side(side: Side) -> JsonObject:
    created = side.created
    return {
        "session_id": created and created.session_id,
        "agent": created and created.agent.get("name"),
        "model": created and created.model,
        "environment": created and created.environment.get("name"),
        "status": side.result.status,
        "stop_reason": (side.result.stop_reason or {}).get("type"),
        "events": side.last_seq,
        "calls": len(side.calls),
    }


def _metric(metric: Metric) -> JsonObject:
    return {
        "name": metric.name,
        "unit": metric.unit,
        "a": _amount(metric, metric.a),
        "b": _amount(metric, metric.b),
        "change": None if metric.share is None else round(metric.share, 4),
    }


def _amount(metric: Metric, value: Amount) -> str | float | int | None:
    """Write money as text, so that it stays exact."""
    if value is None:
        return None
    return f"{value.normalize():f}" if metric.unit == "USD" and not isinstance(value, float | int) else value  # type: ignore[return-value]


def _layer(compared: Compared, layer: Layer) -> JsonObject:
    return {
        "name": layer.name,
        "differs": bool(layer.differences),
        "unknown": layer.is_unknown,
        "compared": layer.compared,
        "alike": {"items": layer.alike_items, "rules": dict(layer.alike)},
        "notes": list(layer.notes),
        "differences": [_difference(compared, each) for each in layer.differences],
    }


def _difference(compared: Compared, difference: Difference) -> JsonObject:
    step = difference.step
    word = relation(compared, difference)
    cause = compared.causes.get(step.number) if step is not None and word == "consequence" else None
    return {
        "kind": difference.kind,
        "what": difference.what,
        "call": step and step.number,
        "relation": word,
        "cause": cause and {"event": cause.event, "value": cause.value},
        "same_effects": difference.is_weak,
        "a": _place(difference.a),
        "b": _place(difference.b),
    }


def _place(place: Place | None) -> JsonObject | None:
    if place is None:
        return None
    value, is_cut = _cut(place.value)
    return {"event": place.event, "pointer": place.pointer, "value": value, "cut": is_cut}


def _cut(value: object) -> tuple[object, bool]:
    """Return a value with its long texts cut, and whether any was: the record has them whole, at that place."""
    match value:
        case str():
            return value[:_MOST_TEXT], len(value) > _MOST_TEXT
        case dict():
            members = {name: _cut(item) for name, item in value.items()}
            return {name: item for name, (item, _) in members.items()}, any(cut for _, cut in members.values())
        case list():
            items = [_cut(item) for item in value]
            return [item for item, _ in items], any(cut for _, cut in items)
        case _:
            return value, False


def _first(compared: Compared) -> JsonObject | None:
    first = compared.first
    if first is None or first.step is None:
        return None
    a, b = focus(first)
    return {
        "layer": first.layer,
        "call": first.step.number,
        "a": {"event": a, "context": _context(compared.a, a)},
        "b": {"event": b, "context": _context(compared.b, b)},
    }


def _context(side: Side, seq: int | None) -> list[JsonObject]:
    return [{"event": number, "type": type_of(event)} for number, event in around(side, seq)]
