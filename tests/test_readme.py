"""The README's commands, run as they are written, in order, in a folder that has what they name."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentctl.cli.main import COMMANDS
from tests.cli.program import ROOT
from tests.loopback_api import LoopbackApi, Reply, say

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Lines that call agentctl: all of ``sh`` blocks, and those behind ``$`` of ``console`` blocks."""
    found = []
    for language, text in BLOCK.findall(README):
        joined = text.replace("\\\n", " ")
        if language == "sh":
            found += [line for line in joined.splitlines() if line.startswith("agentctl ")]
        elif language == "console":
            found += [line[2:] for line in joined.splitlines() if line.startswith("$ ")]
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "logs").mkdir()
    (folder / "logs" / "import.log").write_text("stopped: disk full\n")
    (folder / "question.txt").write_text("Why did the import stop?")
    (folder / "notes.md").write_text("# Notes\n")
    shutil.copy(ROOT / "examples" / "environments" / "bare.yaml", folder / "environment.yaml")
    agent = next(text for language, text in BLOCK.findall(README) if language == "yaml" and "# agent.yaml" in text)
    (folder / "agent.yaml").write_text(agent)
    program = tmp_path / "bin" / "agentctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m agentctl "$@"\n')
    program.chmod(0o755)
    return folder


def answer(body: dict[str, Any]) -> Reply:
    return say("The disk was full.")


@pytest.mark.docker
def test_the_commands_of_the_readme_work_as_written(project: Path, docker_answers: None) -> None:
    assert len(commands()) >= 10
    with LoopbackApi(answer) as api:
        environ = {
            **os.environ,
            "PATH": f"{project.parent / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "ANTHROPIC_BASE_URL": api.url,
            "ANTHROPIC_API_KEY": api.key,
        }
        for command in commands():
            done = subprocess.run(
                ["bash", "-c", command], cwd=project, env=environ, capture_output=True, text=True, timeout=300,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            answers = (0, 1) if " diff " in command else (0,)  # two sessions may differ
            assert done.returncode in answers, f"{command}\n{done.stdout}\n{done.stderr}"
        assert api.violations == []


def test_pages_that_the_readme_names_are_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_command_is_in_the_readme() -> None:
    for name in COMMANDS:
        assert re.search(rf"\bagentctl {name}\b|`{name}`|script/{name}", README), f"the README does not name {name}"
