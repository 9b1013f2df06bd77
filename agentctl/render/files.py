"""What a session did to its files, in lines and as JSON."""

from collections.abc import Sequence

from agentctl.canonical import JsonObject
from agentctl.events.local import LocalFilesChanged
from agentctl.patch.attention import attention
from agentctl.render.calls import asked
from agentctl.render.lines import Line, Span, cells, clip, fit_tail, plain, shown
from agentctl.render.listing import table
from agentctl.render.look import Look
from agentctl.render.numbers import many, size
from agentctl.session.effects import OUTPUTS, WORKSPACE, CallFiles, Effect, inside
from agentctl.session.files import File
from agentctl.session.filesums import Counts, FileSums, count, counts_in
from agentctl.session.gitnames import is_gits_own

PLACES = (("workspace", WORKSPACE), ("outputs", OUTPUTS), ("elsewhere", "/"))
"""Headings, and the folders that they stand for; a path is told under the first that it is in."""

_MOST_LINES = 12
_MOST_REMARKED = 60
_MOST_NAMES = 3
_MARKS = {"created": ("+", "good"), "modified": ("~", "warning"), "deleted": ("-", "bad")}
_BESIDE_PATH = 34
_LEAST_PATH = 16
_MODE_BITS = 0o7777


def counts_text(counts: Counts) -> str:
    """Write counts in few characters: ``+2 ~1 -0``."""
    return f"+{counts.created:,} ~{counts.modified:,} -{counts.deleted:,}"


def changed_text(event: LocalFilesChanged) -> str:
    """Say in a line what a call did to the files: ``files +2 ~1 -0: a.py, b.py, …``. Empty where to folders alone."""
    counts = counts_in(event)
    paths = [_place(str(body.get("path")))[1] for body in event.changes if body.get("kind") != "folder"]
    names = ", ".join([*paths[:_MOST_NAMES], *(["…"] if len(paths) > _MOST_NAMES else [])])
    cut = f" (not all recorded: {event.cut})" if event.cut else ""
    return f"files {counts_text(counts)}{': ' if names else ''}{names}{cut}" if counts or cut else ""


def files_counted(sums: FileSums) -> JsonObject:
    """Write how many files a session changed, place by place, as it is in ``agentctl.show/1``."""
    places = {name: sums.counts(folder) for name, folder in PLACES[:2]}
    return {
        name: {"created": counts.created, "modified": counts.modified, "deleted": counts.deleted}
        for name, counts in places.items()
    }


def counted(effects: Sequence[Effect]) -> Counts:
    """Count the files and links among some changes."""
    return count(effect.change for effect in effects if not effect.is_folder)


def call_lines(call: CallFiles, look: Look, *, full: bool) -> list[Line]:
    """Return the lines of one call: what was asked, then what it did."""
    head = [Span(f"#{call.seq} ", "dim"), *_asked(call, look)]
    lines: list[Line] = [clip(head, look.columns - 1, look.symbols.ellipsis)]
    for name, inner in divided(call.effects):
        lines += [] if name == PLACES[0][0] else [plain(f"  {name}", "dim")]
        lines += _effects(inner, look, full=full)
    missing = [plain(f"  not recorded: {shown(call.cut, look)}", "warning")] if call.cut else []
    return [*lines, *missing]


def whole_lines(effects: Sequence[Effect], look: Look, *, full: bool) -> list[Line]:
    """Return the lines of a whole effect, place by place."""
    lines: list[Line] = []
    for name, inner in divided(effects):
        lines += [[Span(f"{name} ", "bold"), Span(counts_text(counted(inner)))], *_effects(inner, look, full=full)]
    return lines


def divided(effects: Sequence[Effect]) -> list[tuple[str, list[Effect]]]:
    """Put changes under the headings of the places where they are; places without any are left out."""
    found: dict[str, list[Effect]] = {name: [] for name, _ in PLACES}
    for effect in effects:
        found[_place(effect.path)[0]].append(effect)
    return [(name, inner) for name, inner in found.items() if inner]


def effect_body(effect: Effect) -> JsonObject:
    """Write a change as it is in ``agentctl.files/1``."""
    return {
        "path": effect.path,
        "change": effect.change,
        "before": _side_body(effect.before),
        "after": _side_body(effect.after),
        "attention": _attention(effect),
    }


def call_body(call: CallFiles) -> JsonObject:
    """Write what a call did as it is in ``agentctl.files/1``."""
    return {
        "event": call.seq,
        "tool_use_id": call.call and call.call.id,
        "name": call.call and call.call.name,
        "cut": call.cut,
        "changes": [effect_body(effect) for effect in call.effects],
    }


def remarked_lines(changes: Sequence[tuple[Effect, str | None]], look: Look) -> list[Line]:
    """Return a line for each change, with a remark on it where there is one; of very many, not all."""
    foremost = {effect.path for effect in _foremost([effect for effect, _ in changes], _MOST_REMARKED)}
    rows = [_row(effect, look, remark) for effect, remark in changes if effect.path in foremost or remark]
    more = len(changes) - len(rows)
    left = [plain(f"  {look.symbols.ellipsis} {many(more, 'more change')}: agentctl files --full", "dim")]
    return [*(table([], rows, look, (1,)) if rows else []), *(left if more else [])]


def remarks_of(effect: Effect) -> list[str]:
    """Say what else there is to say of a change beside its path and size; what deserves a second look comes first."""
    warning = _attention(effect)
    return [*([f"! {warning}"] if warning else []), *_facts(effect)]


def _row(effect: Effect, look: Look, remark: str | None = None) -> list[Span]:
    """Set one change as a row of a table: its mark and path, its size, and what else there is to say."""
    mark, style = _MARKS[effect.change]
    path = shown(_place(effect.path)[1], look) + ("/" if effect.is_folder else "")
    warning = _attention(effect)
    most = max(_LEAST_PATH, look.columns - _BESIDE_PATH) if look.wraps else cells(path)
    said = [*([remark] if remark else []), *remarks_of(effect)]
    words = "  ".join(shown(text, look) for text in said)
    tone = "bad" if remark else "warning" if warning else "dim"
    marked = f"  {mark} {fit_tail(path, most, look.symbols.ellipsis)}"
    return [Span(marked, style), Span(_sizes(effect)), Span(words, tone)]


def _asked(call: CallFiles, look: Look) -> list[Span]:
    if call.call is None:
        return [Span("between two calls", "italic")]
    text, remark, _ = asked(call.call.name, call.call.input)
    words = [part for part in (text, remark) if part]
    return [Span(shown(call.call.name, look), "bold"), *(Span(" " + shown(word, look)) for word in words)]


def _effects(effects: Sequence[Effect], look: Look, *, full: bool) -> list[Line]:
    """Return a line for each change; of many, those that deserve a second look and the first others."""
    told = _without_mere_folders(effects)
    gits = set() if full else {effect.path for effect in told if is_gits_own(effect.path)}
    told = [effect for effect in told if effect.path not in gits]
    chosen = told if full else _foremost(told, _MOST_LINES)
    more, ellipsis = len(told) - len(chosen), look.symbols.ellipsis
    lines = table([], [_row(effect, look) for effect in chosen], look, (1,)) if chosen else []
    lines += [plain(f"  {ellipsis} {many(more, 'more change')}: --full shows all", "dim")] if more else []
    lines += [plain(f"  ! {many(len(gits), 'change')} inside .git, never brought out", "warning")] if gits else []
    return lines


def _foremost(effects: Sequence[Effect], most: int) -> list[Effect]:
    """Return at most so many changes: those that deserve a second look, and the first others."""
    if len(effects) <= most:
        return list(effects)
    warned = {effect.path for effect in effects if _attention(effect)}
    others = [effect for effect in effects if effect.path not in warned]
    foremost = [effect for effect in effects if effect.path in warned][: most - 1]
    chosen = {effect.path for effect in (*foremost, *others[: most - 1 - len(foremost)])}
    return [effect for effect in effects if effect.path in chosen]


def _attention(effect: Effect) -> str | None:
    place, name = _place(effect.path)
    return attention(effect, name) if place == "workspace" else None


def _without_mere_folders(effects: Sequence[Effect]) -> list[Effect]:
    """Leave out folders that came or went with something in them, which says it already."""
    filled = {(effect.change, effect.path.rpartition("/")[0]) for effect in effects}
    return [effect for effect in effects if not (effect.is_folder and (effect.change, effect.path) in filled)]


def _place(path: str) -> tuple[str, str]:
    for name, folder in PLACES:
        relative = inside(path, folder)
        if relative is not None:
            return name, relative if folder != "/" else path
    return PLACES[-1][0], path


def _sizes(effect: Effect) -> str:
    before, after = (side.size if side is not None and side.kind == "file" else None for side in _sides(effect))
    if before is None or after is None or before == after:
        known = after if after is not None else before
        return "" if known is None else size(known)
    return f"{size(before)} -> {size(after)}"


def _facts(effect: Effect) -> list[str]:
    before, after = _sides(effect)
    facts = []
    if after is not None and after.kind == "link":
        facts.append(f"-> {after.target}")
    if before is not None and after is not None:
        if before.kind != after.kind:
            facts.append(f"was a {before.kind}")
        elif before.mode & _MODE_BITS != after.mode & _MODE_BITS and after.kind != "link":
            facts.append(f"mode {before.mode & _MODE_BITS:o} -> {after.mode & _MODE_BITS:o}")
    if after is not None and effect.cut is not None:
        facts.append(f"not kept: {effect.cut}")
    return facts


def _sides(effect: Effect) -> tuple[File | None, File | None]:
    return effect.before, effect.after


def _side_body(file: File | None) -> JsonObject | None:
    if file is None:
        return None
    return {
        "kind": file.kind,
        "mode": file.mode,
        "size": file.size,
        "sha256": file.digest,
        "target": file.target,
        "cut": file.cut,
    }
