"""Bytes replaced in a stream, wherever it is cut into pieces."""

import re
from collections.abc import Mapping


class Replacing:
    """Replaces whatever stands on the left of ``pairs`` by what stands on its right, the longest first.

    Only what may be the beginning of one waits for what follows it, so a stream is not held up.
    """

    def __init__(self, pairs: Mapping[bytes, bytes]) -> None:
        self._pairs = pairs
        self._longest = max(map(len, pairs), default=0)
        self._beginnings = {old[:length] for old in pairs for length in range(1, len(old))}
        self._held = b""
        self.found: set[bytes] = set()

    def feed(self, piece: bytes) -> bytes:
        """Return what can be told of the stream now."""
        data = self._held + piece
        pattern = self._pattern(data)
        end = len(data) - self._tail(data)
        if pattern is not None and end < len(data):
            end = min([end, *(match.start() for match in pattern.finditer(data) if match.start() < end < match.end())])
        self._held = data[end:]
        return self._replaced(pattern, data[:end])

    def flush(self) -> bytes:
        """Return what was held back; the stream ends here."""
        held, self._held = self._held, b""
        return self._replaced(self._pattern(held), held)

    def whole(self, data: bytes) -> bytes:
        """Replace in bytes that are a whole of their own."""
        return self._replaced(self._pattern(data), data)

    def _pattern(self, data: bytes) -> re.Pattern[bytes] | None:
        present = sorted((old for old in self._pairs if old in data), key=len, reverse=True)
        return re.compile(b"|".join(map(re.escape, present))) if present else None

    def _replaced(self, pattern: re.Pattern[bytes] | None, data: bytes) -> bytes:
        if pattern is None:
            return data
        return pattern.sub(self._other, data)

    def _other(self, match: re.Match[bytes]) -> bytes:
        self.found.add(match[0])
        return self._pairs[match[0]]

    def _tail(self, data: bytes) -> int:
        for length in range(min(self._longest - 1, len(data)), 0, -1):
            if data[-length:] in self._beginnings:
                return length
        return 0
