"""Contents from more than one place."""

from collections.abc import Iterator

from agentctl.errors import StoreError
from agentctl.session.files import Contents


class Either:
    """Where contents are looked for in one place after the other."""

    def __init__(self, first: Contents, second: Contents) -> None:
        self._first, self._second = first, second

    def open(self, digest: str) -> Iterator[bytes]:
        """Yield contents in pieces. Raises StoreError where neither has them."""
        pieces = self._first.open(digest)
        try:
            piece = next(pieces, b"")
        except StoreError:
            yield from self._second.open(digest)
            return
        yield piece
        yield from pieces
