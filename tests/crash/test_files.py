"""Files survive: the container's end, the harness's end, and both."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agentctl.paths import Home
from tests.agents import TESTER
from tests.cli.program import agentctl
from tests.crash.invariants import check_events, check_files, stored_events
from tests.crash.test_kill import containers, kill_when, start, texts

LIST = (
    "find . -type f -exec sha256sum {} + | sort -k2; find . -type l -o -type d | sort; stat -c %a tool; readlink link"
)
SCRIPT = f"""\
- tools:
  - name: bash
    input:
      command: >-
        echo changed >> kept.txt; rm gone.txt; mkdir -p new/empty; head -c 3000000 /dev/urandom > new/data;
        echo 'echo run' > tool; chmod 755 tool; ln -s new/data link; rm -r old; echo x > odd$'\\\\n'name;
        head -c 17000000 /dev/zero > large
- tools: [{{name: bash, input: {{command: "{LIST}"}}}}]
- tools: [{{name: bash, input: {{command: "echo lost > lost; sleep 3"}}}}]
- tools: [{{name: bash, input: {{command: "{LIST}"}}}}]
- {{text: Finished.}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "agent.yaml").write_text(TESTER)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    source = tmp_path / "source"
    (source / "old/deep").mkdir(parents=True)
    for name in ("kept.txt", "gone.txt", "old/deep/file"):
        (source / name).write_text(f"this is {name}\n")
    return tmp_path


def lines_until_the_third_call(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if [line["type"] for line in lines].count("local.tool_started") == 3:
            return lines
    raise AssertionError(lines)


def remove_containers() -> None:
    subprocess.run(["docker", "rm", "--force", *containers().split()], check=True, capture_output=True)


def check_same_files(found: list[str]) -> None:
    _, before, lost, notice, listed = found
    assert "not known" in lost
    assert "/workspace/large" in notice
    assert "as they were after the last call that ended" in notice
    assert before.splitlines()
    assert listed.splitlines() == [line for line in before.splitlines() if not line.endswith("./large")]


@pytest.mark.docker
def test_files_come_back_as_they_were_when_a_container_is_lost(project: Path, own_home: Path) -> None:  # C1 C2
    process = start(project, "docker", "--workspace", str(project / "source"))
    lines_until_the_third_call(process)
    remove_containers()
    assert process.wait(120) == 0
    assert process.stdout is not None
    process.stdout.close()
    events = stored_events(Home(own_home), "killed")
    check_events(events)
    check_same_files(texts(events))
    tree = check_files(Home(own_home), events)
    assert "/workspace/gone.txt" not in tree
    assert tree["/workspace/tool"].mode == 0o755
    assert tree["/workspace/large"].cut == "it has more than 16 MiB"
    [uploaded] = [event for event in events if event["type"] == "local.files_uploaded"]
    assert uploaded["files"] == 5
    assert "/workspace/lost" not in tree
    assert not containers()


@pytest.mark.docker
def test_files_come_back_when_harness_and_container_are_lost(project: Path, own_home: Path) -> None:  # H5
    process = start(project, "docker", "--workspace", str(project / "source"))
    lines_until_the_third_call(process)
    process.kill()
    process.communicate()
    remove_containers()
    (project / "source/kept.txt").write_text("the source is not read again")
    done = agentctl("resume", "killed", "-o", "json")
    assert (done.code, done.json["text"]) == (0, "Finished."), done
    events = stored_events(Home(own_home), "killed")
    check_same_files(texts(events))
    check_files(Home(own_home), events)
    assert not containers()


@pytest.mark.docker
def test_a_call_that_is_taken_over_brings_what_it_did_to_files(project: Path, own_home: Path) -> None:  # H3 H4
    (project / "script.yaml").write_text(
        """\
- tools: [{name: bash, input: {command: "echo 1 > a; head -c 2000000 /dev/urandom > b; sleep 1; echo 2 > c"}}]
- {text: Finished.}
"""
    )
    process = start(project, "docker", "--workspace", str(project / "source"))
    kill_when(process, lambda line: line["type"] == "local.tool_started", pause=0.4)
    done = agentctl("resume", "killed", "-o", "json")
    assert (done.code, done.json["text"]) == (0, "Finished."), done
    events = stored_events(Home(own_home), "killed")
    check_events(events)
    tree = check_files(Home(own_home), events)
    assert {"/workspace/a", "/workspace/b", "/workspace/c", "/workspace/kept.txt"} <= set(tree)
    assert len([event for event in events if event["type"] == "local.files_changed"]) == 1
    assert not containers()


@pytest.mark.parametrize("pause", [0.0, 0.02])
def test_a_run_that_is_killed_once_files_changed_has_each_change_once(
    project: Path, own_home: Path, pause: float
) -> None:
    (project / "script.yaml").write_text(
        """\
- tools: [{name: bash, input: {command: "echo 1 > a"}}]
- tools: [{name: bash, input: {command: "cat a; echo 2 >> a; mv a b"}}]
- tools: [{name: bash, input: {command: "cat b"}}]
- {text: Finished.}
"""
    )
    process = start(project, "none", "--workspace", str(project / "source"))
    kill_when(process, lambda line: line["type"] == "local.files_changed", pause=pause)
    done = agentctl("resume", "killed", "-o", "json")
    assert (done.code, done.json["text"]) == (0, "Finished."), done
    events = stored_events(Home(own_home), "killed")
    check_events(events)
    check_files(Home(own_home), events)


def test_what_is_done_after_the_last_call_is_recorded_when_the_session_comes_to_rest(
    project: Path, own_home: Path
) -> None:
    late = "(sleep 1.2; echo late > late) & echo begun"
    script = f"- {{tools: [{{name: bash, input: {{command: '{late}'}}}}]}}\n- {{text: Finished., typing_seconds: 3}}\n"
    (project / "script.yaml").write_text(script)
    process = start(project, "none")
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed[-2000:]
    events = stored_events(Home(own_home), "killed")
    last = [event for event in events if event["type"] == "local.files_changed"][-1]
    assert "tool_use_id" not in last
    assert [change["path"] for change in last["changes"]] == ["/workspace/late"]
    assert "/workspace/late" in check_files(Home(own_home), events)
