"""A connection is closed, whatever goes wrong while it is served."""

import socket

import pytest

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import Networking
from agentctl.network.dial import Dialler
from agentctl.network.exchange import Exchange, Room
from agentctl.network.metering import Caps, Totals
from agentctl.network.rules import rules_of
from agentctl.network.workers import Workers
from tests.network.kit import SocketConnection, Table, Told


class Deaf(Told):
    """Can be told nothing."""

    def ended(self, verdict: JsonObject) -> None:
        raise LookupError("a defect")


def test_a_connection_whose_verdict_cannot_be_told_is_closed_all_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname(), 10)
        ours, _ = server.accept()
    rules = rules_of(Networking(type="limited"))
    room = Room(lambda: rules, Dialler(Table()), Deaf(), Caps(), Totals(Caps()), Workers("egress"))
    with theirs:
        theirs.sendall(b"nonsense\r\n\r\n")
        with pytest.raises(LookupError):
            Exchange(SocketConnection(ours), room).serve()
        assert theirs.recv(1 << 16).startswith(b"HTTP/1.1 400")
        assert theirs.recv(1) == b""
