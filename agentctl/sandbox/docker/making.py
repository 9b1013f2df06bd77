"""Making one container, and seeing that it came out as it was asked for before anything runs in it."""

from collections.abc import Mapping

import docker.errors
from docker.api import APIClient

from agentctl.canonical import JsonObject
from agentctl.errors import SandboxError
from agentctl.sandbox.docker.containers import remove_named
from agentctl.sandbox.docker.daemon import CONFLICT, line_of
from agentctl.sandbox.docker.sealing import differences


def make_container(client: APIClient, body: JsonObject, name: str, identity: Mapping[str, str]) -> str:
    """Make a container and return its id; one of that name that somebody of this ``identity`` left is removed.

    Raises SandboxError where the name is another's, and what Docker raises.
    """
    try:
        return _made(client, body, name)
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT:
            raise
        remove_named(client, name, identity)
        return _made(client, body, name)


def refuse_different(client: APIClient, container: str, body: JsonObject) -> None:
    """Refuse a container that is not what ``body`` asked for. Raises SandboxError, and what Docker raises."""
    wrong = differences(body, client.inspect_container(container))
    if wrong:
        raise SandboxError(
            f"the daemon made another container than it was asked for: {', '.join(map(line_of, wrong))}",
            hint="nothing was run in it; agentctl doctor says what this daemon cannot hold",
        )


def _made(client: APIClient, body: JsonObject, name: str) -> str:
    return str(client.create_container_from_config(body, name)["Id"])  # type: ignore[no-untyped-call]
