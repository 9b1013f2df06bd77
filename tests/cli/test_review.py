"""The review cycle of docs/files.md, run as it is written there: what the page shows is what is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import ROOT, agentctl

PAGE = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

AGENT = "name: mender\nmodel: claude-opus-5-5\ntools: [{type: agent_toolset_20260401}]\n"
ENVIRONMENT = "name: here\nconfig: {type: bubblewrap}\n"
GREET = 'import sys\n\n\ndef greet(name):\n    print("Hello " + name)\n\n\ngreet(sys.argv[1])\n'
SCRIPT = """\
- text: It fails where no name is given.
  tools:
    - name: edit
      input:
        file_path: greet.py
        old_string: "greet(sys.argv[1])"
        new_string: 'greet(sys.argv[1] if len(sys.argv) > 1 else "world")'
    - name: bash
      input:
        command: |
          printf '#!/bin/sh\\nset -e\\npython3 greet.py | grep -q world\\n' > check.sh
          chmod +x check.sh && ./check.sh && rm notes.txt
          echo "Without a name it greets the world." > /mnt/session/outputs/summary.md
- {expect: {is_error: false}, text: It greets the world now.}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "greeter"
    folder.mkdir()
    (tmp_path / "mender.yaml").write_text(AGENT)
    (tmp_path / "here.yaml").write_text(ENVIRONMENT)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    (folder / "greet.py").write_text(GREET)
    (folder / "notes.txt").write_text("fails without a name\n")
    return folder


def steps() -> list[tuple[str, str]]:
    """Return each command that the page shows, and what it shows of its output."""
    found = []
    for block in SHOWN:
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            found.append((command, output))
    return found


@pytest.mark.bubblewrap
def test_the_cycle_of_the_page_does_what_the_page_shows(project: Path) -> None:
    shell = f'agentctl() {{ "{sys.executable}" -m agentctl "$@"; }}; '
    scripted = f"-e {project.parent}/here.yaml --model script:{project.parent}/script.yaml"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "GIT_CEILING_DIRECTORIES": str(project.parent)}
    assert len(steps()) > 4
    for command, output in steps():
        real = command.replace("agentctl run ", f"agentctl run {scripted} ")
        done = subprocess.run(
            ["bash", "-c", shell + real], cwd=project, env=environ, capture_output=True, text=True, check=False
        )
        printed = (done.stdout + done.stderr).replace(str(project), "/home/me/greeter")
        assert (done.returncode, printed) == (0, output), command
    assert (project / "greet.py").read_text() == GREET.replace("argv[1])", 'argv[1] if len(sys.argv) > 1 else "world")')
    assert os.access(project / "check.sh", os.X_OK)
    assert sorted(path.name for path in project.iterdir()) == ["check.sh", "fetched", "greet.py"]


@pytest.mark.bubblewrap
def test_a_folder_that_moved_on_is_left_alone(project: Path) -> None:
    options = ("-e", "../here.yaml", "--model", "script:../script.yaml", "--workspace", ".")
    assert agentctl("run", "../mender.yaml", "go", *options, cwd=project).code == 0
    (project / "greet.py").write_text("mine\n")
    done = agentctl("apply", "@", "--yes", cwd=project)
    assert done.code == 1
    assert "greet.py" in done.out
    assert "it has changed since the session began" in done.out
    assert "nothing was written" in done.err
    assert sorted(path.name for path in project.iterdir()) == ["greet.py", "notes.txt"]
    assert agentctl("apply", "@", "--yes", "--except", "greet.py", cwd=project).code == 0
    assert sorted(path.name for path in project.iterdir()) == ["check.sh", "greet.py"]
    assert (project / "greet.py").read_text() == "mine\n"


HOSTILE = """\
- tools:
    - name: bash
      input:
        command: |
          cd /mnt/session/outputs
          echo good > good; echo no > locked; chmod 000 locked; echo s > suid; chmod 6755 suid; ln good hard
          ln -s /etc/passwd link; mkfifo fifo; truncate -s 4T sparse; echo two > GOOD
          deep=d; for i in $(seq 70); do deep=$deep/d; done; mkdir -p $deep; echo x > $deep/x
          printf x > "$(printf 'a\\033]0;owned\\007')"
- {text: done}
"""


@pytest.mark.bubblewrap
def test_of_hostile_outputs_the_good_ones_are_fetched_and_the_others_named(project: Path) -> None:  # O5, E6, E16
    (project.parent / "script.yaml").write_text(HOSTILE)
    ran = agentctl("run", "../mender.yaml", "go", "-e", "../here.yaml", "--model", "script:../script.yaml", cwd=project)
    assert ran.code == 0, ran.err
    done = agentctl("outputs", "@", "-d", "out", cwd=project)
    assert done.code == 0
    out = project / "out"
    odd = "a\x1b]0;owned\x07"
    assert sorted(path.name for path in out.iterdir()) == ["GOOD", odd, "good", "hard", "suid"]
    assert (out / "good").read_text() == (out / "hard").read_text() == "good\n"
    assert (out / "good").stat().st_nlink == 1
    assert (out / "suid").stat().st_mode & 0o7777 == 0o755
    for name, why in (("locked", "permission denied"), ("sparse", "more than 1073741824"), ("/x", "64 folders deep")):
        assert any(f"{name} is left out: " in line and why in line for line in done.err.splitlines()), name
    assert "\x1b" not in done.out + done.err
