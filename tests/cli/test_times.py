"""When a file was changed is the same in the sandbox after it, to the microsecond, for ``glob`` and ``ls -t``."""

import os
from pathlib import Path

import pytest

from agentctl.events.agent import AgentToolResult
from agentctl.events.content import describe
from agentctl.paths import Home
from agentctl.store.blobs import Blobs
from agentctl.store.database import reading
from agentctl.store.events import read_events
from tests.agents import CAREFUL
from tests.cli.program import agentctl

SECOND = 1_700_000_000
WRITTEN = {"c": "000001", "a": "5", "given": "500001", "l": "500002", "d": "999999", "b": None}
"""Files of one second in the order of their times, with what is behind the point; ``b`` is of the second after it."""

LOOK = "stat -c '%n %.Y' *; ls -t"
STEPS = f"""\
- tools:
    - name: bash
      input:
        command: >-
          for n in a b c d; do echo $n >$n; done; ln -s a l;
          {"; ".join(f"touch -h -d @{SECOND}.{WRITTEN[name]} {name}" for name in "acdl")};
          touch -d @{SECOND + 1} b
- tools: [{{name: glob, input: {{pattern: "*"}}}}, {{name: bash, input: {{command: "{LOOK}"}}}}]
- text: The files are there.
- tools: [{{name: glob, input: {{pattern: "*"}}}}, {{name: bash, input: {{command: "{LOOK}"}}}}]
- text: And they still are.
"""


def results(home: Home, session: str) -> list[str]:
    with reading(home) as connection:
        events = [record.event for record in read_events(connection, Blobs(home.blobs), session)]
    return [describe(event.content or ()) for event in events if isinstance(event, AgentToolResult)]


@pytest.mark.parametrize("sandbox", ["none", pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)])
def test_a_sandbox_that_is_made_anew_has_its_files_in_the_order_in_which_they_were_written(
    own_home: Path, tmp_path: Path, sandbox: str
) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace/given").write_text("x")
    time = SECOND * 10**9 + 500_001_000
    os.utime(tmp_path / "workspace/given", ns=(time, time))
    (tmp_path / "agent.yaml").write_text(CAREFUL)
    (tmp_path / "steps.yaml").write_text(STEPS)
    done = agentctl(
        "run", tmp_path / "agent.yaml", "go", "--session", "times", "--sandbox", sandbox, "-q",
        "--workspace", tmp_path / "workspace", "--model", f"script:{tmp_path / 'steps.yaml'}",
    )  # fmt: skip
    assert done.code == 0, done.err
    done = agentctl("send", "times", "Are they?", "-q")
    assert done.code == 0, done.err

    found = results(Home(own_home), "times")
    before, after = found[1:3], found[3:5]
    size = len(WRITTEN)
    for globbed in (before[0], after[0]):
        assert [line.rpartition("/")[2] for line in globbed.splitlines()[-size:]] == [*WRITTEN][::-1]
    assert after[1].splitlines()[-2 * size :] == before[1].splitlines()
    assert before[1].splitlines()[size:] == [*WRITTEN][::-1]
