"""Names of files, as a patch has them."""

import os
import re

from agentctl.visible import visible_line

_PLAIN = re.compile(r'[^\x00-\x20\x7f"\\]+')
_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}


def quoted(name: str) -> bytes:
    """Write a name as git reads it: in quotes, with escapes, unless it is plain and shows what it is."""
    raw = os.fsencode(name)
    if _PLAIN.fullmatch(name) and visible_line(name) == name:
        return raw
    return b'"' + b"".join(_escaped(byte) for byte in raw) + b'"'


def _escaped(byte: int) -> bytes:
    if byte in _ESCAPES:
        return f"\\{_ESCAPES[byte]}".encode()
    return bytes([byte]) if 0x20 <= byte < 0x7F else f"\\{byte:03o}".encode()
