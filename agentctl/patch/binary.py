"""Contents as a binary hunk of git: compressed, in base 85, each line with its length in front.

The form is that of ``git diff --binary`` (``emit_binary_diff_body`` in git's ``diff.c``), without deltas.
"""

import base64
import zlib
from collections.abc import Iterator

_LINE_BYTES = 52
_LENGTHS = b"0ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def literal(data: bytes) -> Iterator[bytes]:
    """Yield the lines of a hunk that stands for ``data`` as a whole, an empty one at the end."""
    yield b"literal %d\n" % len(data)
    packed = zlib.compress(data)
    for start in range(0, len(packed), _LINE_BYTES):
        part = packed[start : start + _LINE_BYTES]
        yield _LENGTHS[len(part) : len(part) + 1] + base64.b85encode(part, pad=True) + b"\n"
    yield b"\n"
