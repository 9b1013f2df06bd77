"""Many runs: what they took, how they ended, where they part; as a page and as JSON."""

from collections.abc import Sequence
from decimal import Decimal

from agentctl.canonical import JsonObject
from agentctl.compare.runs import Ends, Numbers, Parting, Runs, where_they_part
from agentctl.compare.side import Side
from agentctl.compare.statistics import ENOUGH, Spread
from agentctl.render.diff.words import listed, side_text
from agentctl.render.lines import EMPTY, Line, Span, clip, plain, shown, wrap
from agentctl.render.listing import table
from agentctl.render.look import Look
from agentctl.render.numbers import count, duration, many, money

SCHEMA = "agentctl.diff-runs/1"
_WIDEST = 120


def runs_lines(runs: Runs, look: Look) -> list[Line]:
    """Return the page of many runs."""
    columns = min(look.columns, _WIDEST) - 1
    head = [plain(row, "bold") for row in wrap(shown(runs_heading(runs), look), columns)]
    groups = [_group("A", runs.a, look, columns), *([_group("B", runs.b, look, columns)] if runs.b else [])]
    said = [plain(row, "dim") for line in _said(runs) for row in wrap(shown(line, look), columns)]
    parts = [[*head, *groups], _numbers(runs, look), _partings(runs, look, columns), said]
    page: list[Line] = []
    for part in filter(None, parts):
        page += [EMPTY, *part] if page else part
    return page


def runs_heading(runs: Runs) -> str:
    """Say in a line what the runs come to."""
    if runs.ends.is_regression:
        return f"a regression: {_ended(runs.ends)}"
    apart = [numbers.name for numbers in runs.numbers if numbers.is_apart]
    if runs.differing:
        where = f"{'runs of B' if runs.b else 'the runs'} differ in {', '.join(runs.differing)}"
        return f"{where}; {', '.join(apart)} moved" if apart else where
    return f"{', '.join(apart)} moved" if apart else "the runs do the same"


def runs_body(runs: Runs, failed: Sequence[str] | None, exit_code: int) -> JsonObject:
    """Write many runs as the object ``agentctl.diff-runs/1``."""
    return {
        "type": "diff_runs",
        "schema": SCHEMA,
        "same": not runs.differing,
        "exit_code": exit_code,
        "summary": runs_heading(runs),
        "enough": ENOUGH,
        "a": [_run(runs.reference, None), *(_run(each.run, each) for each in runs.partings_a)],
        "b": [_run(each.run, each) for each in runs.partings_b],
        "differing": list(runs.differing),
        "metrics": [
            {
                "name": numbers.name,
                "a": _spread(numbers.a),
                "b": _spread(numbers.b),
                "p": numbers.chance,
                "apart": numbers.is_apart,
            }
            for numbers in runs.numbers
        ],
        "ended": {
            "a": list(runs.ends.a),
            "b": list(runs.ends.b),
            "p": runs.ends.chance,
            "regression": runs.ends.is_regression,
        },
        "failed": None if failed is None else list(failed),
    }


def _run(side: Side, parting: Parting | None) -> JsonObject:
    return {
        "session_id": side.created and side.created.session_id,
        "parts_at": None if parting is None or parting.call is None else {"call": parting.call, "layer": parting.layer},
        "layers": [] if parting is None else list(parting.layers),
    }


def _spread(found: Spread | None) -> JsonObject | None:
    return None if found is None else {"least": found.least, "median": found.median, "most": found.most, "n": found.n}


def _group(mark: str, sides: Sequence[Side], look: Look, columns: int) -> Line:
    _, *others = [shown(part, look) for part in side_text(sides[0]) if part]
    dot = f" {look.symbols.dot} "
    names = ", ".join(shown(side.name, look) for side in sides)
    told = [Span(f"  {mark} ", "bold"), Span(many(len(sides), "run")), Span(dot + dot.join(others[:-1]), "dim")]
    return clip([*told, Span(f"{dot}{names}", "dim")], columns, look.symbols.ellipsis)


def _numbers(runs: Runs, look: Look) -> list[Line]:
    rows = [_row(numbers) for numbers in runs.numbers if numbers.a is not None or numbers.b is not None]
    head = ("  median (range)", "A", *(("B", "p") if runs.b else ()), "")
    kept = [[row[0], row[1], *(row[2:4] if runs.b else []), Span("")] for row in rows]
    return table(head, kept, look, (1, 2, 3) if runs.b else (1,))


def _row(numbers: Numbers) -> list[Span]:
    chance = "" if numbers.chance is None else f"{numbers.chance:.3f}"
    return [
        Span(f"  {numbers.name}", "dim"),
        Span(_told(numbers.name, numbers.a)),
        Span(_told(numbers.name, numbers.b)),
        Span(chance, "warning" if numbers.is_apart else "dim"),
    ]


def _told(name: str, found: Spread | None) -> str:
    if found is None:
        return "unknown"
    middle = _amount(name, found.median)
    if found.least == found.most:
        return middle
    return f"{middle} ({_amount(name, found.least)} to {_amount(name, found.most)})"


def _amount(name: str, value: float) -> str:
    match name:
        case "cost":
            return money(Decimal(str(value)))
        case "seconds":
            return duration(value)
        case _ if name.endswith("tokens"):
            return count(round(value))
        case _:
            return f"{value:g}"


def _partings(runs: Runs, look: Look, columns: int) -> list[Line]:
    lines: list[Line] = [plain(f"where runs leave {shown(runs.reference.name, look)}", "bold")]
    for mark, partings in (("A", runs.partings_a), ("B", runs.partings_b)):
        for call, number in where_they_part(partings).items():
            layers = sorted({parting.layer for parting in partings if parting.call == call and parting.layer})
            where = "never" if call is None else f"at call {call} ({', '.join(layers)})"
            told = Span(where, "dim" if call is None else "")
            names = listed([shown(parting.run.name, look) for parting in partings if parting.call == call])
            line = [Span(f"  {mark} ", "bold"), Span(f"{many(number, 'run'):<8} "), told, Span(f"  {names}", "dim")]
            lines.append(clip(line, columns, look.symbols.ellipsis))
    return lines


def _said(runs: Runs) -> list[str]:
    """Say what the numbers allow to be said."""
    if not runs.b:
        return []
    least = min(len(runs.a), len(runs.b))
    numbers = f"n = {len(runs.a)} and {len(runs.b)}"
    if least < ENOUGH:
        return [f"{numbers}: too few to tell a change from chance; {ENOUGH} runs a side are needed"]
    return [
        f"{numbers}; p by Mann-Whitney, two-sided, not corrected for looking at several numbers",
        f"{_ended(runs.ends)}",
    ]


def _ended(ends: Ends) -> str:
    chance = "" if ends.chance is None else f" (p = {ends.chance:.3f}, Fisher, two-sided)"
    return f"came to their end: {ends.a[0]} of {sum(ends.a)} in A, {ends.b[0]} of {sum(ends.b)} in B{chance}"
