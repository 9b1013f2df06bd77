"""A run with little memory, and a call that says more than fits into it; with AGENTCTL_TEST_ALL=1 two gigabytes."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from tests.cli.program import ROOT

AGENT = "name: tester\nmodel: claude-opus-5-5\ntools: [{type: agent_toolset_20260401}]\n"
SCRIPT = """\
- tools: [{name: bash, input: {command: "head -c SAID /dev/zero; echo; echo the end"}}]
- {text: Finished.}
"""
MOST = 300 << 20
SAID = (2 << 30) if os.environ.get("AGENTCTL_TEST_ALL") == "1" else (512 << 20)


def test_output_that_is_larger_than_the_memory_needs_none_of_it(tmp_path: Path) -> None:  # H9
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "script.yaml").write_text(SCRIPT.replace("SAID", str(SAID)))
    process = subprocess.Popen(
        [
            "prlimit", f"--data={MOST}", "--",
            sys.executable, "-m", "agentctl", "run", str(tmp_path / "agent.yaml"), "go", "--sandbox", "none",
            "--model", f"script:{tmp_path / 'script.yaml'}", "-o", "jsonl",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        lines = [json.loads(line) for line in process.stdout]
        said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert (process.returncode, lines[-1]["text"]) == (0, "Finished."), said
    (result,) = [line["content"] for line in lines if line["type"] == "agent.tool_result"]
    assert "the end" in result[0]["text"]
    assert len(result[0]["text"]) < 200_000
    # A process begins with what its parent had: here the process of all tests.
    assert used.ru_maxrss <= max(MOST // 2 // 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
