"""A gateway that does with a connection what its first line asks for."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

from agentctl.network.base import Connection

SECONDS = 20.0

Told: TypeAlias = Callable[[str], None]


class Switchboard:
    """Takes every connection in a thread of its own; ``told`` is what became of them, in order."""

    def __init__(self, environment: Mapping[str, str] | None = None, authorities: bytes | None = None) -> None:
        self._environment = dict(environment or {})
        self._authorities = authorities
        self._changed = threading.Condition()
        self.told: list[str] = []
        self.taken = 0
        self.closed = 0
        self.may_go_on = threading.Event()

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that programs in the sandbox need."""
        return self._environment

    @property
    def authorities(self) -> bytes | None:
        """Certificate authorities."""
        return self._authorities

    def take(self, connection: Connection) -> None:
        """Take a connection over."""
        self.taken += 1
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Count that it was closed."""
        self.closed += 1

    def wait_for(self, line: str, count: int = 1) -> bool:
        """Wait until something was told so often."""
        with self._changed:
            return self._changed.wait_for(lambda: self.told.count(line) >= count, SECONDS)

    def tell(self, line: str) -> None:
        """Note what became of a connection."""
        with self._changed:
            self.told.append(line)
            self._changed.notify_all()

    def _pause(self) -> None:
        """Wait until the test lets one go on."""
        self.may_go_on.wait(SECONDS)
        self.may_go_on.clear()

    def _serve(self, connection: Connection) -> None:
        with contextlib.closing(connection):
            try:
                first = b""
                while b"\n" not in first:
                    piece = connection.read(SECONDS)
                    if not piece:
                        self.tell("nothing")
                        return
                    first += piece
                verb, _, rest = first.partition(b"\n")
                getattr(self, "_" + verb.decode())(connection, rest)
            except (TimeoutError, ConnectionError) as error:
                self.tell(type(error).__name__)

    def _echo(self, connection: Connection, data: bytes) -> None:
        connection.write(data, SECONDS)
        while data := connection.read(SECONDS):
            connection.write(data, SECONDS)
        connection.end()

    def _count(self, connection: Connection, data: bytes) -> None:
        """Answer only when the client has ended."""
        size = len(data)
        while data := connection.read(SECONDS):
            size += len(data)
        connection.write(str(size).encode(), SECONDS)
        connection.end()
        self.tell("counted")

    def _in_pairs(self, connection: Connection, data: bytes) -> None:
        """Answer with two bytes whenever there are two."""
        while True:
            while len(data) >= 2:
                connection.write(data[:2], SECONDS)
                data = data[2:]
            if not (piece := connection.read(SECONDS)):
                return
            data += piece

    def _end_first(self, connection: Connection, data: bytes) -> None:
        """Say something, end, and hear the client out."""
        connection.write(b"bye", SECONDS)
        connection.end()
        size = len(data)
        while data := connection.read(SECONDS):
            size += len(data)
        self.tell(f"heard {size}")

    def _reset(self, connection: Connection, data: bytes) -> None:
        """Close at once, with things unsaid."""

    def _reset_later(self, connection: Connection, data: bytes) -> None:
        """Close when the test lets it."""
        self.tell("resets later")
        self._pause()

    def _ignore(self, connection: Connection, data: bytes) -> None:
        """Read nothing until the test lets it."""
        self.tell("ignored")
        self._pause()
        self._count(connection, data)

    def _pour(self, connection: Connection, data: bytes) -> None:
        """Write until the client does not take more for a second."""
        try:
            while True:
                connection.write(bytes(1 << 20), 1.0)
        except TimeoutError:
            self.tell("full")

    def _listen(self, connection: Connection, data: bytes) -> None:
        """Wait for what becomes of the client."""
        self.tell("listens")
        while connection.read(SECONDS):
            pass
        self.tell("ended")
        while True:  # a client that is dead takes nothing
            connection.write(bytes(1 << 16), SECONDS)
