"""Environments become images: once each, whoever asks and however many do."""

import io
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.api import APIClient

from agentctl.definitions.environment import Environment, EnvironmentConfig
from agentctl.errors import SandboxError
from agentctl.sandbox.base import Layout, Origin, ToolCall
from agentctl.sandbox.bubblewrap import BubblewrapSandbox
from agentctl.sandbox.docker.images import Images
from agentctl.sandbox.docker.recipe import make_recipe
from agentctl.sandbox.docker.sandbox import DockerSandbox
from agentctl.sandbox.docker.uses import Uses
from agentctl.sandbox.trust import find_ca_bundle
from agentctl.store.blobs import Blobs

BASE = "agentctl-base:bookworm"


def config(**values: object) -> EnvironmentConfig:
    return EnvironmentConfig.model_validate({"type": "docker", "image": BASE, **values})


def recipe_hash(base_id: str = "sha256:0", ca_bundle: bytes | None = None, **values: object) -> str:
    return make_recipe(config(**values), base_id, Layout(), ca_bundle).hash


def test_everything_that_goes_in_is_in_the_name() -> None:
    hashes = {
        recipe_hash(),
        recipe_hash("sha256:1"),
        recipe_hash(ca_bundle=b"x"),
        recipe_hash(ca_bundle=b"y"),
        recipe_hash(setup="true"),
        recipe_hash(setup="false"),
        *(recipe_hash(packages={manager: ["x"]}) for manager in ("apt", "cargo", "gem", "go", "npm", "pip")),
    }
    assert len(hashes) == 12


def test_an_image_is_made_from_another_by_its_id_alone() -> None:  # E18
    instructions = make_recipe(config(setup="true"), "sha256:0", Layout(), None).dockerfile.splitlines()
    assert [line for line in instructions if line.startswith("FROM")] == ["FROM sha256:0"]


def test_what_does_not_go_in_is_not_in_the_name() -> None:
    assert recipe_hash() == recipe_hash(env={"A": "1"}, resources={"memory": "1g"}) == recipe_hash(image="other:name")


def test_packages_are_installed_in_the_order_of_the_managers_and_quoted() -> None:
    packages = {"pip": ["a; rm -rf /"], "apt": ["b'c"], "npm": ["@scope/d@1"], "gem": ["e:1.0"], "go": ["f@latest"]}
    text = make_recipe(config(packages=packages), "sha256:0", Layout(), None).dockerfile
    places = [text.index(f"{manager} install") for manager in ("apt-get", "gem", "go", "npm", "pip")]
    assert sorted(places) == places
    assert "'a; rm -rf /'" in text
    assert "'b'\\\\''c'" in text


def test_certificates_are_trusted_before_anything_is_fetched_and_by_apt_too() -> None:
    text = make_recipe(config(packages={"npm": ["a"]}), "sha256:0", Layout(), b"x").dockerfile
    fetched = text.index("apt-get")
    for variable in ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO", "GIT_SSL_CAINFO"):
        assert text.index(f"{variable}=") < fetched
    assert text.index("Acquire::https::CAInfo") < fetched


def test_a_go_module_is_never_fetched_from_its_own_host() -> None:
    text = make_recipe(config(packages={"go": ["example.org/x/tool@v1"]}), "sha256:0", Layout(), None).dockerfile
    (command,) = [line for line in text.splitlines() if "go install" in line]
    assert "[,|]direct$" in command


def test_the_certificates_of_the_host_are_found_where_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").write_bytes(b"certificates")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert find_ca_bundle() == b"certificates"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(SandboxError, match=r"missing\.pem"):
        find_ca_bundle()


# With a daemon.


@pytest.fixture
def images() -> Iterator[set[str]]:
    """Collect names of images, which are removed after the test."""
    names: set[str] = set()
    yield names
    client = APIClient(version="auto")
    for name in names:
        client.remove_image(name, force=True)
    client.close()


def forget_failed(builds: Path) -> None:
    """Remove what failed builds have left."""
    images = Images(builds)
    for recipe in images.unfinished():
        images.remove_unfinished(recipe)
    images.close()


def built(images: set[str], builds: Path, told: list[str], **values: object) -> DockerSandbox:
    sandbox = DockerSandbox(Environment(name="x", config={"type": "docker", "image": BASE, **values}), builds)
    images.add(sandbox.prepare(told.append)["image_tag"])
    return sandbox


@pytest.mark.docker
def test_setup_runs_once_and_as_root(images: set[str], tmp_path: Path) -> None:
    setup = f"id -u >/who\n# {os.getpid()}\necho secret >/only-root\nchmod 600 /only-root\n"
    values = {"setup": setup, "ca_bundle": "host"}
    told: list[str] = []
    built(images, tmp_path, told, **values).close()
    assert any("run setup" in line for line in told)
    again: list[str] = []
    sandbox = built(images, tmp_path, again, **values)
    assert again == [], "it is built already"
    sandbox.start(f"sesn_image{os.getpid()}", [], Blobs(tmp_path), print)
    command = "cat /who; cat /only-root 2>&1; stat -c %s $SSL_CERT_FILE; test $PIP_CERT = $SSL_CERT_FILE && echo same"
    [(_, outcome)] = sandbox.call([ToolCall("a", "bash", {"command": command})])
    sandbox.close()
    size = len(find_ca_bundle())
    assert outcome.content[0]["text"] == f"0\ncat: /only-root: Permission denied\n{size}\nsame"


@pytest.mark.docker
def test_a_build_that_fails_shows_its_last_lines_and_where_all_of_them_are(tmp_path: Path) -> None:
    setup = f"for i in $(seq 40); do echo line $i; done\necho 'went \x1b[31mwrong'\nexit 3 # {os.getpid()}"
    sandbox = DockerSandbox(Environment(name="x", config={"type": "docker", "image": BASE, "setup": setup}), tmp_path)
    with pytest.raises(SandboxError) as raised:
        sandbox.prepare(lambda _line: None)
    assert raised.value.message == "the image cannot be built: run setup: exit code 3"
    hint = (raised.value.hint or "").splitlines()
    assert hint[1:-1] == [*(f"line {number}" for number in range(27, 41)), "went wrong"]
    log = Path(hint[-1].removeprefix("the whole log: "))
    assert "line 1\n" in log.read_text()
    sandbox.close()
    # What was done before is where the next build goes on; it is known, and can be removed.
    images = Images(tmp_path)
    (recipe,) = images.unfinished()
    assert images.list() == []
    step = Uses(tmp_path).unfinished()[recipe]
    assert images.remove_unfinished(recipe)
    assert images.unfinished() == {}
    client = APIClient(version="auto")
    assert client.images(name=f"agentctl-env:{recipe}") == []
    assert step not in str(client.images(all=True))
    client.close()
    images.close()


@pytest.mark.docker
def test_of_many_that_want_the_same_image_one_builds_it(images: set[str], tmp_path: Path) -> None:
    setup = f"sleep 2.5 # {os.getpid()} many"
    told: list[list[str]] = [[] for _ in range(4)]

    def build(lines: list[str]) -> None:
        built(images, tmp_path, lines, setup=setup).close()

    threads = [threading.Thread(target=build, args=(lines,)) for lines in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(any("run setup" in line for line in lines) for lines in told) == 1
    assert sum(lines == ["waiting for another session that builds the same image"] for lines in told) == 3
    assert len(images) == 1


@pytest.mark.docker
@pytest.mark.parametrize(
    ("image", "says"),
    [("agentctl-base:never", "there is no image agentctl-base:never"), ("registry.invalid/a/b:c", "cannot pull image")],
)
def test_an_image_that_is_not_there_is_one_line_and_a_hint(tmp_path: Path, image: str, says: str) -> None:
    sandbox = DockerSandbox(Environment(name="x", config={"type": "docker", "image": image}), tmp_path)
    with pytest.raises(SandboxError, match=says) as raised:
        sandbox.prepare(lambda _line: None)
    assert "\n" not in raised.value.message
    assert "script/base-image" in (raised.value.hint or "")
    sandbox.close()


@pytest.mark.docker
def test_an_image_with_nothing_in_it_is_refused_when_it_is_built(tmp_path: Path) -> None:
    client = APIClient(version="auto")
    name = f"agentctl-test-empty:{os.getpid()}"
    client.import_image_from_data(bytes(10240), repository=name.partition(":")[0], tag=name.partition(":")[2])
    sandbox = DockerSandbox(Environment(name="x", config={"type": "docker", "image": name}), tmp_path)
    try:
        with pytest.raises(SandboxError, match="the image cannot be built: make the user and the folders: "):
            sandbox.prepare(lambda _line: None)
    finally:
        forget_failed(tmp_path)
        client.remove_image(name, force=True)
        client.close()
        sandbox.close()


@pytest.mark.docker
def test_where_nothing_can_be_written_of_a_build_is_told(tmp_path: Path) -> None:
    (tmp_path / "builds").touch()
    wanted = config(setup=f"echo {os.getpid()} unwritten").model_dump()
    sandbox = DockerSandbox(Environment(name="x", config=wanted), tmp_path / "builds")
    with pytest.raises(SandboxError, match=r"cannot write logs of builds: .*\.lock: .*"):
        sandbox.prepare(lambda _line: None)
    sandbox.close()


@pytest.mark.docker
def test_an_image_with_neither_python_nor_apt_says_what_it_needs(tmp_path: Path) -> None:
    client, name = APIClient(version="auto"), f"agentctl-test-bare:{os.getpid()}"
    dockerfile = f"FROM {BASE}\nRUN rm -f /usr/bin/apt-get /usr/bin/python3*\n"
    list(client.build(fileobj=io.BytesIO(dockerfile.encode()), tag=name, rm=True, decode=True))
    sandbox = DockerSandbox(Environment(name="x", config={"type": "docker", "image": name}), tmp_path)
    try:
        with pytest.raises(SandboxError, match="make the user and the folders: exit code 1") as raised:
            sandbox.prepare(lambda _line: None)
        assert "the image needs python3 (3.8 or later) and bash, and has no apt-get" in (raised.value.hint or "")
    finally:
        sandbox.close()
        forget_failed(tmp_path)
        client.remove_image(name, force=True)
        client.close()


@pytest.mark.docker
def test_a_session_keeps_to_its_image_by_digest(images: set[str], tmp_path: Path) -> None:  # C6
    environment = Environment(name="x", config={"type": "docker", "image": BASE, "setup": f"echo {os.getpid()} lock"})
    first = DockerSandbox(environment, tmp_path)
    facts = first.prepare(lambda _line: None)
    first.close()
    images.add(facts["image_tag"])
    client = APIClient(version="auto")
    try:
        # The name may mean something else by now: the image is found by what it is.
        client.tag(facts["image_digest"], f"agentctl-test-kept:{os.getpid()}")
        client.tag(BASE, *facts["image_tag"].split(":"))
        again = DockerSandbox(environment, tmp_path, origin=Origin(facts))
        assert again.prepare(lambda _line: None) == facts
        again.close()

        client.remove_image(f"agentctl-test-kept:{os.getpid()}", force=True)
        client.remove_image(facts["image_tag"])
        gone = DockerSandbox(environment, tmp_path, origin=Origin(facts))
        with pytest.raises(SandboxError, match="the session's image is not here any more") as raised:
            gone.prepare(lambda _line: None)
        assert facts["image_digest"] in raised.value.message
        assert "--rebuild" in (raised.value.hint or "")

        told: list[str] = []
        anew = DockerSandbox(environment, tmp_path, origin=Origin(facts, rebuild=True))
        rebuilt = anew.prepare(told.append)
        anew.close()
        assert rebuilt["rebuilt"]
        assert rebuilt["image_tag"] == facts["image_tag"]
        assert rebuilt["image_digest"] != facts["image_digest"]
        assert told[-1] == "the session's image is gone; it goes on with one that was made anew"
    finally:
        client.close()


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that everybody can read: for root, bubblewrap runs as somebody else."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        (Path(name) / "ca.pem").write_text("certificates")
        yield Path(name)


@pytest.mark.bubblewrap
def test_bubblewrap_trusts_whom_this_machine_trusts_too(
    tmp_path: Path, readable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(readable / "ca.pem"))
    environment = Environment(name="x", config={"type": "bubblewrap", "ca_bundle": "host"})
    sandbox = BubblewrapSandbox(environment, tmp_path / "sandboxes")
    sandbox.start("sesn_authorities", [], Blobs(tmp_path), print)
    command = "cat $SSL_CERT_FILE; test $PIP_CERT = $NODE_EXTRA_CA_CERTS && echo; test -w $PIP_CERT || echo read-only"
    [(_, outcome)] = sandbox.call([ToolCall("a", "bash", {"command": command})])
    sandbox.close()
    assert outcome.content[0]["text"] == "certificates\nread-only"
