"""A run with little memory, and a call that says more than fits into it; with AGENTCTL_TEST_ALL=1 two gigabytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.agents import TESTER
from tests.amount import amount
from tests.cli.program import ROOT

SCRIPT = """\
- tools: [{name: bash, input: {command: "head -c SAID /dev/zero; echo; echo the end"}}]
- {text: Finished.}
"""
MOST = 300 << 20
SAID = amount(512 << 20, 2 << 30)

# A process begins with the peak of the one that started it, so a small one starts it, not that of all the tests.
MEASURED = """\
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def test_output_that_is_larger_than_the_memory_needs_none_of_it(tmp_path: Path) -> None:  # H9
    (tmp_path / "agent.yaml").write_text(TESTER)
    (tmp_path / "script.yaml").write_text(SCRIPT.replace("SAID", str(SAID)))
    done = subprocess.run(
        [
            sys.executable, "-I", "-S", "-c", MEASURED, "prlimit", f"--data={MOST}", "--",
            sys.executable, "-m", "agentctl", "run", str(tmp_path / "agent.yaml"), "go", "--sandbox", "none",
            "--model", f"script:{tmp_path / 'script.yaml'}", "-o", "jsonl",
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, lines[-1]["text"]) == (0, "Finished."), done.stderr
    (result,) = [line["content"] for line in lines if line["type"] == "agent.tool_result"]
    assert "the end" in result[0]["text"]
    assert len(result[0]["text"]) < 200_000
    peak = int(done.stderr.splitlines()[-1]) << 10
    assert 10 << 20 < peak <= MOST // 2
