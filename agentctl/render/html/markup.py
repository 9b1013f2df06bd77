"""Pieces of a page. Text gets into one through ``text`` alone, which leaves nothing in it that means anything."""

import html
from collections.abc import Iterable, Sequence
from typing import NewType

from agentctl.render.numbers import many, size
from agentctl.visible import visible, visible_line

Html = NewType("Html", str)
"""Markup of ours, in which text of others stands as text."""

NOTHING = Html("")


def text(value: object) -> Html:
    """Write untrusted text: what a browser, or a reader, would be led astray by is escaped."""
    return Html(html.escape(visible(str(value))))


def line(value: object) -> Html:
    """Write untrusted text as one line."""
    return Html(html.escape(visible_line(str(value))))


def join(parts: Iterable[Html], between: str = "") -> Html:
    """Put pieces in a row."""
    return Html(between.join(parts))


def tag(name: str, /, *inner: Html, **attributes: str | int | bool | None) -> Html:
    """Write an element. ``kind`` is its class; an attribute that is None or False is left out."""
    written = "".join(map(_attribute, attributes.items()))
    return Html(f"<{name}{written}>{''.join(inner)}</{name}>")


def empty_tag(name: str, /, **attributes: str | int | bool | None) -> Html:
    """Write an element that has no end."""
    return Html(f"<{name}{''.join(map(_attribute, attributes.items()))}>")


def folded(summary: Html, *inner: Html, kind: str | None = None, is_open: bool = False) -> Html:
    """Write what is shown when somebody asks for it."""
    return tag("details", tag("summary", summary), *inner, kind=kind, open=is_open)


def table(head: Sequence[str], rows: Iterable[Sequence[Html]], kind: str | None = None) -> Html:
    """Write a table."""
    titles = tag("tr", *(tag("th" if name else "td", line(name)) for name in head)) if any(head) else NOTHING
    body = (tag("tr", *(tag("td", cell) for cell in row)) for row in rows)
    return tag("table", titles, *body, kind=kind)


def shortened(value: str, most: int, whole: str) -> Html:
    """Write text of at most ``most`` characters: of more its beginning and its end, and ``whole``, which shows all."""
    if len(value) <= most:
        return text(value)
    head, tail = value[: most * 2 // 3], value[len(value) - most // 3 :]
    left = len(value) - len(head) - len(tail)
    lines = value.count("\n", len(head), len(value) - len(tail))
    cut = f"{many(lines, 'line')}, {size(left)}" if lines else size(left)
    mark = tag("b", text(f"… {cut} left out here; all of it: {whole} …"), kind="cut")
    return join([text(head), mark, text(tail)], "\n")


def _attribute(named: tuple[str, str | int | bool | None]) -> str:
    name, value = named
    if value is None or value is False:
        return ""
    name = "class" if name == "kind" else name.replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
