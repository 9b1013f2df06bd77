"""The examples: they load, their data is what it is said to be, and every scripted run does its work."""

import hashlib
import re
import shlex
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from agentctl.definitions.load import load_agent, load_environment
from agentctl.model.script import read_script
from tests.cli.program import ROOT, Outcome, agentctl

EXAMPLES = ROOT / "examples"
AGENTS = {load_agent(path).name: path for path in sorted((EXAMPLES / "agents").iterdir())}
ENVIRONMENTS = {load_environment(path).name: path for path in sorted((EXAMPLES / "environments").iterdir())}

WORKSPACES = {
    "data-analyst": "seattle-weather",
    "code-reviewer": "durationpy",
    "log-investigator": "postgres-outage",
}
OUTPUTS = {
    "data-analyst": ["analysis.py", "report.md", "wet-days.svg"],
    "code-reviewer": ["fix.patch", "review.md"],
    "log-investigator": ["disk.svg", "incident.md", "timeline.py"],
}
FAILING_CALLS = {"data-analyst": 0, "code-reviewer": 1, "log-investigator": 0}
"""The reviewer's tests fail once, before the fix; nothing else may."""

UNCHANGED = {
    "seattle-weather/seattle-weather.csv": "62f0609f787158128aa2bd102967173a4953122dd4f872bf1d502cae1037df0b",
    "durationpy/durationpy/duration.py": "6d4e9eba7d7f4b504f263797bcbc24dd3686885faf0e58016c6c6d9562340aa3",
}
"""Files that are byte for byte what others published."""

SANDBOXES = [
    pytest.param("bare", marks=pytest.mark.docker),
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
]


def scripted(name: str, environment: str, *options: str) -> Outcome:
    return agentctl(
        *("run", AGENTS[name], "-e", ENVIRONMENTS[environment]),
        *("--workspace", EXAMPLES / "workspaces" / WORKSPACES[name]),
        *("-f", EXAMPLES / "questions" / f"{name}.txt"),
        *("--model", f"script:{EXAMPLES / 'scripts' / name}.yaml"),
        *options,
    )


def containers_of(session_id: str) -> str:
    command = ["docker", "ps", "--all", "--quiet", "--filter", f"label=agentctl.session={session_id}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_has_a_question_a_workspace_and_a_script_that_calls_only_its_own_tools(name: str) -> None:
    script = read_script(EXAMPLES / "scripts" / f"{name}.yaml")
    toolset = load_agent(AGENTS[name]).toolset
    assert toolset is not None
    assert (EXAMPLES / "questions" / f"{name}.txt").read_text().strip()
    assert (EXAMPLES / "workspaces" / WORKSPACES[name]).is_dir()
    for call in (call for turn in script.turns for call in turn.tools):
        settings = toolset.resolved(call.name)  # type: ignore[arg-type]
        assert (settings.enabled, settings.policy) == (True, "always_allow"), call


@pytest.mark.parametrize("name", AGENTS)
def test_a_scripted_run_states_what_it_expects_of_every_turn(name: str) -> None:
    script = read_script(EXAMPLES / "scripts" / f"{name}.yaml")
    assert script.turns[0].expect.user_text
    assert all(turn.expect.is_error is not None for turn in script.turns[1:])


@pytest.mark.parametrize("path", UNCHANGED)
def test_data_of_others_is_byte_for_byte_theirs(path: str) -> None:
    content = (EXAMPLES / "workspaces" / path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == UNCHANGED[path]


def test_the_examples_are_small_and_name_no_machine() -> None:
    files = [path for path in EXAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 1_500_000
    for path in files:
        assert not re.search(r"/tmp/tmp\.|/home/|/root/|\bpypi\b", path.read_text()), path


def test_every_workspace_says_where_it_comes_from() -> None:
    sources = (EXAMPLES / "workspaces" / "README.md").read_text()
    for name in WORKSPACES.values():
        assert f"| `{name}` |" in sources


@pytest.mark.parametrize("environment", SANDBOXES)
@pytest.mark.parametrize("name", AGENTS)
def test_a_scripted_run_does_its_work(name: str, environment: str, tmp_path: Path) -> None:
    outcome = scripted(name, environment, "-o", "jsonl")
    result = outcome.lines[-1]
    assert (outcome.code, result["stop_reason"], result["error"]) == (0, {"type": "end_turn"}, None)
    assert result["outputs"] == OUTPUTS[name]
    failed = [event for event in outcome.lines if event["type"] == "agent.tool_result" and event.get("is_error")]
    assert len(failed) == FAILING_CALLS[name]
    fetched = agentctl("outputs", result["session_id"], "-d", tmp_path / "outputs")
    assert fetched.code == 0, fetched.err
    for chart in (tmp_path / "outputs").glob("*.svg"):
        assert ET.parse(chart).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    if environment == "bare":
        assert containers_of(result["session_id"]) == ""


@pytest.mark.bubblewrap
def test_the_reviewers_patch_applies_to_the_published_package_and_its_tests_pass(tmp_path: Path) -> None:
    result = scripted("code-reviewer", "bubblewrap", "-o", "json").json
    agentctl("outputs", result["session_id"], "-d", tmp_path / "outputs")
    package = tmp_path / "durationpy"
    subprocess.run(["cp", "-r", EXAMPLES / "workspaces" / "durationpy", package], check=True)
    subprocess.run(["git", "apply", tmp_path / "outputs" / "fix.patch"], cwd=package, check=True)
    subprocess.run(["env", "PYTHONPATH=.", "python3", "tests/test_durationpy.py"], cwd=package, check=True)


@pytest.mark.bubblewrap
def test_a_scripted_run_fails_when_the_data_is_not_what_it_was(tmp_path: Path) -> None:
    data = (EXAMPLES / "workspaces" / "seattle-weather" / "seattle-weather.csv").read_text()
    (tmp_path / "seattle-weather.csv").write_text(data.replace("2015/03/15,55.9", "2015/03/15,5.9"))
    outcome = agentctl(
        *("run", AGENTS["data-analyst"], "-e", ENVIRONMENTS["bubblewrap"], "--workspace", tmp_path),
        *("-f", EXAMPLES / "questions" / "data-analyst.txt", "-o", "json"),
        *("--model", f"script:{EXAMPLES / 'scripts' / 'data-analyst.yaml'}"),
    )
    assert outcome.code == 6
    assert "the run left the script data-analyst at turn 4" in outcome.json["error"]["message"]


@pytest.mark.docker
@pytest.mark.usefixtures("docker_answers")
def test_the_environment_for_data_has_its_packages_and_no_network(tmp_path: Path) -> None:
    script = tmp_path / "packages.yaml"
    script.write_text(
        "- tools:\n"
        "    - name: bash\n"
        "      input:\n"
        "        command: python3 -c 'import matplotlib, pandas; print(pandas.__version__)'; ls /sys/class/net\n"
        "- expect: {is_error: false, result_text: ['3.', lo]}\n"
        "  text: Both are there.\n"
    )
    outcome = agentctl(
        *("run", AGENTS["data-analyst"], "Are they there?", "-e", ENVIRONMENTS["python-data"]),
        *("--model", f"script:{script}", "-o", "json"),
    )
    assert (outcome.code, outcome.json["text"]) == (0, "Both are there."), outcome.err


def test_the_commands_in_the_readme_name_files_that_are_there() -> None:
    text = (EXAMPLES / "README.md").read_text().replace("\\\n", " ")
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("    agentctl run ")]
    named = [word.removeprefix("script:") for command in commands for word in command if "examples/" in word]
    assert len(commands) == 4
    assert all((ROOT / path).exists() for path in named), named


@pytest.mark.parametrize("name", AGENTS)
def test_a_scripted_run_does_the_same_without_isolation(name: str) -> None:
    done = scripted(name, "bubblewrap", "--sandbox", "none", "-o", "json")
    assert done.code == 0, done.err
    assert done.json["outputs"] == OUTPUTS[name]
