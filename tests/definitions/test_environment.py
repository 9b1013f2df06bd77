"""What an environment's file may say, what it means, and what is wrong with it otherwise."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import DEFAULT_IMAGE, Environment, EnvironmentConfig
from agentctl.definitions.load import load_environment
from tests.definitions.bodies import ENVIRONMENTS, FULL_ENVIRONMENT
from tests.definitions.kit import problems, written


def config(**fields: Any) -> EnvironmentConfig:
    return Environment.model_validate({"name": "x", "config": {"type": "docker", **fields}}).config


def problem(folder: Path, **fields: Any) -> str:
    """The one problem of an environment with this config, without its place."""
    body = {"name": "x", "config": {"type": "docker", **fields}}
    [found] = problems(written(folder, "environment.json", json.dumps(body)))
    return found.split(": ", 1)[1]


@pytest.mark.parametrize("body", ENVIRONMENTS, ids=lambda body: body["name"])
def test_a_body_loads_unchanged(body: JsonObject, tmp_path: Path) -> None:
    for name in ("environment.json", "environment.yaml"):
        assert load_environment(written(tmp_path, name, json.dumps(body))).name == body["name"]


def test_every_field_of_an_environment_is_in_the_full_body() -> None:
    assert set(FULL_ENVIRONMENT) == set(Environment.model_fields)
    assert set(FULL_ENVIRONMENT["config"]) == set(EnvironmentConfig.model_fields)


def test_without_a_config_it_is_the_cloud_with_the_default_image_and_no_network() -> None:
    environment = Environment.model_validate({"name": "x", "config": None})
    assert environment == Environment.model_validate({"name": "x"})
    assert environment.config.type == "cloud"
    assert environment.config.base_image == DEFAULT_IMAGE
    assert environment.config.networking.type == "none"


# --- network ---


@pytest.mark.parametrize("fields", [{}, {"networking": None}, {"networking": {"type": "none"}}])
def test_without_networking_there_is_no_network(fields: JsonObject) -> None:
    assert config(**fields).networking.type == "none"


@pytest.mark.parametrize("hosts", [None, []])
def test_limited_without_hosts_reaches_none(hosts: object) -> None:
    networking = config(networking={"type": "limited", "allowed_hosts": hosts}).networking
    assert networking.allowed_hosts == ()
    assert not networking.allow_package_managers
    assert not networking.allow_mcp_servers


@pytest.mark.parametrize("host", ["data.example.com", "*.a.com", "localhost", "a-b.c", "xn--bcher-kva.example", "1.a"])
def test_hosts_are_names_and_patterns(host: str) -> None:
    networking = {"type": "limited", "allowed_hosts": [host.upper()]}
    assert config(networking=networking).networking.allowed_hosts == (host,)


@pytest.mark.parametrize(
    "host",
    [
        *("", "*", ".", "*.", "*.*.com", "a.*", "a*.com", "https://x", "x/", "x:80", "x.", ".x", "a..b", "-a", "a-"),
        *("1.2.3.4", "127.1", "2130706433", "0x7f000001", "a.0x1", "::1", "[::1]", "bücher.de", "a b", "a\n", "a,b"),
        *("a_b", "x" * 64, "user@x.org"),
    ],
)
def test_what_is_not_a_host_is_refused(host: str, tmp_path: Path) -> None:
    networking = {"type": "limited", "allowed_hosts": [host]}
    assert "networking.allowed_hosts[0]: must " in problem(tmp_path, networking=networking)


def test_a_host_has_253_characters_at_most(tmp_path: Path) -> None:
    networking = {"type": "limited", "allowed_hosts": ["a." * 126 + "bc"]}
    assert "is longer than 253 characters" in problem(tmp_path, networking=networking)


@pytest.mark.parametrize(
    ("networking", "said"),
    [
        ({}, "config.networking.type: is missing"),
        ("none", 'config.networking: must be keys and values, not "none"'),
        ({"type": "open"}, 'config.networking.type: must be one of none, limited, unrestricted, learn, not "open"'),
        ({"type": "unrestricted", "allowed_hosts": ["a.b"]}, "allowed_hosts: has no place beside type unrestricted"),
        ({"type": "none", "allow_mcp_servers": True}, "allow_mcp_servers: has no place beside type none"),
        ({"type": "limited", "allowed_host": []}, "allowed_host: is not a known key; did you mean allowed_hosts?"),
        ({"type": "limited", "allowed_hosts": "a.b"}, 'allowed_hosts: must be a list, not "a.b"'),
        ({"type": "limited", "allow_mcp_servers": "no"}, 'allow_mcp_servers: must be true or false, not "no"'),
    ],
)
def test_networking_that_is_not_right_is_refused(networking: object, said: str, tmp_path: Path) -> None:
    assert said in problem(tmp_path, networking=networking)


# --- image, packages, setup ---


@pytest.mark.parametrize(
    "image",
    [
        *("debian", "debian:bookworm-slim", "a/b/c:1", "registry.example.com:5000/a_b/c__d:V1.0-x", "localhost/x"),
        *("x@sha256:" + "0" * 64, "REGISTRY.example.com/x:y@sha256:" + "f" * 64, "sha256:" + "a" * 64),
    ],
)
def test_an_image_is_named_as_docker_names_them(image: str) -> None:
    assert config(image=image).base_image == image


@pytest.mark.parametrize(
    "image",
    [
        *("", "--privileged", "-v", "x;y", "x y", "x --privileged", "Debian", "a//b", "/a", "a/", "a:", "a:b:c", "a@b"),
        *("x\n", "../x", "a:" + "t" * 129, "x@sha256:00", "x$(id)", "é", "https://x/y", "a\x01"),
    ],
)
def test_what_is_not_an_image_is_refused(image: str, tmp_path: Path) -> None:
    assert problem(tmp_path, image=image) == "config.image: must be the name of an image, such as debian:bookworm-slim"


def test_checking_a_long_image_takes_no_time(tmp_path: Path) -> None:
    assert "config.image" in problem(tmp_path, image="a-" * 255 + "!")
    assert "is longer than 512" in problem(tmp_path, image="a" * 513)


@pytest.mark.parametrize("package", ["", "-e .", "--index-url=x", " x", "\tx", "a\nb", "a\x1bb", "a\x85b", "a\u2028b"])
@pytest.mark.parametrize("manager", ["apt", "cargo", "gem", "go", "npm", "pip"])
def test_a_package_is_never_an_option(package: str, manager: str, tmp_path: Path) -> None:
    said = problem(tmp_path, packages={manager: [package]})
    assert said.startswith(f"config.packages.{manager}[0]: must ")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"packages": {"yum": []}}, "config.packages.yum: is not a known key"),
        ({"packages": {"pip": "pandas"}}, 'config.packages.pip: must be a list, not "pandas"'),
        ({"packages": {"pip": [1.1]}}, "config.packages.pip[0]: must be text, not 1.1"),
        ({"packages": {"type": "package"}}, "config.packages.type: must be packages"),
        ({"setup": ""}, "config.setup: must not be empty"),
        ({"setup": ["x"]}, "config.setup: must be text, not a list"),
        ({"setup": "x" * 65_537}, "config.setup: is longer than 65,536 characters"),
        ({"ca_bundle": "/etc/ssl"}, 'config.ca_bundle: must be host, not "/etc/ssl"'),
        ({"privileged": True}, "config.privileged: is not a known key"),
        ({"volumes": ["/:/host"]}, "config.volumes: is not a known key"),
        ({"netwrok": {}}, "config.netwrok: is not a known key; did you mean networking?"),
        ({"type": "dokcer"}, 'self_hosted, not "dokcer"; did you mean docker?'),
    ],
)
def test_only_what_is_known_is_accepted(fields: JsonObject, said: str, tmp_path: Path) -> None:
    assert said in problem(tmp_path, **fields)


# --- variables ---


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "é", "A\n", "x" * 257])
def test_a_variable_has_a_name_that_shells_know(name: str, tmp_path: Path) -> None:
    assert problem(tmp_path, env={name: "x"})


@pytest.mark.parametrize("value", [1, 1.1, True, None, [], {}])
def test_a_variable_is_text_and_nothing_else(value: object, tmp_path: Path) -> None:
    assert problem(tmp_path, env={"A": value}).startswith("config.env.A: must be text, not ")


def test_a_variable_of_yaml_keeps_its_text_or_asks_for_quotes(tmp_path: Path) -> None:
    text = "name: x\nconfig:\n  type: docker\n  env: {A: on, B: 2026-11-20, C: 12:30:45, D: '1.10'}\n"
    found = load_environment(written(tmp_path, "a.yaml", text)).config.env
    assert found == {"A": "on", "B": "2026-11-20", "C": "12:30:45", "D": "1.10"}
    path = written(tmp_path, "b.yaml", text.replace("'1.10'", "1.10"))
    assert problems(path) == ["4:47: config.env.D: must be text, not 1.10"]


# --- resources ---


@pytest.mark.parametrize(
    ("written_as", "size"),
    [
        ("2g", 2 * 1024**3),
        ("2G", 2 * 1024**3),
        ("2gb", 2 * 1024**3),
        ("2 GiB", 2 * 1024**3),
        ("1.5g", 3 * 512 * 1024**2),
        ("512m", 512 * 1024**2),
        ("10000k", 10_240_000),
        ("1t", 1024**4),
        ("8388608", 8 * 1024**2),
        ("8388608b", 8 * 1024**2),
        (8 * 1024**2, 8 * 1024**2),
    ],
)
def test_sizes_are_bytes(written_as: object, size: int) -> None:
    resources = config(resources={"memory": written_as, "disk": written_as}).resources
    assert (resources.memory, resources.disk) == (size, size)


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"memory": 2}, "config.resources.memory: must be at least 6m"),
        ({"memory": "512"}, "config.resources.memory: must be at least 6m"),
        ({"memory": 0}, "config.resources.memory: must be at least 6m"),
        ({"memory": -1}, "config.resources.memory: must be at least 6m"),
        ({"memory": "-2g"}, "config.resources.memory: must be a size such as 512m or 2g"),
        ({"memory": "2x"}, "config.resources.memory: must be a size such as 512m or 2g"),
        ({"memory": ""}, "config.resources.memory: must be a size such as 512m or 2g"),
        ({"memory": "2g\n"}, "config.resources.memory: must be a size such as 512m or 2g"),
        ({"memory": "9999999999999t"}, "config.resources.memory: is larger than any machine"),
        ({"memory": 2.5e9}, "config.resources.memory: must be a whole number, not 2500000000.0"),
        ({"memory": True}, "config.resources.memory: must be "),
        ({"disk": "10 g b"}, "config.resources.disk: must be a size such as 512m or 2g"),
        ({"cpus": 0}, "config.resources.cpus: must be at least 0.01"),
        ({"cpus": -1}, "config.resources.cpus: must be at least 0.01"),
        ({"cpus": 5000}, "config.resources.cpus: must be at most 4,096"),
        ({"cpus": "2"}, 'config.resources.cpus: must be a number, not "2"'),
        ({"cpus": True}, "config.resources.cpus: must be a number, not true"),
        ({"pids": 0}, "config.resources.pids: must be at least 1"),
        ({"pids": -1}, "config.resources.pids: must be at least 1"),
        ({"pids": 1.5}, "config.resources.pids: must be a whole number, not 1.5"),
        ({"cpu": 1}, "config.resources.cpu: is not a known key; did you mean cpus?"),
    ],
)
def test_resources_that_would_not_hold_are_refused(resources: JsonObject, said: str, tmp_path: Path) -> None:
    assert said in problem(tmp_path, resources=resources)


def test_whole_processors_and_parts_of_one_are_the_same_kind_of_number() -> None:
    assert config(resources={"cpus": 2}) == config(resources={"cpus": 2.0})


# --- what fits together ---


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("cloud", {"image": "debian"}, "config.image: has no place beside type cloud: it is for type docker"),
        ("bubblewrap", {"image": "debian"}, "config.image: has no place beside type bubblewrap"),
        ("bubblewrap", {"packages": {"pip": ["x"]}}, "config.packages: has no place beside type bubblewrap"),
        ("bubblewrap", {"setup": "true"}, "config.setup: has no place beside type bubblewrap"),
        ("self_hosted", {"env": {"A": "b"}}, "config.env: has no place beside type self_hosted"),
        ("self_hosted", {"resources": {"pids": 9}}, "config.resources: has no place beside type self_hosted"),
        ("self_hosted", {"ca_bundle": "host"}, "config.ca_bundle: has no place beside type self_hosted"),
        (
            "self_hosted",
            {"networking": {"type": "unrestricted"}},
            "config.networking: has no place beside type self_hosted",
        ),
    ],
)
def test_what_would_be_ignored_is_refused(kind: str, fields: JsonObject, said: str, tmp_path: Path) -> None:
    assert said in problem(tmp_path, type=kind, **fields)


@pytest.mark.parametrize("kind", ["docker", "bubblewrap", "cloud", "self_hosted"])
def test_null_and_empty_stand_for_nothing_everywhere(kind: str) -> None:
    empty = dict.fromkeys(("packages", "networking", "env", "resources", "setup", "ca_bundle", "image"))
    assert config(type=kind, **empty) == config(type=kind)
    assert config(type=kind, packages={"apt": []}, env={}, resources={}) == config(type=kind)
