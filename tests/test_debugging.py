"""The page on debugging, run as it is written: every command ends as the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import ROOT

PAGE = (ROOT / "docs" / "debugging.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"\s+# exit (\d+)$")


def commands() -> list[tuple[str, int]]:
    """Every line of the ``sh`` blocks, with the exit code that the page says it has."""
    blocks = [text.replace("\\\n", " ") for language, text in BLOCK.findall(PAGE) if language == "sh"]
    lines = [line for text in blocks for line in text.splitlines()]
    return [(EXIT.sub("", line), int(found[1]) if (found := EXIT.search(line)) else 0) for line in lines]


@pytest.mark.bubblewrap
def test_the_page_on_debugging_works_as_written(tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "examples", folder / "examples")
    checks = next(text for language, text in BLOCK.findall(PAGE) if language == "yaml" and "# checks.yaml" in text)
    (folder / "checks.yaml").write_text(checks)
    program = tmp_path / "bin" / "agentctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m agentctl "$@"\n')
    program.chmod(0o755)
    environ = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    said: dict[str, str] = {}
    assert len(commands()) >= 15
    for command, code in commands():
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, timeout=300,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        said[command] = done.stdout
        if "--html" in command:
            assert (folder / "today.html").stat().st_size > 10_000
    shown = next(text for language, text in BLOCK.findall(PAGE) if language == "console")
    assert said["agentctl diff yesterday today"].startswith(shown.splitlines()[0])
    assert said["agentctl rerun yesterday --which-moved"].startswith("neither moved")
    assert "done" not in said["agentctl show today"]
    assert "2012 wet by the gauge" in said["agentctl replay today --speed max"]
    left = subprocess.run(["agentctl", "ls"], env=environ, capture_output=True, text=True, check=True).stdout
    titles = [row.split("  ")[-1] for row in left.splitlines()[1:]]
    assert titles == ["rerun of yesterday"] * 2
    assert sorted(path.name for path in folder.iterdir()) == ["examples"]
