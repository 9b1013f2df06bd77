"""What the model is told of its sandbox must be so: whoever hears of no network does not try one."""

from pathlib import Path
from typing import Any

import pytest

from agentctl.definitions.environment import Networking
from agentctl.harness.prompt import sandbox_section, system_prompt
from agentctl.sandbox.base import Layout
from tests.cli.program import agentctl
from tests.sandbox.boxes import AGENT


def told(*, is_isolated: bool = True, **networking: Any) -> str:
    section = sandbox_section(Layout(), [], Networking.model_validate(networking), is_isolated=is_isolated)
    return section.splitlines()[2].removeprefix(
        "Your tools work in a Linux sandbox that belongs to this session alone. "
    )


@pytest.mark.parametrize("networking", [{"type": "none"}, {"type": "limited"}])
def test_a_sandbox_that_reaches_nothing_has_no_network(networking: dict[str, str]) -> None:
    assert told(**networking) == "It has no network."


@pytest.mark.parametrize("kind", ["unrestricted", "learn"])
def test_one_that_reaches_everything_public_does_so_through_a_proxy(kind: str) -> None:
    assert told(type=kind).startswith("It reaches public hosts, through the proxy that is named in http_proxy")


def test_of_one_that_is_limited_the_hosts_are_named() -> None:
    some = told(type="limited", allowed_hosts=["api.example.com", "*.example.org"], private_hosts=["10.0.0.7:5432"])
    assert some.startswith("It reaches nothing but api.example.com, *.example.org, 10.0.0.7:5432 (by https:// alone),")
    assert "https:// alone" not in told(type="limited", allowed_hosts=["a.example.com"], allow_http=True)
    packages = told(type="limited", allow_package_managers=True)
    assert packages.startswith("It reaches nothing but where its package managers get packages from, through the proxy")


def test_one_that_is_not_isolated_has_the_network_of_its_machine() -> None:
    assert told(type="unrestricted", is_isolated=False) == "It has the network of the machine that it runs on."
    assert told(type="none", is_isolated=False) == "It has no network."


def test_the_agents_own_words_come_first_and_without_either_there_is_no_system_prompt() -> None:
    assert system_prompt(" You count. ", "# Your sandbox") == "You count.\n\n# Your sandbox"
    assert system_prompt(None, "# Your sandbox") == "# Your sandbox"
    assert system_prompt(" ", None) is None


@pytest.mark.bubblewrap
def test_a_session_tells_the_model_what_its_environment_lets_out(own_home: Path, tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "env.yaml").write_text(
        "name: e\nconfig: {type: bubblewrap, networking: {type: limited, allowed_hosts: [api.example.com]}}\n"
    )
    (tmp_path / "hello.yaml").write_text("- text: All is well.\n")
    model = f"script:{tmp_path / 'hello.yaml'}"
    done = agentctl("run", tmp_path / "agent.yaml", "go", "-e", tmp_path / "env.yaml", "--model", model)
    assert done.code == 0, done.err
    (created,) = agentctl("events", "@", "--type", "local.session_created", "-o", "jsonl").lines
    assert "It reaches nothing but api.example.com (by https:// alone)," in created["request"]["system"]
