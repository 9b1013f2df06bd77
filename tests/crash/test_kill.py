"""A run that is killed (SIGKILL) is taken up again: the same answer, and no call made twice."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agents import TESTER
from tests.cli.program import Outcome, agentctl, begin, until
from tests.loopback_api import LoopbackApi, say, think

SCRIPT = """\
- text: First.
  tools: [{name: bash, input: {command: "sleep 1.5; echo line >> counted; wc -l < counted"}}]
- tools: [{name: bash, input: {command: "echo line >> counted; wc -l < counted"}}, {name: glob, input: {pattern: "*"}}]
- {text: Finished.}
"""

WAITING = "touch /tmp/begun; until test -e /tmp/gate; do sleep 0.1; done; sleep 1.5"
"""The first call in a container, where its slowness hangs on no clock: it begins to end when it is let."""

Json = dict[str, Any]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "agent.yaml").write_text(TESTER)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    return tmp_path


def start(project: Path, sandbox: str, *more: str) -> subprocess.Popen[str]:
    return begin(
        "run", project / "agent.yaml", "go", "--session", "killed", "--sandbox", sandbox,
        "--model", f"script:{project / 'script.yaml'}", "-o", "jsonl", *more,
    )  # fmt: skip


def kill_when(process: subprocess.Popen[str], reached: Callable[[Json], bool], pause: float = 0.0) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if reached(json.loads(line)):
            break
    time.sleep(pause)
    kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    process.kill()
    process.stdout.read()
    process.wait()
    process.stdout.close()


def events() -> list[Json]:
    return agentctl("events", "killed", "-o", "jsonl").lines


def texts(lines: list[Json]) -> list[str]:
    return [block["text"] for line in lines if line["type"] == "agent.tool_result" for block in line["content"]]


def check_record(lines: list[Json]) -> None:
    """Every call has one result, every request an end, and no call was begun twice."""
    calls = [line["id"] for line in lines if line["type"] == "agent.tool_use"]
    results = [line["tool_use_id"] for line in lines if line["type"] == "agent.tool_result"]
    assert sorted(calls) == sorted(results)
    begun = [call for line in lines if line["type"] == "local.tool_started" for call in line["tool_use_ids"]]
    assert len(begun) == len(set(begun))
    starts = [line["id"] for line in lines if line["type"] == "span.model_request_start"]
    ends = [line["model_request_start_id"] for line in lines if line["type"] == "span.model_request_end"]
    assert starts == ends


def containers() -> str:
    command = ["docker", "ps", "--all", "--quiet", "--filter", "label=agentctl.session=killed"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def start_in_container(project: Path) -> subprocess.Popen[str]:
    """Start a run, and return when its first call is under way in the container."""
    (project / "script.yaml").write_text(SCRIPT.replace("sleep 1.5", WAITING))
    process = start(project, "docker")
    wait_for("test -e /tmp/begun")
    return process


def wait_for(command: str) -> None:
    """Wait until a command in the container says yes."""
    deadline = time.monotonic() + 60
    while not in_container(command):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def in_container(command: str) -> bool:
    """Say whether a command in the container says yes."""
    words = ["docker", "exec", containers().strip(), "sh", "-c", command]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def resume() -> Outcome:
    done = agentctl("resume", "killed", "-o", "json")
    assert done.code == 0, done.err
    assert done.json["text"] == "Finished."
    return done


@pytest.mark.docker
def test_a_call_that_was_running_goes_on_in_the_container_and_its_result_is_fetched(
    project: Path, docker_answers: None
) -> None:
    process = start_in_container(project)
    kill(process)
    assert containers()
    assert agentctl("ls", "-o", "json").json["sessions"][0]["status"] == "interrupted"
    assert in_container("touch /tmp/gate")
    resume()
    lines = events()
    check_record(lines)
    assert [text.strip() for text in texts(lines)][:2] == ["1", "2"]
    assert not containers()


@pytest.mark.docker
def test_a_call_that_ended_meanwhile_is_not_run_again(project: Path, docker_answers: None) -> None:
    process = start_in_container(project)
    kill(process)
    assert in_container("touch /tmp/gate")
    wait_for("test -e /workspace/counted")
    time.sleep(0.5)  # for its result, which follows
    resume()
    assert [text.strip() for text in texts(events())][:2] == ["1", "2"]
    assert not containers()


@pytest.mark.docker
def test_when_the_container_is_gone_too_the_model_is_told_that_nobody_knows(
    project: Path, docker_answers: None
) -> None:
    process = start_in_container(project)
    kill(process)
    subprocess.run(["docker", "rm", "--force", *containers().split()], check=True, capture_output=True)
    resume()
    lines = events()
    check_record(lines)
    assert "not known" in texts(lines)[0]
    assert any("replaced" in text for text in texts(lines)[1:])
    assert not containers()


@pytest.mark.docker
def test_a_container_that_dies_in_a_call_is_replaced_and_the_session_goes_on(
    project: Path, docker_answers: None
) -> None:
    process = start_in_container(project)
    subprocess.run(["docker", "kill", *containers().split()], check=True, capture_output=True)
    lines = [json.loads(line) for line in process.communicate(timeout=60)[0].splitlines()]
    assert process.returncode == 0
    check_record(lines[:-1])
    assert "The sandbox failed" in texts(lines)[0]
    assert [line["type"] for line in lines].count("local.sandbox_lost") == 1
    assert lines[-1]["text"] == "Finished."
    assert not containers()


MOMENTS = [
    "local.session_created", "session.status_running", "local.input_processed", "span.model_request_start",
    "local.model_response", "span.model_request_end", "local.tool_started", "agent.tool_result", "local.tool_facts",
    "agent.message", "session.usage", "session.status_idle",
]  # fmt: skip


@pytest.mark.parametrize("kind", MOMENTS)
def test_a_run_that_is_killed_after_any_event_ends_with_the_same_answer(project: Path, kind: str) -> None:
    (project / "script.yaml").write_text(SCRIPT.replace("sleep 1.5", "sleep 0.2"))
    process = start(project, "none")
    kill_when(process, lambda line: line["type"] == kind)
    resume()
    check_record(events())


@pytest.mark.parametrize("delay", [0.25, 0.45, 0.6, 0.8, 1.0])
def test_a_run_that_is_killed_at_any_time_ends_with_the_same_answer(project: Path, delay: float) -> None:
    process = start(project, "none")
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if agentctl("show", "killed").code == 2:  # killed before there was a session: nothing is in the way of one
        assert start(project, "none").communicate()[0].splitlines()[-1].startswith('{"type": "result"')
    else:
        resume()
    check_record(events())


@pytest.mark.parametrize("kind", ["span.model_request_start", "local.tool_started", "agent.tool_result"])
def test_a_strict_api_finds_nothing_wrong_with_a_conversation_that_was_taken_up(
    project: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = [{"type": "tool_use", "name": "bash", "input": {"command": "echo here"}}]
    turns = [think("I look.", *look), think("", *look), say("Finished.")]
    with LoopbackApi(lambda body: turns[min(len(turns) - 1, str(body["messages"]).count("tool_result"))]) as api:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", api.key)
        process = start(project, "none", "--model", "claude-opus-5-5")
        kill_when(process, lambda line: line["type"] == kind)
        resume()
        assert api.violations == []
    check_record(events())


def test_resuming_can_itself_be_killed_again_and_again(project: Path) -> None:
    process = start(project, "none")
    kill_when(process, lambda line: line["type"] == "local.tool_started")
    for delay in (0.2, 0.4, 0.5, 0.6, 0.7):
        again = begin("resume", "killed", "-q")
        time.sleep(delay)
        again.kill()
        again.communicate()
    resume()
    check_record(events())


def test_a_second_process_is_refused_and_told_who_runs_the_session(project: Path) -> None:
    gate = project / "gate"
    (project / "script.yaml").write_text(SCRIPT.replace("sleep 1.5", f"until test -e {gate}; do sleep 0.05; done"))
    process = start(project, "none")
    until(process, "local.tool_started")
    done = agentctl("resume", "killed", "-o", "json")
    assert done.code == 9
    assert str(process.pid) in done.err
    gate.touch()
    process.communicate(timeout=60)
    assert process.returncode == 0
