"""Bodies that a server has packed although it was asked not to: packed, nothing is found in them."""

import zlib
from collections.abc import Iterator
from dataclasses import replace

from agentctl.network.messages import Answer, BadMessageError, Framing

_PARTIAL = 206
_PACKED = {"gzip", "x-gzip", "deflate"}
_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
_PIECE = 64 * 1024


def unpacked(
    answer: Answer, coding: set[str], body: Iterator[bytes], *, in_chunks: bool
) -> tuple[Answer, Framing, Iterator[bytes]]:
    """Return an answer whose body is unpacked, how long it is, and the body.

    Raises BadMessageError for what cannot be unpacked here, at once or while the body is read.
    """
    if len(coding) > 1 or not coding <= _PACKED or answer.status == _PARTIAL:
        raise BadMessageError(f"it is encoded ({', '.join(sorted(coding))}), so secrets could not be found in it")
    head = answer.head.having("Content-Encoding", None).having("Content-Length", None)
    head = head.having("Transfer-Encoding", "chunked" if in_chunks else None)
    return replace(answer, head=head), "chunked" if in_chunks else "to the end", _pieces(body)


def _pieces(body: Iterator[bytes]) -> Iterator[bytes]:
    unpacking, is_whole = zlib.decompressobj(_ZLIB_OR_GZIP), True
    for piece in body:
        is_whole = False
        while piece and not unpacking.eof:
            yield unpacking.decompress(piece, _PIECE)
            piece = unpacking.unconsumed_tail
    yield unpacking.flush()
    if not (is_whole or unpacking.eof):
        raise BadMessageError("its body was cut off")
