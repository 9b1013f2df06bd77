"""A patch on a terminal: in colours, and with nothing in it that the terminal would obey."""

from collections.abc import Iterable, Iterator

from agentctl.render.lines import TAB, Line, plain
from agentctl.render.look import Look
from agentctl.visible import visible

_STYLES = {"+": "good", "-": "bad", "@": "accent"}
_BINARY = "GIT binary patch"


def patch_lines(pieces: Iterable[bytes], look: Look) -> Iterator[Line]:
    """Yield a patch in lines that can be shown: what is not UTF-8 as escapes, what is binary not at all."""
    part = "head"
    for piece in pieces:
        for line in piece.removesuffix(b"\n").split(b"\n"):
            text = look.writable(visible(line.decode("utf-8", "backslashreplace"))).expandtabs(len(TAB))
            former, part = part, _part(part, text)
            if part == "binary":
                yield from [plain("(binary)", "dim")] if former != part else ()
            else:
                yield plain(text, "bold" if part == "head" else _STYLES.get(text[:1], ""))


def _part(former: str, text: str) -> str:
    """Say what a line belongs to: the head of a file's patch, its hunks, or its binary contents."""
    if text.startswith("diff --git "):
        return "head"
    if former == "head" and text == _BINARY:
        return "binary"
    return "hunks" if former == "head" and text.startswith("@@ ") else former
