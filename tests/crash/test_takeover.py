"""A harness that stood still while another took its session over does nothing more: no write, no call, exit code 9."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from agentctl.paths import Home
from tests.agents import TESTER
from tests.cli.program import agentctl, begin, until
from tests.crash.invariants import check_database, check_deeds, check_events, stored_events

SCRIPT = """\
- tools: [{name: bash, input: {command: "echo one >> COUNTED; WAIT"}}]
- tools: [{name: bash, input: {command: "echo two >> COUNTED"}}]
- {text: Finished.}
"""


def start(folder: Path, counted: str, sandbox: str, wait: str) -> "subprocess.Popen[str]":
    """Start a run, and stop it while its first call waits."""
    (folder / "agent.yaml").write_text(TESTER)
    (folder / "script.yaml").write_text(SCRIPT.replace("COUNTED", counted).replace("WAIT", wait))
    process = begin(
        "run", folder / "agent.yaml", "go", "--session", "taken", "--sandbox", sandbox,
        "--model", f"script:{folder / 'script.yaml'}", "-o", "jsonl", stderr=subprocess.PIPE,
    )  # fmt: skip
    until(process, "local.tool_started")
    time.sleep(0.3)
    process.send_signal(signal.SIGSTOP)
    return process


def test_a_harness_that_was_stopped_and_replaced_notices_before_it_does_anything(
    tmp_path: Path, own_home: Path
) -> None:  # H10
    counted = tmp_path / "counted"
    gate = tmp_path / "gate"
    process = start(tmp_path, str(counted), "none", f"until test -e {gate}; do sleep 0.05; done")
    try:
        refused = agentctl("resume", "taken")
        assert (refused.code, str(process.pid) in refused.err) == (9, True)  # it stands still, and holds its lease
        (own_home / "leases" / "taken").unlink()
        done = agentctl("resume", "taken", "-o", "json")
        assert (done.code, done.json["text"]) == (0, "Finished."), done
        before = stored_events(Home(own_home), "taken")
    finally:
        gate.touch()
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 9, err
    assert "was taken over" in err
    assert json.loads(out.splitlines()[-1])["exit_code"] == 9
    assert stored_events(Home(own_home), "taken") == before
    check_database(Home(own_home))
    check_events(before)
    check_deeds(counted, ("one", "two"))


@pytest.mark.docker
def test_the_container_that_was_taken_over_is_left_to_its_new_harness(
    tmp_path: Path, own_home: Path, docker_answers: None
) -> None:
    process = start(tmp_path, "counted", "docker", "sleep 4")
    (own_home / "leases" / "taken").unlink()
    again = begin("resume", "taken", "-o", "jsonl")
    until(again, "local.sandbox_started")
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)
    out, _ = again.communicate(timeout=60)
    assert process.returncode == 9
    assert json.loads(out.splitlines()[-1])["text"] == "Finished."
    assert "local.sandbox_lost" not in out
    assert [event["type"] for event in stored_events(Home(own_home), "taken")].count("local.sandbox_started") == 2
