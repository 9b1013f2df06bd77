"""The program inside: it must run where there is nothing but an old Python."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import agentctl.sandbox.inside as inside
from agentctl.definitions.environment import Environment
from agentctl.sandbox import process
from agentctl.sandbox.base import ToolCall
from agentctl.sandbox.pipe.program import BOOTSTRAP
from tests.sandbox.far_end import begin

FOLDER = Path(inside.__file__).parent
PACKAGE = inside.__name__


def imports(module: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text(), feature_version=(3, 8))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if node.module == PACKAGE else {node.module}
    return found


APART = {"clients", "packages"}
"""Programs of their own, which are sent to the place where an image is looked at."""


def test_every_module_is_sent() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {"__init__", *inside.MODULES} | APART


@pytest.mark.parametrize("module", inside.MODULES)
def test_a_module_imports_the_standard_library_and_modules_sent_before_it(module: str) -> None:
    before = {f"{PACKAGE}.{name}" for name in inside.MODULES[: inside.MODULES.index(module)]}
    for name in imports(module) - before:
        typing_only = name.startswith(PACKAGE) and only_for_types(module, name)
        assert typing_only or name == "__future__" or name.partition(".")[0] in sys.stdlib_module_names, name


def only_for_types(module: str, name: str) -> bool:
    """Say whether a module is imported under TYPE_CHECKING only; such modules may import in circles."""
    text = (FOLDER / f"{module}.py").read_text()
    return re.search(rf"^from {re.escape(name)} import", text, re.MULTILINE) is None


def test_it_is_small_enough_to_start_fast() -> None:
    assert sum((FOLDER / f"{module}.py").stat().st_size for module in inside.MODULES) < 140_000
    assert len(BOOTSTRAP) < 1_000, "it stands in every list of processes"


def pythons() -> list[str]:
    found = []
    for minor in range(8, 20):
        path = shutil.which(f"python3.{minor}")
        if path and not subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode:
            found.append(path)
    return found


@pytest.mark.parametrize("python", pythons() or [sys.executable])
def test_it_runs_on_every_python_that_is_here(python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", python)
    sandbox = process.ProcessSandbox(Environment(name="x"), tmp_path / "box")
    try:
        begin(sandbox)
        calls = [
            ToolCall("1", "bash", {"command": "echo one >a; exit 3"}),
            ToolCall("2", "edit", {"file_path": "a", "old_string": "one", "new_string": "two"}),
            ToolCall("3", "read", {"file_path": "a"}),
            ToolCall("4", "glob", {"pattern": "**/*"}),
            ToolCall("5", "grep", {"pattern": "t.o"}),
        ]
        texts = [outcome.content[0]["text"] for _, outcome in sandbox.call(calls)]
    finally:
        sandbox.close()
    assert texts[0].endswith("[exit code 3]")
    assert texts[1:3] == ["edited a (1 replacement(s))", "two\n"]
    assert texts[3].endswith("/a")
    assert texts[4].endswith("/a:1:two")


NO_PROCESS = """
import os, resource, sys
from agentctl.sandbox.inside.supervisor import Supervisor
(theirs, said), (arriving, to_us) = os.pipe(), os.pipe()
supervisor = Supervisor(arriving, said)
supervisor.config = {"layout": {"workspace": "/"}, "quit_at_end": False}
if os.getuid() == 0:
    os.setuid(65534)  # root may have as many processes as it likes
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
before = os.listdir("/proc/self/fd")
supervisor.messages.take({"type": "put", "channel": 1, "target": "", "request": 1})
assert os.listdir("/proc/self/fd") == before, "something was left open"
sys.stdout.buffer.write(os.read(theirs, 1 << 16))
"""


def test_files_that_no_process_can_be_started_for_are_refused_and_nothing_is_left_open() -> None:
    run = subprocess.run([sys.executable, "-c", NO_PROCESS], capture_output=True, check=True, cwd=FOLDER.parents[2])
    assert b"no process can be started" in run.stdout


KILLS = """
import subprocess, time
from agentctl.sandbox.inside.processes import Killer

child = subprocess.Popen(["sleep", "600"])
killer = Killer(set(), set(), grace_seconds=1.0)
late = time.monotonic() + 60
assert not killer.step(late)
assert child.wait(20) == -9
assert killer.step(late)
"""


def test_what_is_to_end_is_killed_also_where_the_supervisor_stood_still_for_longer_than_it_would_try() -> None:
    subprocess.run([sys.executable, "-c", KILLS], cwd=FOLDER.parents[2], check=True, timeout=60)
