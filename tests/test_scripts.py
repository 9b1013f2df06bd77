"""The scripts of the checkout: they parse, they are strict, and they leave alone what is not theirs."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "agentctl-base:bookworm"

SCRIPTS = [
    *sorted(path for path in (ROOT / "script").iterdir() if path.is_file()),
    ROOT / ".ci" / "run",
    ROOT / "examples" / "workspaces" / "make-postgres-outage",
]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def image_id() -> str:
    return run("docker", "image", "inspect", "--format", "{{.Id}}", IMAGE).stdout.strip()


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_a_script_can_be_run_and_bash_understands_it(path: Path) -> None:
    assert os.access(path, os.X_OK)
    assert run("bash", "-n", path).stderr == ""


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_a_script_stops_at_the_first_failure_and_says_what_it_is_for(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[1].startswith("# ")
    assert "set -euo pipefail" in lines


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_a_script_ends_processes_by_number_only_and_names_no_index_or_registry(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\b(pkill|killall)\b", text)
    assert not re.search(r"https?://|--index-url|--extra-index-url|\bpypi\b", text)


@pytest.mark.docker
@pytest.mark.usefixtures("docker_answers")
def test_base_image_does_nothing_where_the_image_is_there() -> None:
    before = image_id()
    assert before, f"script/base-image makes {IMAGE}"
    result = run(ROOT / "script" / "base-image")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert image_id() == before


def test_base_image_says_so_where_no_daemon_answers(tmp_path: Path) -> None:
    result = run(ROOT / "script" / "base-image", DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert result.returncode == 1
    assert "No Docker daemon answers" in result.stderr


def test_base_image_refuses_an_option_that_it_does_not_know() -> None:
    result = run(ROOT / "script" / "base-image", "--fore")
    assert result.returncode == 2
    assert "usage:" in result.stderr


def test_a_folder_that_the_script_did_not_make_is_never_cleared_for_an_environment(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("ten years of work")
    result = run(ROOT / "script" / "venv", tmp_path)
    assert result.returncode == 1
    assert "is left alone" in result.stderr
    assert thesis.read_text() == "ten years of work"


def test_the_demo_runs_through_from_any_folder_and_says_how_to_go_on_with_a_model(tmp_path: Path) -> None:
    result = run(ROOT / "script" / "demo", AGENTCTL_DEMO_DIR=str(tmp_path / "venv"))
    assert result.returncode == 0, result.stderr
    assert "This demo asks no model" in result.stdout
    assert "It did not stop raining: the labels changed." in result.stdout
    assert "$ agentctl replay @" in result.stdout
    end = result.stdout.splitlines()[-4:]
    assert end[1].strip() == "export ANTHROPIC_API_KEY=..."
    assert end[2].strip().startswith(f"{tmp_path}/venv/bin/agentctl run ")
