"""Running a program in an image for what it prints: without a network, without privileges, and not for long."""

import contextlib
from collections.abc import Mapping

import docker.errors
import docker.types
from docker.api import APIClient

from agentctl.canonical import JsonObject
from agentctl.sandbox.docker.recipe import HOME, USER
from agentctl.sandbox.registries import ASK_SECONDS, MOST_ANSWER


def ask_image(
    client: APIClient, image: str, program: str, env: Mapping[str, str], owner: str, most: int = MOST_ANSWER
) -> str:
    """Run a Python program in a container of an image; return the last line that it prints, at most so many bytes.

    Raises what Docker does.
    """
    container = client.create_container(**_options(client, image, program, env, owner))["Id"]
    try:
        client.start(container)
        client.wait(container, timeout=ASK_SECONDS)
        said: bytes = client.logs(container, stdout=True, stderr=False, tail=1)
        return said[:most].decode("utf-8", "replace")
    finally:
        with contextlib.suppress(docker.errors.APIError):
            client.remove_container(container, force=True, v=True)


def _options(client: APIClient, image: str, program: str, env: Mapping[str, str], owner: str) -> JsonObject:
    return {
        "image": image,
        "entrypoint": ["python3", "-I", "-S", "-c", program],
        "command": [],
        "user": f"{USER}:{USER}",
        "working_dir": "/",
        "environment": {**env, "HOME": HOME},
        "labels": {"agentctl.owner": owner},
        "healthcheck": {"test": ["NONE"]},
        "use_config_proxy": False,
        "host_config": client.create_host_config(
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            init=True,
            ipc_mode="private",
            mem_limit=2 << 30,
            memswap_limit=2 << 30,
            pids_limit=256,
            log_config=docker.types.LogConfig(type="json-file", config={"max-size": "1m"}),
            restart_policy={"Name": "no"},
        ),
    }
