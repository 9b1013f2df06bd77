"""What passes is counted before it passes, both ways at once."""

import contextlib
import threading

from agentctl.network.metering import CapError, Caps, Metered, Totals


class Slow(Totals):
    """Lets somebody else count, if that can be, in the middle of the first count."""

    other: threading.Thread | None = None

    def add(self, host: str, sent: int, received: int) -> None:
        if (other := self.other) is not None:
            self.other = None
            other.start()
            other.join(0.5)
        super().add(host, sent, received)


class Silent:
    """A connection on which nothing happens."""

    def read(self, timeout_seconds: float) -> bytes:
        return b""

    def write(self, data: bytes, timeout_seconds: float) -> None:
        pass

    def end(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_both_ways_at_once_do_not_pass_a_limit_that_neither_passes() -> None:
    totals = Slow(Caps(connection_bytes=100))
    metered = Metered(Silent(), "a.example", totals)

    def receive() -> None:
        with contextlib.suppress(CapError):
            metered.count(received=60)

    other = totals.other = threading.Thread(target=receive)
    metered.count(sent=60)
    other.join(20)
    assert metered.passed == (60, 0)
