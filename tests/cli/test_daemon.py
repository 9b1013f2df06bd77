"""A Docker daemon that fails: every call of it has a deadline, and every failure is one line and exit code 7.

The daemon is the real one, behind a socket that fails as it is told (``tests/docker_proxy.py``).
"""

import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentctl.paths import Home
from agentctl.sandbox.docker.containers import owner_of
from tests.agents import TESTER
from tests.cli.program import Outcome, agentctl, begin, until
from tests.docker_proxy import Change, Delay, DockerProxy, HangUp, Hold, Make, Reply, Silence

pytestmark = pytest.mark.docker

SCRIPT = """\
- tools: [{name: bash, input: {command: "echo one >> counted; wc -l < counted"}}]
- tools: [{name: bash, input: {command: "echo two >> counted; cat counted"}}]
- tools: [{name: bash, input: {command: "echo three"}}]
- tools: [{name: bash, input: {command: "echo four"}}]
- {text: Finished.}
"""
SESSION = "daemon"

Json = dict[str, Any]


@pytest.fixture
def proxy(tmp_path: Path, docker_answers: None) -> Iterator[DockerProxy]:
    with DockerProxy(tmp_path / "docker.sock") as proxy:
        yield proxy
    remove(containers())
    assert not [line for line in proxy.seen if "/archive" in line or "/exec" in line]


@pytest.fixture
def run(tmp_path: Path, proxy: DockerProxy) -> list[str]:
    """The words of a run through the proxy."""
    (tmp_path / "agent.yaml").write_text(TESTER)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    model = f"script:{tmp_path / 'script.yaml'}"
    return ["run", str(tmp_path / "agent.yaml"), "go", "--session", SESSION, "--model", model, "-o", "jsonl"]


def let_the_second_call_last(folder: Path) -> None:
    (folder / "script.yaml").write_text(SCRIPT.replace("echo two", "sleep 30; echo two"))


def containers(*more: str) -> list[str]:
    command = ["docker", "ps", "--all", "--quiet", "--filter", f"label=agentctl.session={SESSION}", *more]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def remove(names: list[str]) -> None:
    if names:
        subprocess.run(["docker", "rm", "--force", "--volumes", *names], capture_output=True, check=True)


def through(proxy: DockerProxy, *words: str) -> Outcome:
    return agentctl(*words, DOCKER_HOST=proxy.url)


def events() -> list[Json]:
    return agentctl("events", SESSION, "-o", "jsonl").lines


def count(lines: list[Json], kind: str) -> int:
    return sum(line["type"] == kind for line in lines)


def check_gave_up(done: Outcome, said: str) -> None:
    """The session rests with exit code 7, after three tries, its record is whole, and no container is left."""
    assert done.code == 7, done
    assert said in done.json["error"]["message"]
    lines = events()
    assert count(lines, "local.sandbox_lost") == 3
    assert lines[-1]["type"] == "session.status_idle"
    assert not containers()


# --- before there is a session ---


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (Silence(), "does not answer"),  # D3
        (Reply(500, {"message": "out to lunch"}), "out to lunch"),  # D4
        (Reply(200, {"ApiVersion": "1.41", "Version": "x" * 500}, missing=400), "broke"),  # D4: truncated
        (Reply(200, b'{"ApiVersion": "1.4'), "not a Docker daemon"),  # D4: no JSON
        (Reply(200, b"<html>Hello</html>", "text/html"), "not a Docker daemon"),  # D4
        (Reply(200, []), "not a Docker daemon"),  # D4: JSON of another shape
        (Change(answer=lambda body: body | {"ApiVersion": "1.30"}), "1.30 of its API, and 1.41 is needed"),  # D4
        (HangUp(), "broke"),
    ],
    ids=["silent", "500", "truncated", "cut", "html", "shape", "old", "hung up"],
)
def test_a_daemon_that_is_not_well_is_one_line_exit_7_and_no_session(
    proxy: DockerProxy, run: list[str], own_home: Path, deed: Any, said: str
) -> None:
    proxy.on("GET /version", deed)
    began = time.monotonic()
    done = through(proxy, *run)
    assert (done.code, done.json["error"]["type"]) == (7, "sandbox_error"), done
    assert said in done.json["error"]["message"]
    assert time.monotonic() - began < 50
    assert not (own_home / "agentctl.db").exists()


# --- in a session ---


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (Reply(500, {"message": "mkdir /var/lib/docker/x: no space left on device"}), "no space left"),  # D7
        (HangUp(after=True), "broke"),
    ],
    ids=["full", "no answer"],
)
def test_a_container_that_cannot_be_made_is_tried_three_times(
    proxy: DockerProxy, run: list[str], deed: Any, said: str
) -> None:
    proxy.on("POST /containers/create", deed)
    done = through(proxy, *run)
    check_gave_up(done, said)
    assert len(proxy.asked("POST /containers/create")) == 3
    proxy.clear()
    again = through(proxy, "resume", SESSION, "-o", "json")
    assert (again.code, again.json["text"]) == (0, "Finished."), again
    assert not containers()


def test_a_container_that_ends_at_once_is_tried_three_times(proxy: DockerProxy, run: list[str]) -> None:  # C8
    asked: list[Any] = []

    def with_another_program(body: Any) -> Any:
        asked.append(body["Entrypoint"])
        return body | {"Entrypoint": ["/bin/false"]}

    def as_it_was_asked_for(found: Any) -> Any:
        if isinstance(found, dict) and "Config" in found:
            found["Config"]["Entrypoint"] = asked[-1]
        return found

    proxy.on("POST /containers/create", Change(request=with_another_program))
    proxy.on("GET /containers/", Change(answer=as_it_was_asked_for))
    check_gave_up(through(proxy, *run), "exit code 1")
    assert len(asked) == 3


def test_a_name_that_somebody_else_has_is_left_to_them(proxy: DockerProxy, run: list[str]) -> None:  # C7
    name = f"agentctl-{SESSION}-1"
    foreign = subprocess.run(
        ["docker", "create", "--name", name, "agentctl-base:bookworm", "true"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    try:
        done = through(proxy, *run)
        assert (done.code, done.json["text"]) == (0, "Finished."), done
        lines = events()
        assert "is not ours" in next(line["reason"] for line in lines if line["type"] == "local.sandbox_lost")
        assert subprocess.run(["docker", "inspect", foreign], capture_output=True, check=False).returncode == 0
    finally:
        remove([foreign])
    assert not containers()


def test_a_creation_that_outlives_its_harness_leaves_one_container(proxy: DockerProxy, run: list[str]) -> None:  # D5
    proxy.on("POST /containers/create", Delay(after=60.0), times=1)
    process = begin(*run, DOCKER_HOST=proxy.url)
    until(process, "span.model_request_end")
    while not containers():
        time.sleep(0.05)
    process.kill()
    process.communicate()
    (made,) = containers()
    again = begin("resume", SESSION, "-o", "jsonl", DOCKER_HOST=proxy.url)
    until(again, "local.sandbox_started")
    assert len(containers()) == 1
    assert containers() != [made]
    out, _ = again.communicate(timeout=120)
    assert json.loads(out.splitlines()[-1])["text"] == "Finished."
    assert not containers()


def test_a_container_whose_harness_died_before_it_spoke_to_it_is_not_waited_for(
    proxy: DockerProxy, run: list[str]
) -> None:
    proxy.on("POST /containers/*/start", Delay(after=60.0), times=1)
    process = begin(*run, DOCKER_HOST=proxy.url)
    until(process, "local.session_created")
    while not containers("--filter", "status=running"):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    began = time.monotonic()
    done = through(proxy, "resume", SESSION, "-o", "json")
    assert (done.code, done.json["text"]) == (0, "Finished."), done
    assert time.monotonic() - began < 50
    assert not containers()


def test_a_connection_that_breaks_in_a_call_is_a_lost_sandbox_and_the_session_goes_on(
    proxy: DockerProxy, run: list[str], tmp_path: Path
) -> None:
    let_the_second_call_last(tmp_path)
    process = begin(*run, DOCKER_HOST=proxy.url)
    until(process, "local.tool_started", times=2)
    proxy.hang_up()
    out, _ = process.communicate(timeout=120)
    assert json.loads(out.splitlines()[-1])["text"] == "Finished."
    lines = events()
    assert count(lines, "local.sandbox_lost") == 1
    results = [line for line in lines if line["type"] == "agent.tool_result"]
    assert "The sandbox failed" in results[1]["content"][0]["text"]
    assert not containers()


def test_a_daemon_that_is_killed_in_a_call_and_comes_back(
    proxy: DockerProxy, run: list[str], tmp_path: Path
) -> None:  # D2: a daemon that is killed ends its connections and is not there; when it comes back, it has ended all
    let_the_second_call_last(tmp_path)
    process = begin(*run, DOCKER_HOST=proxy.url)
    until(process, "local.tool_started", times=2)
    proxy.stop()
    subprocess.run(["docker", "kill", *containers()], capture_output=True, check=True)
    out, _ = process.communicate(timeout=120)
    result = json.loads(out.splitlines()[-1])
    assert (result["exit_code"], "no Docker daemon" in str(result["error"])) == (7, True), result
    assert len(containers()) == 1
    with DockerProxy(proxy.path) as back:
        done = through(back, "resume", SESSION, "-o", "json")
    assert (done.code, done.json["text"]) == (0, "Finished."), done
    results = [str(line["content"]) for line in events() if line["type"] == "agent.tool_result"]
    assert "The sandbox failed" in results[1]
    assert not containers()


def test_a_session_whose_container_and_image_were_pruned_rests_and_goes_on_when_it_may_have_another_image(
    proxy: DockerProxy, run: list[str], tmp_path: Path
) -> None:  # D8
    let_the_second_call_last(tmp_path)
    (tmp_path / "environment.yaml").write_text(
        f"name: e\nconfig: {{type: docker, setup: 'echo {os.urandom(6).hex()} > /pruned'}}\n"
    )
    process = begin(*run, "-e", str(tmp_path / "environment.yaml"), DOCKER_HOST=proxy.url)
    lines = until(process, "local.tool_started", times=2)
    image = next(line["facts"]["image_tag"] for line in lines if line["type"] == "local.sandbox_started")
    is_pruned = threading.Event()
    proxy.on("POST /containers/create", Hold(is_pruned), times=1)
    remove(containers())
    subprocess.run(["docker", "rmi", image], capture_output=True, check=True)
    is_pruned.set()
    out, _ = process.communicate(timeout=120)
    result = json.loads(out.splitlines()[-1])
    assert (result["exit_code"], "--rebuild" in str(result["error"])) == (7, True), lines
    try:
        done = through(proxy, "resume", SESSION, "--rebuild", "-o", "json")
        assert (done.code, done.json["text"]) == (0, "Finished."), done
        texts = [str(line["content"]) for line in events() if line["type"] == "agent.tool_result"]
        assert "The sandbox failed" in texts[1]
        assert "four" in texts[-1]
    finally:
        subprocess.run(["docker", "rmi", image], capture_output=True, check=False)
    assert not containers()


# --- many containers ---


def test_among_ten_thousand_containers_the_daemon_is_asked_for_ours_and_not_taken_at_its_word(
    proxy: DockerProxy, own_home: Path
) -> None:  # D9
    mine = f"agentctl.owner={owner_of(Home(own_home).builds)}"
    others = [
        {"Id": f"{number:064x}", "Names": [f"/{number}"], "State": "exited", "Labels": labels}
        for number in range(10_000)
        for labels in [{"agentctl.owner": "somebody-else", "agentctl.session": f"s{number}"}]
    ]
    filters: list[list[str]] = []

    def answer(query: dict[str, list[str]], body: Any) -> Reply:
        filters.append(json.loads(query["filters"][0])["label"])
        return Reply(200, others)

    proxy.on("GET /containers/json", Make(answer))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime  # of the processor: others may use it too
    done = through(proxy, "gc", "-o", "json")
    assert (done.code, done.json["leftovers"]) == (0, [])
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5
    assert filters == [[mine]]
    assert not proxy.asked("DELETE")
