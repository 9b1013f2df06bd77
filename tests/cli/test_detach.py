"""``agentctl run --detach``: in the background, with an id at once and the record as the place to look."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentctl.paths import Home
from agentctl.store.leases import is_running
from tests.cli.program import ROOT, Outcome, agentctl, begin
from tests.cli.test_run import project as project  # noqa: PLC0414 - a fixture
from tests.cli.test_run import run, script

WAITS = (
    "- tools: [{name: bash, input: {command: 'until test -e GATE; do sleep 0.05; done; echo slept'}}]\n- {text: Done.}"
)
ENDLESS = "- tools: [{name: bash, input: {command: 'sleep 98765'}}]\n- {text: never}"


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def follow(name: str) -> Outcome:
    return agentctl("events", name, "--follow", "-o", "jsonl")


def test_the_id_is_printed_at_once_and_the_session_goes_on_and_can_be_attached_to(
    project: Path, own_home: Path
) -> None:
    gate = project / "gate"
    done = run(project, "--detach", model=script(project, WAITS.replace("GATE", str(gate))))
    assert (done.code, done.err) == (0, "")
    name = done.out.removesuffix("\n")
    assert name.startswith("sesn_")
    assert is_running(Home(own_home), name)
    gate.touch()
    kinds = [line["type"] for line in follow(name).lines]
    assert kinds[-1] == "session.status_idle"
    assert agentctl("show", name, "-o", "json").json["result"]["text"] == "Done."
    until(lambda: not is_running(Home(own_home), name))
    log = (own_home / "logs" / f"{name}.log").read_text()
    assert "slept" in log
    assert log.count("Done.") == 1
    assert "\x1b" not in log


def test_json_says_where_the_output_goes_which_is_that_of_a_run(project: Path, own_home: Path) -> None:
    body = run(project, "--detach", "--session", "mine", "-o", "json").json
    assert body == {
        "type": "detached",
        "schema": "agentctl.detached/1",
        "session_id": "mine",
        "log": str(own_home / "logs" / "mine.log"),
    }
    until(lambda: not is_running(Home(own_home), "mine") and Path(body["log"]).read_text().endswith("\n"))
    assert json.loads(Path(body["log"]).read_text())["text"] == "All is well."


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_keeps_a_session_from_being_made_is_said_with_its_exit_code(
    project: Path, own_home: Path, form: str
) -> None:
    for more, model, code, said in (
        ((), "script:/does/not/exist.yaml", 2, "/does/not/exist.yaml"),
        (("--timeout", "soon"), None, 2, "--timeout soon"),
        ((), "claude-opus-5-5", 6, "ANTHROPIC_API_KEY"),
    ):
        done = run(project, "--detach", "-o", form, *more, model=model)
        assert done.code == code
        assert said in done.err
        assert done.err.count("agentctl:") == 1
        assert (done.out == "") if form == "text" else (done.json["exit_code"] == code)
    assert not own_home.exists()


def test_it_has_a_session_of_processes_of_its_own_and_keeps_nothing_of_ours_open(project: Path, own_home: Path) -> None:
    reading, writing = os.pipe()
    command = [
        sys.executable, "-m", "agentctl", "run", str(project / "agent.yaml"), "go", "--sandbox", "none",
        "--model", script(project, ENDLESS), "--session", "alone", "--detach",
    ]  # fmt: skip
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=environ, pass_fds=[writing], check=True, capture_output=True, timeout=120)
    os.close(writing)
    assert os.read(reading, 1) == b""  # the end: nobody else holds it
    os.close(reading)
    holder = int((own_home / "leases" / "alone").read_text())
    try:
        assert os.getsid(holder) == holder
        streams = [str(Path(f"/proc/{holder}/fd/{number}").readlink()) for number in (0, 1, 2)]
        assert streams == ["/dev/null", *[str(own_home / "logs" / "alone.log")] * 2]
    finally:
        os.kill(holder, signal.SIGTERM)
    until(lambda: agentctl("ls", "-o", "json").json["sessions"][0]["status"] == "interrupted")
    assert "agentctl resume" in (own_home / "logs" / "alone.log").read_text()


def test_the_same_id_and_input_again_is_the_same_session(project: Path, own_home: Path) -> None:
    gate = project / "gate"
    slow = script(project, WAITS.replace("GATE", str(gate)))
    first = run(project, "--detach", "--session", "mine", model=slow)
    busy = run(project, "--detach", "--session", "mine", model=slow)
    assert (first.code, busy.code) == (0, 9)
    gate.touch()
    follow("mine")
    until(lambda: not is_running(Home(own_home), "mine"))
    again = run(project, "--detach", "--session", "mine", model=slow)
    assert (again.code, again.out) == (0, "mine\n")
    assert run(project, "--detach", "--session", "mine", message="other", model=slow).code == 2


def test_a_message_on_standard_input_reaches_it(project: Path) -> None:
    asks = script(project, "- {expect: {user_text: wörds}, text: ok}")
    done = agentctl(
        "run", project / "agent.yaml", "-", "--sandbox", "none", "--model", asks, "--detach", stdin="some wörds"
    )
    assert done.code == 0
    follow(done.out.strip())
    assert agentctl("show", "@", "-o", "json").json["result"]["text"] == "ok"


def test_a_signal_while_the_session_is_being_made_ends_both(project: Path, own_home: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:  # a daemon that is waited for
        silent.bind(str(tmp_path / "d.sock"))
        silent.listen()
        process = begin(
            "run", project / "agent.yaml", "go", "--detach", "--model", f"script:{project / 'hello.yaml'}",
            DOCKER_HOST=f"unix://{tmp_path / 'd.sock'}",
        )  # fmt: skip
        silent.accept()[0].close()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        child = int(children.read_text())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert not Path(f"/proc/{child}").exists()
    assert not own_home.exists()


PARTING = """\
import os, signal, sys
from pathlib import Path
from agentctl.cli.main import main

os.register_at_fork(
    after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM),
    after_in_child=lambda: Path("child").write_text(str(os.getpid())),
)
main()
"""


def test_a_signal_at_the_moment_when_they_part_ends_both(project: Path, own_home: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "d.sock"))
        silent.listen()
        done = subprocess.run(
            [
                sys.executable, "-c", PARTING, "run", str(project / "agent.yaml"), "go", "--detach",
                "--model", f"script:{project / 'hello.yaml'}",
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": f"unix://{tmp_path / 'd.sock'}"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False,
        )  # fmt: skip
    assert done.returncode == 143, done.stderr
    assert not Path(f"/proc/{(tmp_path / 'child').read_text()}").exists()
    assert not own_home.exists()
