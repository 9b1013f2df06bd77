"""Why a container is no more, in a few words."""

import time
from collections.abc import Callable

import docker.errors
import requests
from docker.api import APIClient

from agentctl.canonical import JsonObject
from agentctl.sandbox.docker.daemon import line_of

_OOM = "out of memory: the limit of {} MiB was reached"


def cause_of_death(client: APIClient, container: str, memory: int, said: Callable[[], str]) -> str:
    """Say why a container is no more whose limit was ``memory`` bytes; ``said`` gives its last words on its own."""
    try:
        state = _ended_state(client, container)
    except docker.errors.NotFound:
        return "the container was removed"
    except (docker.errors.DockerException, requests.RequestException) as error:
        return f"the connection to the container broke: {line_of(error)}"
    if state.get("Running"):
        return "the container closed its pipe"
    words = said()
    return f"the container ended: {_how(state, memory)}{f': {words}' if words else ''}"


def _how(state: JsonObject, memory: int) -> str:
    if state.get("OOMKilled"):
        return _OOM.format(memory >> 20)
    return f"exit code {state.get('ExitCode')}" + (f", {line_of(state['Error'])}" if state.get("Error") else "")


def _ended_state(client: APIClient, container: str) -> JsonObject:
    """Ask for the container's state, giving it a moment to be what it will be."""
    state: JsonObject = {"Running": True}
    for _ in range(20):
        state = client.inspect_container(container)["State"]
        if not state.get("Running"):
            break
        time.sleep(0.05)
    return state
