"""Where packages come from, and which of them an environment's network forbids."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentctl.definitions.environment import Environment
from agentctl.definitions.packages import own_host
from tests.definitions.kit import problems, written

FROM_A_HOST = [
    ("pip", "git+https://code.example/user/repo@v1", "code.example"),
    ("pip", "thing @ https://Code.Example:8443/thing.whl", "code.example"),
    ("pip", "thing[extra]@git+ssh://git@code.example/user/repo", "code.example"),
    ("pip", "https://user:pw@code.example./thing.whl", "code.example"),
    ("pip", "https://[::1/thing.whl", ""),
    ("npm", "https://code.example/thing.tgz", "code.example"),
    ("npm", "thing@git+https://code.example/user/repo#main", "code.example"),
    ("npm", "git@code.example:user/repo", "code.example"),
    ("npm", "user/repo", "github.com"),
    ("npm", "thing@user/repo#v1", "github.com"),
    ("npm", "gitlab:user/repo", "gitlab.com"),
    ("npm", "gist:11081aaa281", "gist.github.com"),
    ("cargo", "https://code.example/user/repo", "code.example"),
]

FROM_THE_REGISTRY = [
    ("apt", "ripgrep=14.1.0-1"),
    ("cargo", "hyperfine@1.18.0"),
    ("gem", "rails:7.1.0"),
    ("go", "example.org/x/tools/cmd/goimports@latest"),
    ("npm", "express@4.18.0"),
    ("npm", "@types/node@22"),
    ("npm", "short@npm:@scope/long@1"),
    ("pip", "sqlalchemy[asyncio]==2.0.30"),
    ("pip", "pandas >= 3, < 4"),
]


@pytest.mark.parametrize(("manager", "package", "host"), FROM_A_HOST)
def test_a_package_that_names_its_host_is_known(manager: str, package: str, host: str) -> None:
    assert own_host(manager, package) == host


@pytest.mark.parametrize(("manager", "package"), FROM_THE_REGISTRY)
def test_a_package_by_its_name_alone_comes_from_the_registry(manager: str, package: str) -> None:
    assert own_host(manager, package) is None
    assert environment({manager: [package]}, {"type": "none"})


def body(packages: dict[str, Any], networking: dict[str, Any]) -> dict[str, Any]:
    return {"name": "x", "config": {"type": "docker", "packages": packages, "networking": networking}}


def environment(packages: dict[str, Any], networking: dict[str, Any]) -> Environment:
    return Environment.model_validate(body(packages, networking))


@pytest.mark.parametrize(
    "networking",
    [{"type": "none"}, {"type": "limited"}, {"type": "limited", "allowed_hosts": ["example", "*.code.example"]}],
)
def test_a_host_that_the_network_forbids_is_refused_at_its_place(networking: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(body({"pip": ["six", "git+https://code.example/user/repo"]}, networking))
    [found] = problems(written(tmp_path, "environment.json", text))
    at = text.index('"git+') + 1
    place, message = found.split(": ", 1)
    assert place == f"1:{at}"
    assert message.startswith("config.packages.pip[1]: is fetched from code.example, which ")


@pytest.mark.parametrize(
    "networking",
    [
        {"type": "unrestricted"},
        {"type": "learn"},
        {"type": "limited", "allowed_hosts": ["code.example"]},
        {"type": "limited", "allowed_hosts": ["*.example"]},
        {"type": "limited", "private_hosts": ["code.example:8443"]},
    ],
)
def test_a_host_that_the_network_allows_is_taken(networking: dict[str, Any]) -> None:
    assert environment({"pip": ["git+https://code.example/user/repo"]}, networking)
