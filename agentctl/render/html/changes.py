"""Files on a page: what a call, or the whole session, did to each, with its difference."""

from collections.abc import Iterator, Sequence

from agentctl.errors import AgentctlError
from agentctl.patch.write import patch_of
from agentctl.render.files import counted, counts_text, divided, remarks_of
from agentctl.render.html.markup import NOTHING, Html, folded, join, line, tag, text
from agentctl.render.lines import Line
from agentctl.render.look import Look
from agentctl.render.numbers import many, size
from agentctl.render.patch import patch_lines
from agentctl.session.effects import Effect
from agentctl.session.files import Contents, File

_MOST_FILES = 200
_MOST_COMPARED = 1 << 20
_MARKS = {"created": "+", "modified": "~", "deleted": "−"}
_TAGS = {"good": "ins", "bad": "del", "accent": "i", "bold": "b", "dim": "i"}
_LOOK = Look(wraps=False)


def changed(effects: Sequence[Effect], contents: Contents, most: int, whole: str) -> Html:
    """Write changes place by place, each with its difference in at most ``most`` characters.

    ``whole`` is the command that shows all of it.
    """
    parts: list[Html] = []
    for name, inner in divided(effects):
        files = [effect for effect in inner if not effect.is_folder]
        if not files:
            continue
        parts.append(tag("p", tag("b", line(name)), Html(" "), text(counts_text(counted(files))), kind="place"))
        parts += [_file(effect, contents, most, whole) for effect in files[:_MOST_FILES]]
        if len(files) > _MOST_FILES:
            left = many(len(files) - _MOST_FILES, "more file")
            parts.append(tag("p", text(f"… {left}; all of them: {whole}"), kind="cut"))
    return join(parts)


def _file(effect: Effect, contents: Contents, most: int, whole: str) -> Html:
    mark = tag("b", text(_MARKS[effect.change]), kind=effect.change)
    said = [tag("small", text(word)) for word in (_sizes(effect), *remarks_of(effect)) if word]
    head = join([mark, tag("code", line(_name(effect))), *said], " ")
    difference = _difference(effect, contents, most, whole)
    return folded(head, difference, kind="file") if difference else tag("div", head, kind="file")


def _name(effect: Effect) -> str:
    return effect.path.removeprefix("/workspace/")


def _difference(effect: Effect, contents: Contents, most: int, whole: str) -> Html:
    if effect.cut is not None:
        return NOTHING
    if any(side.size > _MOST_COMPARED for side in (effect.before, effect.after) if side is not None):
        return tag("p", text(f"too large to be compared here: {whole}"), kind="cut")
    try:
        lines = _hunks(patch_lines(patch_of(effect, contents), _LOOK))
        return tag("pre", join(_within(lines, most, whole), "\n"), kind="diff") if lines else NOTHING
    except AgentctlError as error:
        return tag("p", text(error.message), kind="cut")


def _hunks(lines: Iterator[Line]) -> list[Line]:
    """Leave out what the head of a patch says of its path, which stands above it already."""
    found = list(lines)
    heads = ("diff --git ", "index ", "--- ", "+++ ")
    return [row for row in found if not (row[0].style == "bold" and row[0].text.startswith(heads))]


def _within(lines: Sequence[Line], most: int, whole: str) -> Iterator[Html]:
    used = 0
    for number, row in enumerate(lines):
        used += sum(len(span.text) for span in row) + 1
        if used > most:
            left = many(len(lines) - number, "more line")
            yield tag("b", text(f"… {left}: {whole}"), kind="cut")
            return
        yield join(tag(_TAGS[span.style], text(span.text)) if span.style in _TAGS else text(span.text) for span in row)


def _sizes(effect: Effect) -> str:
    sizes = [_size(side) for side in (effect.before, effect.after)]
    return " → ".join(dict.fromkeys(filter(None, sizes)))


def _size(file: File | None) -> str:
    return size(file.size) if file is not None and file.kind == "file" else ""
