"""The one function that text from a model, a tool or a file name goes through before a person sees it.

A terminal obeys what it is sent: escape sequences move the cursor, set the clipboard and the title,
bidirectional marks make text read differently from what it is, and a lone surrogate cannot be
written at all. Here each such character becomes its visible escape (``\\x1b``, ``\\u202e``), so that a
reader sees that it was there and nothing else happens.

A variation selector that asks for an emoji where there is one (``⚠`` and U+FE0F) hides nothing, and stays.
"""

import re

_HOSTILE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline, DEL, C1
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff"
    "\U000e0000-\U000e0fff"  # tags and variation selectors
    "]"
)

AS_EMOJI = "\ufe0f"
"""Asks for the character before it to be drawn as an emoji."""

# The blocks of the characters of Unicode's emoji-variation-sequences.txt.
_EMOJI = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_KEYCAP = "\u20e3"


def visible(text: str) -> str:
    """Return ``text`` with every character that a terminal obeys, hides or reorders made visible.

    Newlines and tabs stay; a carriage return before a newline is dropped, any other becomes ``\\r``.
    """
    return _HOSTILE.sub(_escape, text.replace("\r\n", "\n"))


def visible_line(text: str) -> str:
    """Return ``text`` as one line: as ``visible``, with newlines and tabs escaped too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def visible_json(text: str) -> str:
    """Return JSON text with every such character as its JSON escape: the same value, and nothing a terminal obeys."""
    return _HOSTILE.sub(_json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


def _escape(match: re.Match[str]) -> str:
    if match[0] == AS_EMOJI and _makes_emoji(match.string, match.start()):
        return AS_EMOJI
    code = ord(match[0])
    if code < 0x100:
        return {0x0D: "\\r"}.get(code, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _makes_emoji(text: str, place: int) -> bool:
    """Whether the selector at ``place`` stands behind a character that it does something visible to."""
    before = text[place - 1 : place]
    is_keycap = before in set("0123456789#*") and text[place + 1 : place + 2] == _KEYCAP
    return is_keycap or bool(_EMOJI.fullmatch(before))
