"""The registries' hosts come from the package managers' own configuration, and from nowhere else."""

import json
from pathlib import Path
from typing import Any

import pytest
from docker.api import APIClient
from pip._internal.models.index import PyPI

import agentctl
from agentctl.definitions.environment import Environment
from agentctl.errors import SandboxError
from agentctl.sandbox.bubblewrap import BubblewrapSandbox
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.sandbox.registries import MOST_HOSTS, hosts_in, registries

BASE = "agentctl-base:bookworm"


def environment(kind: str, *, allow: bool = True, **env: str) -> Environment:
    networking = {"type": "limited", "allow_package_managers": allow}
    return Environment.model_validate({"name": "x", "config": {"type": kind, "networking": networking, "env": env}})


def test_hosts_are_read_with_their_ports_and_nothing_else_is() -> None:
    answer = {
        "pip": ["https://user:secret@pip.example", "http://Pip.Example.:8080"],
        "apt": ["http://deb.example", "https://deb.example"],
        "npm": ["ftp://npm.example", "https://npm.example:99999", "https://a b", "https://../", 7],
    }
    assert hosts_in(json.dumps(answer)) == ("deb.example:443", "deb.example:80", "pip.example:443", "pip.example:8080")


def test_an_image_cannot_name_hosts_without_end() -> None:
    assert len(hosts_in(json.dumps({"pip": [f"https://h{number}.example" for number in range(1_000)]}))) == MOST_HOSTS


@pytest.mark.parametrize("answer", ["", "Traceback", "[]", '{"pip": 1}', "[" * 100_000])
def test_an_answer_that_is_none_is_one_line_and_a_way_out(answer: str) -> None:
    with pytest.raises(SandboxError, match="does not say which hosts") as raised:
        hosts_in(answer)
    assert "allowed_hosts" in (raised.value.hint or "")


def test_what_was_asked_once_is_not_asked_again(tmp_path: Path) -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        return '{"pip": ["https://pip.example"]}'

    assert registries(ask, ["image", {}], tmp_path) == ("pip.example:443",)
    assert registries(ask, ["image", {}], tmp_path) == ("pip.example:443",)
    assert len(asked) == 1
    registries(ask, ["image", {"PIP_INDEX_URL": "https://other.example"}], tmp_path)
    assert len(asked) == 2


def test_no_host_of_a_registry_is_written_in_the_code() -> None:
    names = (PyPI.netloc, PyPI.file_storage_domain)  # what pip itself has built in
    assert all(names)
    for path in Path(agentctl.__file__).parent.rglob("*.py"):
        assert not [name for name in names if name in path.read_text()], path


@pytest.mark.docker
def test_an_image_is_asked_for_what_its_own_managers_are_configured_with(tmp_path: Path) -> None:
    def prepared(**values: Any) -> dict[str, Any]:
        sandbox = DockerSandbox(environment("docker", **values), tmp_path)
        try:
            return sandbox.prepare(lambda _line: None)
        finally:
            sandbox.close()

    assert "package_hosts" not in prepared(allow=False)
    client = APIClient(version="auto")
    lines = client.create_container(BASE, ["grep", "-hoE", "https?://[^/ ]+", "-r", "/etc/apt"])["Id"]
    try:
        client.start(lines)
        client.wait(lines)
        sources = {line.strip() for line in client.logs(lines).decode().splitlines() if line.strip()}
    finally:
        client.remove_container(lines, force=True)
        client.close()
    hosts = prepared()["package_hosts"]
    assert sources
    assert {host.rpartition(":")[0] for host in hosts} == {url.rpartition("/")[2] for url in sources}


@pytest.mark.bubblewrap
def test_under_bubblewrap_the_managers_of_this_machine_are_asked(tmp_path: Path) -> None:
    asked = environment(
        "bubblewrap", npm_config_registry="http://npm.example:4873/", PIP_INDEX_URL="https://pip.example"
    )
    sandbox = BubblewrapSandbox(asked, tmp_path)
    try:
        hosts = set(sandbox.prepare(lambda _line: None)["package_hosts"])
    finally:
        sandbox.close()
    # Which managers there are is this machine's affair; each that is there says what it was told.
    assert hosts <= {"npm.example:4873", "pip.example:443"}
