"""What holds for every test: no test touches the person's own store, key or Docker by accident."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.workermanage import WorkerController

from agentctl.paths import Home
from agentctl.sandbox.docker.containers import owner_of
from tests.cli.program import end_what_was_begun
from tests.side_by_side import DockerApart, tell_where, write_apart

hypothesis.settings.register_profile(  # machines differ, and are shared
    "agentctl", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("agentctl")

SKIPPABLE = set(filter(None, os.environ.get("AGENTCTL_TEST_SKIP", "").split(",")))

HOMES: list[Path] = []


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a store of its own, and take every key out of its environment."""
    for name in [name for name in os.environ if name.startswith(("ANTHROPIC_", "AGENTCTL_"))]:
        monkeypatch.delenv(name)
    for name in ("COLUMNS", "LINES"):  # pytest-xdist sets them, and nothing is as wide as it thinks
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "agentctl-home"
    monkeypatch.setenv("AGENTCTL_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))
    HOMES.append(home)
    return home


@pytest.fixture
def home(own_home: Path) -> Home:
    """Return the test's own store by its places."""
    return Home(own_home)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """End what a test has begun and, having failed, has not ended."""
    yield
    end_what_was_begun()


def pytest_configure() -> None:
    """Hear ^C, and let the programs under test hear it: a shell's job in the background begins with it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> DockerApart:
    """Let one worker do all that uses Docker."""
    return DockerApart(config, log)  # type: ignore[arg-type]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Begin a worker."""
    tell_where(node)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what was asked to be skipped, by name; everything else must be able to run. A worker writes down more."""
    if hasattr(config, "workerinput"):
        write_apart(items, config.workerinput)
    for item in items:
        for name in SKIPPABLE:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"AGENTCTL_TEST_SKIP names {name}"))


def pytest_sessionfinish() -> None:
    """Remove what sessions of tests have kept of their containers: nobody goes on with them."""
    listed = _docker("images", "--no-trunc", "--quiet", "--filter", "label=agentctl.checkpoint").split()
    owners = {owner_of(home / "builds") for home in HOMES} if listed else set()
    for image in set(listed):
        if _docker("inspect", "--format", '{{index .Config.Labels "agentctl.owner"}}', image).strip() in owners:
            _docker("rmi", "--force", image)


def _docker(*words: str) -> str:
    if not shutil.which("docker"):
        return ""
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="session")
def docker_answers() -> None:
    """Fail early, in words, where a Docker test cannot run."""
    answers = shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False)
    if not answers or answers.returncode:
        pytest.fail("no Docker daemon answers; start one, or set AGENTCTL_TEST_SKIP=docker")
