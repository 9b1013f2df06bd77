"""Ending connections from outside, whether they are there already or are only being made."""

import threading

import httpx2
import pytest

from agentctl.model.connection import Connections
from tests.loopback_api import Break, LoopbackApi, say
from tests.model.kit import request

BODY = {**request().body, "stream": True}


def client(connections: Connections, api: LoopbackApi) -> httpx2.Client:
    headers = {"authorization": f"Bearer {api.key}", "anthropic-version": "2026-10-21"}
    return httpx2.Client(base_url=api.url, headers=headers, timeout=10, event_hooks={"request": [connections]})


def test_what_waits_for_an_answer_is_ended() -> None:
    connections = Connections()
    with LoopbackApi([say("x", breaks=[Break("stall", after=-1)])]) as api, client(connections, api) as http:
        timer = threading.Timer(0.2, connections.hang_up)
        timer.start()
        with pytest.raises(httpx2.RemoteProtocolError):
            http.post("/v1/messages", json=BODY)
        timer.join()


def test_what_is_only_being_connected_is_ended_as_soon_as_it_is() -> None:
    connections = Connections()
    connections.hang_up()
    with LoopbackApi([say("x")] * 2) as api, client(connections, api) as http:
        with pytest.raises(httpx2.HTTPError):
            http.post("/v1/messages", json=BODY)
        assert api.billed == []
        connections.pick_up()
        assert http.post("/v1/messages", json=BODY).status_code == 200


def test_sockets_that_are_closed_are_forgotten() -> None:
    connections = Connections()
    with LoopbackApi([say("x")] * 5) as api:
        for _ in range(5):
            with client(connections, api) as http:
                http.post("/v1/messages", json=BODY)
    assert len(connections._sockets) == 1
