"""``agentctl gc``: what killed runs leave behind is removed; what somebody runs, and what is not ours, is not."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from agentctl.paths import Home
from agentctl.sandbox.bubblewrap import folders_in
from agentctl.sandbox.docker.containers import owner_of
from agentctl.store.leases import Lease, at_rest, is_running
from tests.cli.program import ROOT, agentctl, begin, until, watched
from tests.cli.test_run import project as project  # noqa: PLC0414 - a fixture
from tests.cli.test_run import script

IMAGE = "agentctl-base:bookworm"
SLOW = "- tools: [{name: bash, input: {command: 'sleep 54321'}}]\n- {text: Done.}"


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()


def there(container: str) -> bool:
    return subprocess.run(["docker", "inspect", container], capture_output=True, check=False).returncode == 0


@pytest.fixture
def containers(docker_answers: None) -> Iterator[list[str]]:
    made: list[str] = []
    yield made
    for container in made:
        subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=False)


def make(made: list[str], owner: str, session_id: str, *, runs: bool = True) -> str:
    labels = ["--label", f"agentctl.session={session_id}", "--label", f"agentctl.owner={owner}"]
    made.append(docker("run" if runs else "create", *(["--detach"] if runs else []), *labels, IMAGE, "sleep", "600"))
    return made[-1]


def begin_slow(project: Path, sandbox: str, session_id: str) -> "subprocess.Popen[str]":
    """Start a run, and wait until a call is under way."""
    process = begin(
        "run", project / "agent.yaml", "go", "--session", session_id, "--sandbox", sandbox,
        "--model", script(project, SLOW), "-o", "jsonl",
    )  # fmt: skip
    until(process, "local.tool_started")
    return process


def end(process: "subprocess.Popen[str]", *, kill: bool = True) -> None:
    process.kill() if kill else process.terminate()
    process.communicate(timeout=120)


def gc(*more: str) -> list[dict[str, Any]]:
    done = agentctl("gc", *more, "-o", "json")
    assert done.code == 0, done.err
    assert done.json["schema"] == "agentctl.gc/1"
    return done.json["leftovers"]


@pytest.mark.docker
def test_only_containers_of_this_store_that_nobody_runs_are_removed(
    project: Path, own_home: Path, containers: list[str]
) -> None:
    process = begin_slow(project, "docker", "runs")
    try:
        mine = owner_of(Home(own_home).builds)
        stray, unstarted = make(containers, mine, "stray"), make(containers, mine, "unstarted", runs=False)
        others = make(containers, "somebody-else", "stray")
        strange = make(containers, mine, "../../../etc/passwd")
        running = docker("ps", "--quiet", "--filter", "label=agentctl.session=runs")
        image = docker("inspect", "--format", "{{.Image}}", running)
        assert running

        seen = gc("--dry-run")
        assert sorted(one["session_id"] for one in seen) == ["stray", "unstarted"]
        assert there(stray)
        assert there(unstarted)

        assert [one | {"error": None} for one in gc()] == seen
        assert not there(stray)
        assert not there(unstarted)
        assert all(map(there, (others, strange, running)))
        assert docker("image", "inspect", "--format", "{{.Id}}", image) == image
        assert gc() == []
    finally:
        end(process, kill=False)
    assert not there(running)


@pytest.mark.docker
def test_a_killed_run_leaves_a_container_that_gc_removes(project: Path, own_home: Path, containers: list[str]) -> None:
    process = begin_slow(project, "docker", "killed")
    container = docker("ps", "--quiet", "--filter", "label=agentctl.session=killed")
    containers.append(container)
    end(process)
    assert there(container)
    (found,) = gc()
    assert (found["kind"], found["session_id"], found["state"]) == ("container", "killed", "running")
    assert not there(container)


@pytest.mark.docker
def test_the_start_of_a_session_removes_what_has_ended_and_leaves_what_can_still_be_asked(
    project: Path, own_home: Path, containers: list[str]
) -> None:
    mine = owner_of(Home(own_home).builds)
    ended, runs = make(containers, mine, "ended"), make(containers, mine, "runs")
    others = make(containers, "somebody-else", "ended")
    for container in (ended, others):
        docker("kill", container)
    process = begin_slow(project, "docker", "new")
    deadline = time.monotonic() + 60  # nobody waits for it, and so it may end after a run that is short
    while there(ended):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    end(process, kill=False)
    assert there(runs)
    assert there(others)


@pytest.mark.docker
def test_many_foreign_containers_do_not_matter_because_the_daemon_chooses(containers: list[str]) -> None:
    for _ in range(5):
        make(containers, "somebody-else", "x", runs=False)
    assert gc() == []
    assert agentctl("gc").out == "nothing is left behind\n"


@pytest.mark.parametrize("sandbox", ["none", pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)])
def test_a_killed_run_leaves_a_folder_that_gc_removes_and_a_running_one_keeps_its_own(
    project: Path, own_home: Path, sandbox: str
) -> None:
    place = own_home / "sandboxes" if sandbox == "none" else folders_in(own_home / "sandboxes")[0]
    own = "agentctl-" if sandbox == "none" else folders_in(own_home / "sandboxes")[1]

    def folders() -> set[Path]:
        return set(place.glob(f"{own}*"))

    killed = begin_slow(project, sandbox, "killed")
    (left,) = folders()
    end(killed)
    assert folders() == {left}
    runs = begin_slow(project, sandbox, "runs")
    try:
        assert [one["name"] for one in gc("--dry-run")] == [str(left)]
        assert left in folders()
        assert agentctl("gc").out == f"removed folder {left}\n"
        (kept,) = folders()
        assert kept != left
    finally:
        end(runs, kill=False)
    assert folders() == set()


def test_what_only_looks_like_a_folder_of_ours_is_left_alone(own_home: Path) -> None:
    place = own_home / "sandboxes"
    for name in ("agentctl-mine", "agentctl-0123456789abcdef.new", "other"):
        (place / name).mkdir(parents=True)
    (place / "agentctl-0123456789abcdef").symlink_to(own_home)
    (place / "agentctl-fedcba9876543210").write_text("a file")
    assert gc() == []
    assert len(list(place.iterdir())) == 5


def test_a_daemon_that_is_not_there_matters_only_where_docker_was_used(project: Path) -> None:
    hello = f"script:{project / 'hello.yaml'}"
    run = ("run", project / "agent.yaml", "go", "--model", hello, "-q")
    assert agentctl("gc", DOCKER_HOST="unix:///nonexistent.sock").code == 0
    assert agentctl(*run, "--sandbox", "none").code == 0
    assert agentctl("gc", DOCKER_HOST="unix:///nonexistent.sock").code == 0


@pytest.mark.docker
def test_a_daemon_that_is_not_there_is_exit_7_once_docker_was_used(project: Path, docker_answers: None) -> None:
    hello = f"script:{project / 'hello.yaml'}"
    assert agentctl("run", project / "agent.yaml", "go", "--model", hello, "-q").code == 0
    done = agentctl("gc", "-o", "json", DOCKER_HOST="unix:///nonexistent.sock")
    assert done.code == 7
    assert done.json["error"]["type"] == "sandbox_error"


def test_whoever_takes_a_session_up_waits_for_what_tidies_after_it(own_home: Path) -> None:
    home = Home(own_home)
    command = (
        "import sys; from pathlib import Path; from agentctl.paths import Home; "
        "from agentctl.store.leases import at_rest\n"
        "with at_rest(Home(Path(sys.argv[1])), 'one') as free: print(free, flush=True); sys.stdin.read()"
    )
    tidier = watched(
        subprocess.Popen(
            [sys.executable, "-c", command, str(own_home)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True,
        )
    )  # fmt: skip
    assert tidier.stdout is not None
    assert tidier.stdin is not None
    assert tidier.stdout.readline() == "True\n"
    assert not is_running(home, "one")
    let_go = threading.Event()

    def end_it(words: IO[str]) -> None:
        let_go.set()
        words.close()

    threading.Timer(0.5, end_it, [tidier.stdin]).start()
    with Lease(home, "one"):
        assert let_go.is_set()
        with at_rest(home, "one") as free:
            assert not free
    assert tidier.wait(60) == 0
